//! Reads a journal: whole lines, then blanks; a torn tail; or corruption.
//!
//! Each record is synced before the next is written, so at most the last line can be torn. Anything else that is not
//! a line is damage by somebody or something else, and nothing is done on it.

use crate::{
    format::{FORMAT, Line, MAX_LINE, decode},
    record::Record,
    status::{self, Remedy, Status},
};
use backout_protocol::RunId;

/// A journal's whole lines and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The lines, in order.
    pub lines: Vec<Line>,
    /// Where they lead.
    pub status: Status,
    /// What follows them.
    pub tail: Tail,
}

/// What follows the last whole line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Blanks only.
    Blank,
    /// Part of one more line: it was being written when the machine stopped.
    Torn {
        /// Where it begins.
        at: usize,
    },
}

/// Why a journal cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Written by a newer tool.
    #[error("journal format {}.{} is newer than this tool's {}.{}", found.0, found.1, FORMAT.0, FORMAT.1)]
    TooNew {
        /// Its format.
        found: (u16, u16),
    },
    /// Not what any run of this tool wrote.
    #[error("the journal is damaged at byte {at}: {why}")]
    Corrupt {
        /// Where.
        at: usize,
        /// What is wrong.
        why: String,
    },
}

impl Reading {
    /// The records alone.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.lines.iter().map(|l| &l.record)
    }

    /// Whether the line that cannot be read may be an `Opening` that was whole once and is damaged since: then services may
    /// be down. A torn one looks the same, and none was touched.
    pub fn is_opening_in_doubt(&self) -> bool {
        matches!(self.status, Status::Staged | Status::CommitPending)
            && matches!(self.tail, Tail::Torn { .. })
    }

    /// Whether the line that cannot be read may be an `Armed` that was whole once and is damaged since: then files may be
    /// swapped. A torn one looks the same, and none was touched. Whoever has looked writes `Recovering` in its place.
    pub fn is_armed_in_doubt(&self) -> bool {
        self.status == Status::Opening && matches!(self.tail, Tail::Torn { .. })
    }

    /// What a recovery has to do.
    pub fn remedy(&self) -> Remedy {
        if self.is_opening_in_doubt() { Remedy::DropStagingAndResume } else { self.status.remedy() }
    }
}

/// Reads `bytes`, the whole file, as the journal of `run`.
///
/// # Errors
/// [`Unreadable`]; nothing may be done then.
pub fn read(run: &RunId, bytes: &[u8]) -> Result<Reading, Unreadable> {
    let mut reading = Reading { lines: Vec::new(), status: Status::Nothing, tail: Tail::Blank };
    let (mut at, mut prev) = (0, 0);
    while let Some((line, crc, next)) = line_at(bytes, at) {
        let corrupt = |why: String| Unreadable::Corrupt { at, why };
        if let Record::Begin { format, .. } = &line.record
            && (format.0 != FORMAT.0 || format.1 > FORMAT.1)
        {
            return Err(Unreadable::TooNew { found: *format });
        }
        if line.run != *run {
            return Err(corrupt(format!("a line of run {}", line.run)));
        }
        if line.seq as usize != reading.lines.len() || line.prev != prev {
            return Err(corrupt("a line out of its place".to_owned()));
        }
        reading.status = status::next(reading.status, &line.record).map_err(|e| corrupt(e.to_string()))?;
        reading.lines.push(line);
        (at, prev) = (next, crc);
    }
    reading.tail = tail(bytes, at)?;
    Ok(reading)
}

/// The whole line that begins at `at`, its checksum, and where the next begins.
fn line_at(bytes: &[u8], at: usize) -> Option<(Line, u32, usize)> {
    let rest = bytes.get(at..)?;
    let rest = &rest[..rest.len().min(MAX_LINE)];
    let end = rest.iter().position(|b| *b == b'\n')?;
    let (line, crc) = decode(&rest[..end])?;
    Some((line, crc, at + end + 1))
}

/// Judges what follows the last whole line.
fn tail(bytes: &[u8], at: usize) -> Result<Tail, Unreadable> {
    let rest = &bytes[at..];
    let blank = |b: &u8| matches!(b, b'\n' | b' ' | 0);
    let Some(last) = rest.iter().rposition(|b| !blank(b)) else { return Ok(Tail::Blank) };
    let corrupt = |at, why: &str| Err(Unreadable::Corrupt { at, why: why.to_owned() });
    // A torn line may have lost its beginning (sectors are written in any order), so it need not start at `at`; but it
    // lies within one line's length, and no whole line can follow it.
    if last >= MAX_LINE {
        return corrupt(at + last, "bytes far behind the last whole line");
    }
    // At every byte, not only behind line ends: the damage may have been to a line end.
    for start in 1..=last {
        if line_at(bytes, at + start).is_some() {
            return corrupt(at, "no whole line, but a whole line follows");
        }
    }
    Ok(Tail::Torn { at })
}
