//! Examples as RON files beside a plugin's code.

use backout_protocol::{message::Example, text::from_ron};

/// Examples that were written as RON, one text each: `examples(&[include_str!("../examples/plain.ron")])`.
///
/// # Panics
/// Where one is not understood. The text is part of the plugin's code, so its author is who sees this, in the first test.
pub fn examples(texts: &[&str]) -> Vec<Example> {
    let read = |(n, text): (usize, &&str)| match from_ron(&format!("example {}", n + 1), text) {
        Ok(example) => example,
        Err(e) => panic!("{e}"),
    };
    texts.iter().enumerate().map(read).collect()
}
