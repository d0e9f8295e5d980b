//! What came while the installer ran. Where folders are watched without a profile the way back takes away these names alone,
//! and only those that are since as the installer left them: what anybody else made meanwhile stays, and is named.
//!
//! The record lies in the guard's folder: blank before the installer is let go, written whole once nothing of it is at work
//! any more. One that is neither is lost, and is never made anew: then nothing that is new goes.

use super::{make_durable, root_folder};
use crate::{
    faces::Cancel,
    refusal::Refusal,
    snapshot::{Exclude, diff::differing, inventory::Inventory, store},
    state::State,
    transaction::Transaction,
};
use backout_disk::{Error, durable, fingerprint::digest_bytes, folder::Kind};
use backout_protocol::{
    Guard as Terms, HostPath, Notice, Place, RelPath,
    snapshot::{Entry, Facts, Snapshot, What},
    text::{from_ron, to_ron},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ffi::OsStr};

/// The record's name in the guard's folder.
const CAME: &str = "came";
/// What it holds until the installer has ended.
const BLANK: &[u8] = b"the installer has not ended yet\n";
/// What it holds once nobody is to find what came any more, although it could not be written: as long, so that no full disk refuses it.
const UNWRITTEN: &[u8; BLANK.len()] = b"what came could not be written \n";
/// Version of what it holds then: (major, minor). 1.0: the first.
const FORMAT: (u16, u16) = (1, 0);
/// No record is longer.
const CAP: u64 = 256 * 1024 * 1024;

/// What the record says, behind a line with its digest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: (u16, u16),
    entries: Vec<Entry>,
}

/// What came, by its root and its path.
type Names = BTreeMap<(usize, RelPath), (What, Option<Facts>)>;

/// What is known of it.
#[derive(Debug, Clone)]
pub(super) enum Came {
    /// The installer has not ended yet, or nobody wrote down what came.
    Blank,
    /// It could not be written down in time.
    Unwritten,
    /// This came.
    Known(Names),
    /// The record is damaged or gone: why.
    Lost(String),
}

/// Whether a guard keeps such a record: one without a profile does.
fn kept(terms: &Terms) -> bool {
    terms.profile.is_none()
}

/// Begins the record, before the installer is let go.
///
/// # Errors
/// The disk's.
pub(super) fn begin(tx: &Transaction, terms: &Terms) -> Result<(), Error> {
    match kept(terms) {
        true => durable::write(&tx.folder, OsStr::new(CAME), BLANK, 0o600),
        false => Ok(()),
    }
}

/// Writes down what came, unless that is done. If we die in here the record is blank, and whoever settles the guard writes it.
/// `held`: what came, once it is found: where it cannot be written it is known without a record for as long as we live, and
/// written another time.
///
/// # Errors
/// What cannot be read; the disk's. The record is as it was.
pub(super) fn write_down(
    state: &State,
    tx: &Transaction,
    terms: &Terms,
    held: &mut Option<Came>,
) -> Result<(), Refusal> {
    if !kept(terms) {
        return Ok(());
    }
    match (read(tx), &*held) {
        (Came::Blank, None) => {
            let snapshot = store::open(state, &terms.snapshot)?;
            *held = Some(Came::of_entries(new_names(&snapshot)?));
        }
        (Came::Blank | Came::Unwritten, Some(_)) => {}
        (Came::Unwritten, None) => {
            return Err(Refusal::JournalFailed { why: "it could not be written down in time".to_owned() });
        }
        _ => return Ok(()),
    }
    match held {
        Some(Came::Known(came)) => write(tx, terms, came),
        _ => Ok(()),
    }
}

/// Before anything else comes that would be taken for the installer's: nobody finds what came once more. One that is written stays.
/// If we die in here the record is blank, or neither blank nor whole.
///
/// # Errors
/// The disk's.
pub(super) fn lose(tx: &Transaction, terms: &Terms) -> Result<(), Error> {
    if !kept(terms) || !matches!(read(tx), Came::Blank) {
        return Ok(());
    }
    let record = durable::Preallocated::open(&tx.folder, OsStr::new(CAME))?;
    record.write_at(0, UNWRITTEN)?;
    record.sync()
}

/// Why what came is not written down.
pub(super) fn told(refusal: Refusal) -> String {
    match refusal {
        Refusal::Look(e) => e.to_string(),
        Refusal::JournalFailed { why } => why,
        other => format!("{other:?}"),
    }
}

fn write(tx: &Transaction, terms: &Terms, came: &Names) -> Result<(), Refusal> {
    let entry = |((root, path), (what, facts)): (&(usize, RelPath), &(What, Option<Facts>))| Entry {
        root: *root,
        path: path.clone(),
        what: what.clone(),
        facts: facts.clone(),
    };
    let record = Record { format: FORMAT, entries: came.iter().map(entry).collect() };
    // First: behind a power cut what it speaks of would be another file, and stay. That is all that is lost by a failure.
    if let Err(failure) = make_durable(&terms.roots) {
        log::warn!("run {}: {failure}", tx.run);
    }
    let text = to_ron(&record).map_err(|e| Refusal::JournalFailed { why: e.to_string() })?;
    durable::write(&tx.folder, OsStr::new(CAME), sealed(&text).as_bytes(), 0o600).map_err(Refusal::Look)
}

/// A record behind a line with its digest.
pub(super) fn sealed(text: &str) -> String {
    format!("{}\n{text}", digest_bytes(text.as_bytes()))
}

/// The record; `None`: it is damaged.
pub(super) fn unsealed(bytes: &[u8]) -> Option<&str> {
    let (digest, text) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    (digest == digest_bytes(text.as_bytes()).to_string()).then_some(text)
}

