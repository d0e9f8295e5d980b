//! A run that is over moves into the history.
//!
//! Where open files keep their names, the folder that they lie in keeps its own too. Some of a run's are open beyond its end: its
//! log by us, the installer's output by what an installer has left running. They step aside meanwhile.

use crate::{guard, transaction::LOG};
use backout_disk::{Error, ErrorKind, Folder, durable};
use backout_protocol::RunId;
use std::ffi::{OsStr, OsString};

/// What may be open. None of it is needed to know what became of the run.
const OPEN: [&str; 5] = [LOG, guard::OUTPUT, guard::WAITER, guard::HOLDER, guard::LET_GO];
/// How the name of a file begins that has stepped aside.
pub(crate) const ASIDE: &str = ".aside-";

/// Moves the folder of `run` from one to the other.
///
/// # Errors
/// The disk's: it is where it was.
pub(crate) fn archive(run: &RunId, from: &Folder, to: &Folder) -> Result<(), Error> {
    let name = OsStr::new(run.as_str());
    match durable::rename(from, name, to, name) {
        Err(e) if matches!(e.kind, ErrorKind::Busy | ErrorKind::Denied) && from.stat(name)?.is_some() => {
            around_open(run, from, to).map_err(|_| e)
        }
        moved => moved,
    }
}

/// The same with what may be open aside. If we die in here, what stepped aside is lost, and nothing else is.
fn around_open(run: &RunId, from: &Folder, to: &Folder) -> Result<(), Error> {
    let name = OsStr::new(run.as_str());
    let folder = |at: &Folder| at.open_below(&crate::state::plain(run.as_str()));
    let aside = |file: &str| OsString::from(format!("{ASIDE}{run}-{file}"));
    let own = folder(from)?;
    for file in OPEN {
        if own.stat(OsStr::new(file))?.is_some() {
            durable::rename(&own, OsStr::new(file), from, &aside(file))?;
        }
    }
    drop(own);
    let moved = durable::rename(from, name, to, name);
    // It may have moved and not be on the medium.
    let own = folder(if from.stat(name)?.is_none() { to } else { from })?;
    for file in OPEN {
        if from.stat(&aside(file))?.is_some() {
            durable::rename(from, &aside(file), &own, OsStr::new(file))?;
        }
    }
    moved
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the files that are moved")]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_may_be_open_steps_aside_and_comes_along() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        let run: RunId = "01jd0000000000000000000000".parse().unwrap();
        let own = at.join("from").join(run.as_str());
        fs::create_dir_all(&own).unwrap();
        fs::create_dir(at.join("to")).unwrap();
        for file in ["journal", LOG, guard::OUTPUT] {
            fs::write(own.join(file), file).unwrap();
        }
        let (from, to) =
            (Folder::open_root(&at.join("from")).unwrap(), Folder::open_root(&at.join("to")).unwrap());
        around_open(&run, &from, &to).unwrap();
        for file in ["journal", LOG, guard::OUTPUT] {
            assert_eq!(fs::read_to_string(at.join("to").join(run.as_str()).join(file)).unwrap(), file);
        }
        assert_eq!(fs::read_dir(at.join("from")).unwrap().count(), 0);
        // Where the move fails all of it is where it was.
        fs::create_dir_all(own.join("sub")).unwrap();
        fs::write(own.join(LOG), "again").unwrap();
        assert!(archive(&run, &from, &to).is_err());
        assert_eq!(fs::read_to_string(own.join(LOG)).unwrap(), "again");
        assert_eq!(fs::read_dir(at.join("from")).unwrap().count(), 1);
    }
}
