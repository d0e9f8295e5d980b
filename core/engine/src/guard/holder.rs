//! The holder: a process that outlives the guard, runs the installer once it is told to, and writes down how that ended.
//!
//! What it writes goes to one small file in the guard's folder that was filled before, so that a full disk cannot keep it
//! from being written: in its first block that the installer is let go, and when, in its second how it ended. Whether the holder lives
//! is told by a lock, which goes with it however it ends.

use super::deadline::Moment;
use crate::{faces::Cancel, failure::Failure, tidy};
use backout_disk::{Error, Folder, durable, durable::Preallocated, lock::Lock};
use backout_journal::format;
use backout_machine::group::{Lead, Reaped};
use backout_protocol::{RunId, guard::Exit, path::encode};
use std::{
    ffi::{OsStr, OsString},
    io::BufRead,
    path::Path,
};

/// The lock that the holder has as long as it lives.
pub(crate) const LOCK: &str = "holder";
/// What it writes down.
pub(crate) const WORD: &str = "let-go";
/// Each of the two things lies in a block of its own, so that writing one never tears the other.
const BLOCK: usize = 4096;
const CAP: u64 = 64 * 1024;
/// What the guard says to let the installer go.
pub(super) const GO: &str = "go";
/// What is written down before the installer is let go; behind it, where the system tells, the moment.
const LET_GO: &[u8] = b"the installer is let go\n";
/// A reason is cut to this many characters: it has to fit its block.
const MAX_WHY: usize = 400;

/// What the holder has written down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Whether the installer may have run; also where the file is gone or damaged.
    pub let_go: bool,
    /// When that was; `None`: an older backout wrote it, or it is damaged.
    pub since: Option<Moment>,
    /// How it ended.
    pub exit: Option<Exit>,
}

/// Is the holder of the guard whose folder this is: waits for the word on standard input, runs the installer, and stays
/// until nothing of it lives any more, or until it is told to go once the installer has ended.
///
/// # Errors
/// [`Failure`]: it cannot be the holder; nothing of the installer ran.
pub fn hold(folder: &Path, cancel: &Cancel) -> Result<(), Failure> {
    let fail = |why: String| Failure::Process { why };
    let disk = |e: Error| Failure::Process { why: e.to_string() };
    let folder = Folder::open_root(folder).map_err(disk)?;
    let run: RunId = folder
        .path()
        .file_name()
        .and_then(OsStr::to_str)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| fail("this is no run's folder".to_owned()))?;
    let plan = tidy::by_plan_alone(&run, &folder).map_err(disk)?.map(|tx| tx.plan);
    let terms = plan.as_ref().and_then(|plan| plan.guards());
    let terms = terms.ok_or_else(|| fail("this is no guard's folder".to_owned()))?;
    let argv: Vec<OsString> = terms.argv.iter().map(|word| word.0.clone().into_os_string()).collect();
    let word = Preallocated::create(&folder, OsStr::new(WORD), 2 * BLOCK as u64).map_err(disk)?;
    let mut lead = Lead::of(run.as_str()).map_err(|e| fail(e.to_string()))?;
    // From here on the guard knows that this one is ready.
    let lock = Lock::acquire(&folder, OsStr::new(LOCK)).map_err(disk)?;
    let _lock = lock.ok_or_else(|| fail("there is another holder".to_owned()))?;
    let mut told = String::new();
    // A guard that died says nothing: nothing is run.
    let heard = std::io::stdin().lock().read_line(&mut told);
    if heard.is_err() || told.trim_end() != GO {
        return Ok(());
    }
    let write = |at: usize, bytes: &[u8]| -> Result<(), Failure> {
        word.write_at(at as u64, bytes).and_then(|()| word.sync()).map_err(disk)
    };
    // If we die behind this and before the next line, the installer counts as let go and did nothing.
    write(0, &let_go(Moment::now().as_ref()))?;
    let ended = |exit: &Exit| {
        let text = ron::to_string(exit).map_err(|e| fail(e.to_string()))?;
        write(BLOCK, &format::seal(&text).0)
    };
    let installer = match lead.start_installer(&argv) {
        Ok(installer) => installer,
        Err(e) => {
            let program = argv.first().map(|p| encode(p)).unwrap_or_default();
            let why = format!("`{program}`: {e}").chars().take(MAX_WHY).collect();
            return ended(&Exit::NotStarted(why));
        }
    };
    let mut over = false;
    loop {
        match lead.reap().map_err(|e| fail(e.to_string()))? {
            Reaped::Exited(pid, code) if pid == installer => {
                let exit = Exit::Code(code);
                // Whoever reads it behind a power cut believes it.
                if terms.codes.is_well(&exit) {
                    super::make_durable(&terms.roots)?;
                }
                ended(&exit)?;
                over = true;
            }
            Reaped::Signalled(pid, signal) if pid == installer => {
                ended(&Exit::Signal(signal))?;
                over = true;
            }
            Reaped::Exited(..) | Reaped::Signalled(..) => {}
            Reaped::Childless => return Ok(()),
            Reaped::None if over && (cancel.requested().is_some() || lead.is_dissolved()) => return Ok(()),
            Reaped::None => std::thread::sleep(super::POLL),
        }
    }
}

