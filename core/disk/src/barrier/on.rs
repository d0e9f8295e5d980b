//! The environment names what is left out, and a file that every barrier passed is written to.
#![expect(
    clippy::disallowed_methods,
    reason = "only in the build that the tests make to test themselves: reads the environment, writes the list"
)]

use std::{fs::OpenOptions, io::Write};

/// Whether the barrier of this name is the one.
pub fn left_out(name: impl FnOnce() -> String) -> bool {
    let name = name();
    if std::env::var("BACKOUT_LEAVE_OUT").is_ok_and(|left_out| left_out == name) {
        return true;
    }
    if let Some(list) = std::env::var_os("BACKOUT_BARRIERS")
        && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(list)
    {
        // One write, each time: whoever records our calls sees by it what the next one is.
        let _ = file.write_all(format!("{name}\n").as_bytes());
    }
    false
}
