//! JSON in ASCII: what is not ASCII is written `\uXXXX`, so that every console and every pipe carries it.

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::io::{self, Write};

struct Ascii(CompactFormatter);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for c in fragment.chars() {
            if c.is_ascii() && c != '\x7f' {
                writer.write_all(&[c as u8])?;
            } else {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }
}

/// One line of ASCII JSON.
pub(crate) fn line<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Ascii(CompactFormatter));
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        // Only a value that cannot be JSON at all gets here, and ours all can.
        Err(e) => format!(
            "{{\"schema\":\"backout.result/v1\",\"exit_code\":70,\"bug\":\"{}\"}}",
            e.to_string().escape_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn whatever_is_not_ascii_is_escaped_and_comes_back() {
        let text = "日本語 \u{1f600} \u{7f} \n \" \\";
        let line = super::line(&text);
        assert!(line.is_ascii(), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