/// What the first block says of an installer that is let go at this moment.
fn let_go(at: Option<&Moment>) -> Vec<u8> {
    let at = at.and_then(|at| ron::to_string(at).ok()).map(|text| format::seal(&text).0);
    [LET_GO, &at.unwrap_or_default()].concat()
}

/// Whether the holder lives.
pub(super) fn lives(folder: &Folder) -> Result<bool, Failure> {
    Lock::is_held(folder, OsStr::new(LOCK)).map_err(|e| Failure::Process { why: e.to_string() })
}

/// What the holder has written down so far.
pub(super) fn word(folder: &Folder) -> Result<Word, Failure> {
    let bytes = durable::read(folder, OsStr::new(WORD), CAP);
    let bytes = bytes.map_err(|e| Failure::Process { why: e.to_string() })?;
    Ok(read(&bytes.unwrap_or_default()))
}

/// Whether a holder was there and may have let the installer go, of whatever run this is the folder.
pub(crate) fn may_have_let_go(folder: &Folder) -> bool {
    match durable::read(folder, OsStr::new(WORD), CAP) {
        Ok(bytes) => bytes.is_some_and(|bytes| read(&bytes).let_go),
        // What cannot be looked at is not taken for nothing.
        Err(_) => true,
    }
}

fn read(bytes: &[u8]) -> Word {
    let (first, second) = bytes.split_at(bytes.len().min(BLOCK));
    // It was whole and blank before the guard opened. What is no longer so was written, or is damaged, and tells nothing.
    let blank = first.len() == BLOCK && first.iter().all(|b| *b == b'\n');
    // Half of a line, or a damaged one, is as good as none: how it ended is not on record.
    let exit: Option<Exit> = format::first(second);
    let since = first.strip_prefix(LET_GO).and_then(format::first);
    Word { let_go: !blank || exit.is_some(), since, exit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_half_written_counts_as_let_go_and_as_no_end() {
        let mut file = vec![b'\n'; 2 * BLOCK];
        assert_eq!(read(&file), Word::default());
        for damaged in [&[][..], &file[..100], &[0; 2 * BLOCK]] {
            assert_eq!(read(damaged), Word { let_go: true, since: None, exit: None });
        }
        file[..3].copy_from_slice(b"the");
        assert_eq!(read(&file), Word { let_go: true, since: None, exit: None });
        file[BLOCK..BLOCK + 4].copy_from_slice(b"Code");
        assert_eq!(read(&file), Word { let_go: true, since: None, exit: None });
        let (word, _) = format::seal("Code(3)");
        file[BLOCK..BLOCK + word.len()].copy_from_slice(&word);
        assert_eq!(read(&file), Word { let_go: true, since: None, exit: Some(Exit::Code(3)) });
        for at in 0..word.len() - 1 {
            file[BLOCK + at] ^= 1;
            assert_eq!(read(&file), Word { let_go: true, since: None, exit: None });
            file[BLOCK + at] ^= 1;
        }
    }

    #[test]
    fn when_it_was_let_go_is_told_where_its_line_is_whole() {
        let mut file = vec![b'\n'; 2 * BLOCK];
        let (moment, whole) = (Moment::now(), let_go(Moment::now().as_ref()));
        let older = let_go(None);
        file[..older.len()].copy_from_slice(&older);
        assert_eq!(read(&file), Word { let_go: true, since: None, exit: None });
        file[..whole.len()].copy_from_slice(&whole);
        assert!(moment.is_some() && read(&file).since.is_some_and(|since| since.passed().is_some()));
        file[LET_GO.len() + 12] ^= 1;
        assert_eq!(read(&file), Word { let_go: true, since: None, exit: None });
    }
}
