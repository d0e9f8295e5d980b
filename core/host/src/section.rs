//! Reads a plugin's manifest from its file. Nothing of the file is run; its bytes may be anything.

use backout_protocol::{abi::SECTION, message::Manifest};
use object::{Object, ObjectSection};

/// No manifest is longer.
const LIMIT: usize = 64 * 1024;

/// The manifest in a library's bytes; `None` if they are no library or have no such section.
///
/// # Errors
/// The section is there and holds no manifest.
pub(crate) fn manifest(bytes: &[u8]) -> Option<Result<Manifest, String>> {
    let file = object::File::parse(bytes).ok()?;
    let section = file.section_by_name(SECTION)?;
    Some(match section.data() {
        Ok(data) => read(data),
        Err(e) => Err(e.to_string()),
    })
}

/// Reads a manifest's JSON, which zeros may follow: PE files fill their sections up.
pub(crate) fn read(data: &[u8]) -> Result<Manifest, String> {
    let end = data.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    if end > LIMIT {
        return Err(format!("a manifest of {end} bytes"));
    }
    serde_json::from_slice(&data[..end]).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_library_are_no_plugin() {
        for bytes in [&b""[..], b"MZ", b"\x7fELF", b"text", &[0xff; 4096]] {
            assert!(manifest(bytes).is_none());
        }
    }

    #[test]
    fn a_manifest_is_read_with_the_padding_after_it_and_refused_if_it_is_none() {
        let json = br#"{"id":"a","version":"1","api":[[1,0],[1,0]],"about":"b","later":true}"#;
        let padded = [&json[..], &[0; 300]].concat();
        assert_eq!(read(&padded).unwrap().id, "a");
        assert!(read(b"").is_err());
        assert!(read(&json[..20]).is_err());
        assert!(read(&vec![b' '; LIMIT + 1]).is_err());
    }
}
