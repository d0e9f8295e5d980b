//! What of all that is new is the installer's, and goes with its work.
//!
//! What was there before it ran is not, whatever name it has by now: moved in from elsewhere, or out of what the snapshot leaves
//! out, it is in no copy of ours. On Linux a file tells when it was made, and no program can change that; which files are the
//! snapshot's own, and may go under other names, is told by their numbers, written down before the installer is let go. Where a
//! system cannot tell, all that is new is the installer's.

use super::came::{Came, new_names, sealed, unsealed};
use crate::{refusal::Refusal, transaction::Transaction};
use backout_disk::{
    Error, Folder, durable,
    folder::{Kind, Stat},
};
use backout_machine::{boot_id, since_boot};
use backout_protocol::{
    Guard as Terms, HostPath, Notice, Place, RelPath,
    snapshot::{Entry, Snapshot, What},
    text::{from_ron, to_ron},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// The record's name in the guard's folder.
const BEFORE: &str = "before";
/// Its version: (major, minor). 1.0: the first.
const FORMAT: (u16, u16) = (1, 0);
/// No record is longer.
const CAP: u64 = 256 * 1024 * 1024;
/// Clocks of file systems lag behind the system's own by less: seconds.
const LAG: i64 = 2;

/// A file: the first of the snapshot's roots on its volume, and its number there.
type Number = (usize, u64);

/// What there was before the installer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    format: (u16, u16),
    /// What was made later is the installer's: seconds since 1970, by the clock as it stood then.
    until: i64,
    /// Which boot that was, and when it began by the same clock.
    boot: String,
    booted: i64,
    /// Every file that the snapshot has.
    files: BTreeSet<Number>,
}

/// What is known of it.
enum Known {
    Before(Before),
    /// The guard was begun by a backout that kept no such record.
    Nothing,
    Damaged,
}

/// Seconds since 1970, and when this boot began.
fn clock() -> (i64, i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    (now, now - since_boot().unwrap_or_default().as_secs() as i64)
}

/// Writes down what there is, before the installer is let go. If we die before that nobody asks for it.
///
/// # Errors
/// The disk's.
pub(super) fn begin(tx: &Transaction, snapshot: &Snapshot) -> Result<(), Error> {
    let (now, booted) = clock();
    let volumes = Volumes::of(snapshot);
    let saved = snapshot.entries.iter().filter(|e| matches!(e.what, What::File(_)));
    let files = stats(snapshot, saved).filter_map(|(_, stat)| volumes.number(&stat)).collect();
    let boot = boot_id().unwrap_or_default();
    let before = Before { format: FORMAT, until: now - LAG, boot, booted, files };
    let text = to_ron(&before)
        .map_err(|e| Error::unsupported("write", &tx.folder.path().join(BEFORE), &e.to_string()))?;
    durable::write(&tx.folder, OsStr::new(BEFORE), sealed(&text).as_bytes(), 0o600)
}

fn read(tx: &Transaction) -> Known {
    match durable::read(&tx.folder, OsStr::new(BEFORE), CAP) {
        Ok(None) => Known::Nothing,
        Ok(Some(bytes)) => match unsealed(&bytes).map(|text| from_ron::<Before>(BEFORE, text)) {
            Some(Ok(before)) if before.format.0 == FORMAT.0 => Known::Before(before),
            _ => Known::Damaged,
        },
        Err(_) => Known::Damaged,
    }
}

impl Before {
    /// What was made before this moment was there, by the clock as it stands now: one that was set back since made what is new look
    /// older.
    fn limit(&self) -> i64 {
        let (now, booted) = clock();
        match boot_id() {
            Ok(boot) if boot == self.boot => self.until - (self.booted - booted).max(0),
            _ if now < self.until => i64::MIN,
            _ => self.until,
        }
    }
}

/// The volumes of a snapshot's roots.
struct Volumes(Vec<Option<u64>>);

impl Volumes {
    fn of(snapshot: &Snapshot) -> Self {
        let dev = |path: &HostPath| Some(Folder::open_root(&path.0).ok()?.stat_self().ok()?.identity.0);
        Self(snapshot.roots.iter().map(|root| dev(&root.path)).collect())
    }

    /// `None`: it lies on none of them.
    fn number(&self, stat: &Stat) -> Option<Number> {
        let (dev, number) = stat.identity;
        Some((self.0.iter().position(|d| *d == Some(dev))?, number))
    }
}

