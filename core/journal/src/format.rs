//! Lines: `<crc32, 8 hex digits> <RON>\n`, the checksum over the RON text.
//!
//! Format 1.0: the first. 1.1: runs that are left staged, guards, and the runs by which these go back; every other run is still
//! written as 1.0, so that older tools read it. 1.2: guards that are to be confirmed. A reader refuses another major number and a higher minor one.

use crate::record::Record;
use backout_protocol::{RunId, guard::Exit};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of the journal's format: (major, minor).
pub const FORMAT: (u16, u16) = (1, 2);
/// Version of the journal of a run that waits for its commit, of a guard that nobody has to confirm, and of a way back.
pub const PAUSING: (u16, u16) = (1, 1);
/// Version of the journal of a run that neither waits for its commit nor belongs to a guard.
pub const PLAIN: (u16, u16) = (1, 0);
/// The file is this long from the start, so that a full disk cannot refuse a record.
pub const LENGTH: usize = 64 * 1024;
/// What the unwritten part is filled with.
pub const BLANK: u8 = b'\n';
/// No line is longer, its line end included.
pub const MAX_LINE: usize = 16 * 1024;
/// Reasons are cut to this many characters, so that lines stay short.
const MAX_WHY: usize = 400;

/// One line's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Number of the line, from 0.
    pub seq: u32,
    /// The transaction, so that no other run's line can pass for one of ours.
    pub run: RunId,
    /// The checksum of the line before; 0 in the first.
    pub prev: u32,
    /// Milliseconds since 1970, for people.
    pub at: u64,
    /// What happened.
    pub record: Record,
}

/// A line as bytes, with its checksum.
pub fn encode(line: &Line) -> Result<(Vec<u8>, u32), ron::Error> {
    let mut line = line.clone();
    if let Record::Undo { why }
    | Record::Deferring { why }
    | Record::Undone { why }
    | Record::GoingBack { why }
    | Record::AwaitingConfirm { why, .. }
    | Record::Kept { why, .. }
    | Record::InstallerExited { code: Exit::NotStarted(why) } = &mut line.record
    {
        *why = why.chars().take(MAX_WHY).collect();
    }
    Ok(seal(&ron::to_string(&line)?))
}

/// A text of one line as bytes, with its checksum.
pub fn seal(text: &str) -> (Vec<u8>, u32) {
    let crc = crc32fast::hash(text.as_bytes());
    (format!("{crc:08x} {text}\n").into_bytes(), crc)
}

/// What the first line holds, if [`seal`] wrote it whole: of RON.
pub fn first<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let line = bytes.split(|b| *b == b'\n').next()?;
    ron::de::from_bytes(unseal(line)?.0).ok()
}

/// The text of a line without its line end, and its checksum. `None`: not a line that [`seal`] wrote.
fn unseal(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let (crc, text) = bytes.split_at_checked(9)?;
    let stated = std::str::from_utf8(crc.strip_suffix(b" ")?).ok()?;
    let lower_hex = stated.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let stated = u32::from_str_radix(stated, 16).ok().filter(|_| lower_hex)?;
    (crc32fast::hash(text) == stated).then_some((text, stated))
}

/// Reads one line without its line end. `None`: not a line that [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Option<(Line, u32)> {
    let (text, crc) = unseal(bytes)?;
    Some((ron::de::from_bytes(text).ok()?, crc))
}