/// The record as it lies there.
fn read(tx: &Transaction) -> Came {
    match durable::read(&tx.folder, OsStr::new(CAME), CAP) {
        Ok(Some(bytes)) => parsed(&bytes),
        Ok(None) => Came::Lost("the record is gone".to_owned()),
        Err(e) => Came::Lost(e.to_string()),
    }
}

fn parsed(bytes: &[u8]) -> Came {
    if bytes == BLANK {
        return Came::Blank;
    }
    if bytes == UNWRITTEN {
        return Came::Unwritten;
    }
    let Some(text) = unsealed(bytes) else { return Came::Lost("the record is damaged".to_owned()) };
    match from_ron::<Record>(CAME, text) {
        Ok(record) if record.format.0 == FORMAT.0 => Came::of_entries(record.entries),
        Ok(_) => Came::Lost("the record is of a newer backout".to_owned()),
        Err(e) => Came::Lost(e.to_string()),
    }
}

/// Every name below the snapshot's folders that it does not have, or not as what it is now.
pub(super) fn new_names(snapshot: &Snapshot) -> Result<Vec<Entry>, Refusal> {
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    let key = |path: &RelPath| snapshot.names.path_key(path.as_path());
    let saved: BTreeMap<(usize, String), Kind> =
        snapshot.entries.iter().map(|e| ((e.root, key(&e.path)), kind(&e.what))).collect();
    let known = |root: usize, path: &RelPath, is: Kind| saved.get(&(root, key(path))) == Some(&is);
    // Called off by nobody: without the record nothing goes back whole.
    let never = Cancel::default();
    let mut inventory = Inventory::of_new(&exclude, &never, &known);
    for (number, root) in snapshot.roots.iter().enumerate() {
        // In one that is gone, or that something else lies in the place of, nothing is new; the way back makes it again.
        if root_folder(&root.path.0).map_err(Refusal::Look)?.is_some() {
            inventory.take(number, &root.path, None)?;
        }
    }
    Ok(inventory.entries)
}

fn kind(what: &What) -> Kind {
    match what {
        What::Folder => Kind::Folder,
        What::File(_) => Kind::File,
        What::Link(_) => Kind::Symlink,
        What::Other => Kind::Other,
    }
}

impl Came {
    fn of_entries(entries: Vec<Entry>) -> Self {
        let named = |entry: Entry| ((entry.root, entry.path), (entry.what, entry.facts));
        Came::Known(entries.into_iter().map(named).collect())
    }

    /// What the guard's folder tells; `None`: all that is new goes, as the folders are a product's own.
    pub(super) fn of(tx: &Transaction, terms: &Terms) -> Option<Self> {
        kept(terms).then(|| read(tx))
    }

    /// Whether the name came while the installer ran, and is as it was when that ended.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        let Came::Known(came) = self else { return false };
        let Some((what, facts)) = came.get(&(entry.root, entry.path.clone())) else { return false };
        let beside = facts.as_ref().zip(entry.facts.as_ref());
        *what == entry.what && beside.is_none_or(|(a, b)| differing(a, b, *what == What::Folder).is_empty())
    }

    /// What is to be said of that which stays.
    pub(super) fn notice(&self, stay: Vec<Place>) -> Option<Notice> {
        let places: Vec<HostPath> = stay.iter().map(|place| HostPath(place.path())).collect();
        let why = match self {
            _ if places.is_empty() => return None,
            Came::Known(_) => return Some(Notice::CameSince { places }),
            Came::Blank => "nobody wrote it down".to_owned(),
            Came::Unwritten => "it could not be written down in time".to_owned(),
            Came::Lost(why) => why.clone(),
        };
        Some(Notice::CameUnknown { places, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_protocol::Image;

    fn entry(path: &str, what: What) -> Entry {
        Entry { root: 0, path: RelPath::new(path).unwrap(), what, facts: None }
    }

    fn written(entries: Vec<Entry>) -> Vec<u8> {
        let text = to_ron(&Record { format: FORMAT, entries }).unwrap();
        format!("{}\n{text}", digest_bytes(text.as_bytes())).into_bytes()
    }

    #[test]
    fn a_record_that_is_neither_blank_nor_whole_has_nothing() {
        let whole = written(vec![entry("a", What::Folder)]);
        assert!(parsed(&whole).has(&entry("a", What::Folder)));
        assert!(matches!(parsed(BLANK), Came::Blank));
        let mut flipped = whole.clone();
        let last = flipped.len() - 3;
        flipped[last] ^= 1;
        assert!(matches!(parsed(UNWRITTEN), Came::Unwritten));
        assert!(!Came::Unwritten.has(&entry("a", What::Folder)));
        let half = [&UNWRITTEN[..9], &BLANK[9..]].concat();
        for damaged in [&[][..], &whole[..whole.len() - 1], &flipped, b"\n", &BLANK[1..], &[0xff; 9], &half] {
            let came = parsed(damaged);
            assert!(matches!(came, Came::Lost(_)) && !came.has(&entry("a", What::Folder)), "{damaged:?}");
        }
    }

    #[test]
    fn only_what_is_as_the_installer_left_it_came_from_it() {
        let came = parsed(&written(vec![entry("a", What::File(Image::ABSENT)), entry("b", What::Folder)]));
        assert!(came.has(&entry("a", What::File(Image::ABSENT))) && came.has(&entry("b", What::Folder)));
        let other = |path, what| Entry { root: 1, ..entry(path, what) };
        assert!(!came.has(&entry("a", What::Folder)) && !came.has(&entry("c", What::Folder)));
        assert!(!came.has(&other("b", What::Folder)));
        assert!(!Came::Blank.has(&entry("b", What::Folder)));
    }
}