/// What each of these is now, as far as it is there. What lies in one folder comes one behind the other.
fn stats<'a>(
    snapshot: &'a Snapshot,
    entries: impl Iterator<Item = &'a Entry> + 'a,
) -> impl Iterator<Item = (&'a Entry, Stat)> + 'a {
    let (mut above, mut folder) = (None, None);
    entries.filter_map(move |entry| {
        let at = Some((entry.root, entry.path.parent()));
        if above != at {
            folder = snapshot.place(entry).and_then(|place| Folder::open_parent_of(&place).ok());
            above = at;
        }
        Some((entry, folder.as_ref()?.stat(entry.path.name()).ok()??))
    })
}

/// What is the installer's.
#[derive(Debug)]
pub(super) struct Theirs {
    /// What came while it ran; `None`: all that is new goes, as the folders are a product's own.
    came: Option<Came>,
    /// Where something is that was there before, under a new name or in the place of what the snapshot has.
    older: BTreeSet<(usize, RelPath)>,
    /// What is new, or something else than the snapshot has, and did not come so while the installer ran or is older.
    foreign: BTreeSet<(usize, RelPath)>,
}

impl Theirs {
    /// As the guard's folder and the files themselves tell. `held`: what came, where it could not be written there.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn of(
        tx: &Transaction,
        terms: &Terms,
        snapshot: &Snapshot,
        held: Option<&Came>,
    ) -> Result<Self, Refusal> {
        let came = held.cloned().or_else(|| Came::of(tx, terms));
        let new = new_names(snapshot)?;
        let at = |entry: &Entry| (entry.root, entry.path.clone());
        let files = |(_, stat): &(&Entry, Stat)| stat.kind == Kind::File;
        let older: BTreeSet<_> = match read(tx) {
            Known::Nothing => BTreeSet::new(),
            // Whose a new name is nobody knows.
            Known::Damaged => stats(snapshot, new.iter()).filter(files).map(|(entry, _)| at(entry)).collect(),
            Known::Before(before) => {
                let (limit, volumes) = (before.limit(), Volumes::of(snapshot));
                let saved =
                    snapshot.entries.iter().filter(|e| matches!(e.what, What::File(_) | What::Link(_)));
                let mut found: BTreeMap<Number, (u64, Vec<(usize, RelPath)>)> = BTreeMap::new();
                for (entry, stat) in stats(snapshot, new.iter().chain(saved)).filter(files) {
                    let is_older = stat.born.is_some_and(|(seconds, _)| seconds < limit);
                    let number = volumes.number(&stat).filter(|number| !before.files.contains(number));
                    if let Some(number) = number.filter(|_| is_older) {
                        found.entry(number).or_insert((stat.nlink, Vec::new())).1.push(at(entry));
                    }
                }
                // One that has a name elsewhere too is not lost with these.
                let last = found.into_values().filter(|(names, here)| *names <= here.len() as u64);
                last.flat_map(|(_, here)| here).collect()
            }
        };
        let since = new.iter().filter(|entry| came.as_ref().is_some_and(|came| !came.has(entry)));
        let foreign = since.map(at).chain(older.iter().cloned()).collect();
        Ok(Self { came, older, foreign })
    }

    /// Whether some of what there is was there before: where it is in the way it moves, and is to be looked for again.
    pub(super) fn are_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// Whether whatever is new is theirs, also what has a name that nothing of ours speaks of.
    pub(super) fn are_all_new(&self) -> bool {
        self.came.is_none() && !self.are_older()
    }

    /// Whether a new name goes with the installer's work.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.came.as_ref().is_none_or(|came| came.has(entry))
            && !self.older.contains(&(entry.root, entry.path.clone()))
    }

    /// What of it is not the installer's.
    pub(super) fn foreign(&self) -> &BTreeSet<(usize, RelPath)> {
        &self.foreign
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

#[cfg(test)]
impl Theirs {
    /// Everything new is the installer's.
    pub(super) fn all_new() -> Self {
        Self { came: None, older: BTreeSet::new(), foreign: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blank;
    use backout_protocol::snapshot::Root;

    #[test]
    fn behind_a_reboot_a_clock_that_was_set_back_calls_nothing_older() {
        let (now, booted) = clock();
        let limit = |boot: String, until| {
            let before = Before { format: FORMAT, until, boot, booted, files: BTreeSet::new() };
            before.limit()
        };
        let another = || "another boot".to_owned();
        assert_eq!(limit(another(), now + 3600), i64::MIN);
        assert_eq!(limit(another(), now), now);
        assert_eq!(limit(another(), now - 3600), now - 3600);
        // In the same boot it is counted by what nobody sets.
        if let Ok(boot) = boot_id() {
            assert!((limit(boot, now + 3600) - now - 3600).abs() <= LAG);
        }
    }

    #[test]
    fn what_was_there_before_is_named_by_its_own_root_and_with_what_lies_in_it() {
        let root = |path: &str| Root { path: HostPath(path.into()), facts: blank::facts() };
        let snapshot = Snapshot { roots: vec![root("/one"), root("/two")], ..blank::snapshot() };
        let rel = |path: &str| RelPath::new(path).unwrap();
        let theirs = Theirs { older: [(0, rel("a/b"))].into(), ..Theirs::all_new() };
        let told = |root: &str, path: &str| {
            let place = Place { root: HostPath(root.into()), rel: rel(path) };
            theirs.notices(vec![place], &snapshot)
        };
        let named = |path: &str| [Notice::OlderStays { places: vec![HostPath(path.into())] }];
        assert_eq!(told("/one", "a/b"), named("/one/a/b"));
        assert_eq!(told("/one", "a"), named("/one/a"));
        assert_eq!(told("/one", "c"), []);
        assert_eq!(told("/two", "a"), []);
    }
}
