//! The ticket of a guard that is to be confirmed: one file in its folder, whose name says what was decided.
//!
//! It is renamed once: by whoever confirms, or by whoever takes the work back. There is one file and so one winner, and the
//! other hears that it is too late. It is made, and filled, before the installer is let go: no full disk keeps anybody
//! from deciding. Once the installer's work is judged it holds what the journal says in `AwaitingConfirm`, so that a line
//! of the journal that is damaged later does not begin the wait anew.

use backout_disk::{Error, ErrorKind, Folder, durable, durable::Preallocated};
use backout_journal::{Record, format};
use std::ffi::OsStr;

const OPEN: &str = "ticket";
const CONFIRMED: &str = "ticket.confirmed";
const REFUSED: &str = "ticket.back";
/// Its length.
const BLOCK: usize = 4096;
/// A reason is cut to this many characters: it has to fit.
const MAX_WHY: usize = 300;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing yet.
    Open,
    /// The work stays.
    Confirmed,
    /// It goes back. Also where there is no ticket: nobody can have confirmed then.
    Back,
}

/// Makes it.
///
/// # Errors
/// The disk's.
pub(super) fn create(folder: &Folder) -> Result<(), Error> {
    Preallocated::create(folder, OsStr::new(OPEN), BLOCK as u64).map(drop)
}

/// Writes down what is waited for. If we die in here, it holds all of it or counts as blank.
///
/// # Errors
/// The disk's.
pub(super) fn fill(folder: &Folder, waits: &Record) -> Result<(), Error> {
    let mut waits = waits.clone();
    if let Record::AwaitingConfirm { why, .. } = &mut waits {
        *why = why.chars().take(MAX_WHY).collect();
    }
    let text = ron::to_string(&waits);
    let text = text.map_err(|e| Error::unsupported("write", &folder.path().join(OPEN), &e.to_string()))?;
    let ticket = Preallocated::open(folder, OsStr::new(OPEN))?;
    ticket.write_at(0, &format::seal(&text).0)?;
    ticket.sync()
}

/// What was decided so far. Asked without any lock: the name of what is open is looked for first, as it is never taken again.
///
/// # Errors
/// The disk's.
pub(super) fn word(folder: &Folder) -> Result<Word, Error> {
    if folder.stat(OsStr::new(OPEN))?.is_some() {
        return Ok(Word::Open);
    }
    let confirmed = folder.stat(OsStr::new(CONFIRMED))?.is_some();
    Ok(if confirmed { Word::Confirmed } else { Word::Back })
}

/// What is waited for, if that was written down whole.
///
/// # Errors
/// The disk's.
pub(super) fn filled(folder: &Folder) -> Result<Option<Record>, Error> {
    for name in [OPEN, CONFIRMED, REFUSED] {
        let Some(bytes) = durable::read(folder, OsStr::new(name), BLOCK as u64)? else { continue };
        let record: Option<Record> = format::first(&bytes);
        return Ok(record.filter(|record| matches!(record, Record::AwaitingConfirm { .. })));
    }
    Ok(None)
}

/// Decides, if nobody has, and says what was decided: durably.
///
/// # Errors
/// The disk's: what was decided is not known to be durable.
pub(super) fn decide(folder: &Folder, word: Word) -> Result<Word, Error> {
    let name = match word {
        Word::Open => return self::word(folder),
        Word::Confirmed => CONFIRMED,
        Word::Back => REFUSED,
    };
    match durable::rename(folder, OsStr::new(OPEN), folder, OsStr::new(name)) {
        Ok(()) => Ok(word),
        Err(e) if e.kind == ErrorKind::NotFound => {
            // Whoever was faster may have died before that was durable.
            folder.sync()?;
            self::word(folder)
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_journal::Verdict;
    use backout_protocol::guard::Deadline;

    #[test]
    fn who_decides_first_decides_and_what_is_half_written_is_blank() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
        let waits = |why: &str| Record::AwaitingConfirm {
            until: Deadline { at: 1, boot: "b".into(), up: 2, within: 3 },
            verdict: Verdict::Ill,
            why: why.into(),
        };
        assert_eq!((word(&folder).unwrap(), filled(&folder).unwrap()), (Word::Back, None));
        create(&folder).unwrap();
        assert_eq!((word(&folder).unwrap(), filled(&folder).unwrap()), (Word::Open, None));
        Preallocated::open(&folder, OsStr::new(OPEN))
            .unwrap()
            .write_at(0, b"AwaitingConfirm(until:(at")
            .unwrap();
        assert_eq!(filled(&folder).unwrap(), None);
        fill(&folder, &waits(&"\u{1}".repeat(1000))).unwrap();
        assert_eq!(filled(&folder).unwrap(), Some(waits(&"\u{1}".repeat(MAX_WHY))));
        assert_eq!(decide(&folder, Word::Open).unwrap(), Word::Open);
        assert_eq!(decide(&folder, Word::Confirmed).unwrap(), Word::Confirmed);
        assert_eq!(decide(&folder, Word::Back).unwrap(), Word::Confirmed);
        assert_eq!(filled(&folder).unwrap(), Some(waits(&"\u{1}".repeat(MAX_WHY))));
        assert!(std::fs::metadata(dir.path().join(CONFIRMED)).unwrap().len() <= BLOCK as u64);
    }

    #[test]
    fn a_decision_that_could_not_be_written_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
        create(&folder).unwrap();
        // Something in the way: the ticket is there, and keeps its name.
        durable::ensure_folder(&folder, OsStr::new(CONFIRMED), 0o700).unwrap();
        assert!(decide(&folder, Word::Confirmed).is_err());
        assert_eq!(word(&folder).unwrap(), Word::Open);
        assert_eq!(decide(&folder, Word::Back).unwrap(), Word::Back);
    }
}
