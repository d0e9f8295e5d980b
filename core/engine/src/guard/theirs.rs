//! What of all that is new is the installer's, and goes with its work.
//!
//! What was there before it ran is not, whatever name it has by now: moved in from elsewhere, or out of what the snapshot leaves
//! out, it is in no copy of ours. On Linux a file tells when it was made, and no program can change that; which files are the
//! snapshot's own, and may go under other names, is told by their numbers, written down before the installer is let go. Where a
//! system cannot tell, all that is new is the installer's.

use super::came::{Came, new_names};
use crate::{refusal::Refusal, transaction::Transaction};
use backout_disk::{Error, Folder, durable};
use backout_protocol::{
    Guard as Terms, HostPath, Notice, Place, RelPath,
    snapshot::{Entry, Snapshot, What},
    text::{from_ron, to_ron},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The record's name in the guard's folder.
const BEFORE: &str = "before";
/// Its version: (major, minor). 1.0: the first.
const FORMAT: (u16, u16) = (1, 0);
/// No record is longer.
const CAP: u64 = 256 * 1024 * 1024;
/// Clocks of file systems lag behind the system's own by less.
const LAG: Duration = Duration::from_secs(2);

/// What there was before the installer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    format: (u16, u16),
    /// What was made later is the installer's: seconds since 1970.
    until: i64,
    /// The number of each file that the snapshot has, and of its root.
    files: BTreeSet<(usize, u64)>,
}

/// Writes down what there is, before the installer is let go. If we die before that nobody asks for it.
///
/// # Errors
/// The disk's.
pub(super) fn begin(tx: &Transaction, snapshot: &Snapshot) -> Result<(), Error> {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(LAG);
    let mut before = Before { format: FORMAT, until: until.as_secs() as i64, files: BTreeSet::new() };
    // What lies in one folder comes one behind the other.
    let mut last: Option<(usize, Option<RelPath>, Option<Folder>)> = None;
    for entry in snapshot.entries.iter().filter(|e| matches!(e.what, What::File(_))) {
        let (root, above) = (entry.root, entry.path.parent());
        if last.as_ref().is_none_or(|(r, a, _)| (*r, a) != (root, &above)) {
            let folder = snapshot.place(entry).and_then(|place| Folder::open_parent_of(&place).ok());
            last = Some((root, above, folder));
        }
        // One that is gone since has no other name either.
        let folder = last.as_ref().and_then(|(.., folder)| folder.as_ref());
        if let Some(Ok(Some(stat))) = folder.map(|folder| folder.stat(entry.path.name())) {
            before.files.insert((root, stat.identity.1));
        }
    }
    let text = to_ron(&before)
        .map_err(|e| Error::unsupported("write", &tx.folder.path().join(BEFORE), &e.to_string()))?;
    durable::write(&tx.folder, OsStr::new(BEFORE), text.as_bytes(), 0o600)
}

/// The record; an empty one, by which nothing was there before, where it is gone or damaged: then all that is new goes, as of a
/// guard that an older backout began.
fn read(tx: &Transaction) -> Before {
    let bytes = durable::read(&tx.folder, OsStr::new(BEFORE), CAP);
    let text = bytes.map(|bytes| String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default());
    let before = text.map(|text| from_ron::<Before>(BEFORE, &text));
    match before {
        Ok(Ok(before)) if before.format.0 == FORMAT.0 => before,
        other => {
            log::warn!("run {}: what was there before the installer is not known: {other:?}", tx.run);
            Before::default()
        }
    }
}

/// What is the installer's.
#[derive(Debug)]
pub(super) struct Theirs {
    /// What came while it ran; `None`: all that is new goes, as the folders are a product's own.
    came: Option<Came>,
    /// New names of what was there before.
    older: BTreeSet<(usize, RelPath)>,
}

impl Theirs {
    /// As the guard's folder and the files themselves tell.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn of(tx: &Transaction, terms: &Terms, snapshot: &Snapshot) -> Result<Self, Refusal> {
        let before = read(tx);
        let mut older = BTreeSet::new();
        for entry in new_names(snapshot)?.into_iter().filter(|e| matches!(e.what, What::File(_))) {
            let folder = snapshot.place(&entry).and_then(|place| Folder::open_parent_of(&place).ok());
            let Some(Ok(Some(stat))) = folder.map(|folder| folder.stat(entry.path.name())) else { continue };
            let is_older = stat.born.is_some_and(|(seconds, _)| seconds < before.until);
            if is_older && !before.files.contains(&(entry.root, stat.identity.1)) {
                older.insert((entry.root, entry.path));
            }
        }
        Ok(Self { came: Came::of(tx, terms), older })
    }

    /// Whether whatever is new is theirs, also what has a name that nothing of ours speaks of.
    pub(super) fn are_all_new(&self) -> bool {
        self.came.is_none() && self.older.is_empty()
    }

    /// Whether a new name goes with the installer's work.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.came.as_ref().is_none_or(|came| came.has(entry))
            && !self.older.contains(&(entry.root, entry.path.clone()))
    }

    /// What is new, or another kind of thing than the snapshot has, and is not the installer's.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn foreign(&self, snapshot: &Snapshot) -> Result<Vec<(usize, RelPath)>, Refusal> {
        let came = self.came.as_ref().map(|came| came.foreign(snapshot)).transpose()?;
        Ok(came.unwrap_or_default().into_iter().chain(self.older.iter().cloned()).collect())
    }

    /// What is to be said of that which stays. Of a folder and what lies in it only the folder is named.
    pub(super) fn notices(&self, stay: Vec<Place>, snapshot: &Snapshot) -> Vec<Notice> {
        let is_older = |place: &Place| {
            let within = |(root, path): &(usize, RelPath)| {
                snapshot.roots.get(*root).is_some_and(|r| r.path == place.root)
                    && path.as_path().starts_with(place.rel.as_path())
            };
            self.older.iter().any(within)
        };
        let (older, since): (Vec<Place>, Vec<Place>) = stay.into_iter().partition(is_older);
        let places: Vec<HostPath> = older.iter().map(|place| HostPath(place.path())).collect();
        let older = (!places.is_empty()).then_some(Notice::OlderStays { places });
        let since = self.came.as_ref().and_then(|came| came.notice(since));
        older.into_iter().chain(since).collect()
    }
}
