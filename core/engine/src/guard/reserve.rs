//! The space that a way back needs, taken before the installer is let go and given up when the way back begins: so a disk
//! that the installer fills cannot refuse it.
//!
//! It lies where no installer has any business, as it may rename the product's own folders: in the guard's folder, where that
//! lies on the product's volume; on others in a folder `.backout-<guard>` with the guard's marker, as staging folders are, so that
//! scans leave it out and whoever finds it knows whose it is, and as high on the volume as we may write. There it is found by the path of the product's folder, whatever became of that. For the records of the way back it lies in the guard's folder, too.

use super::{room, root_folder};
use crate::{failure::Failure, look, refusal::Refusal, state::Locked, transaction::Transaction};
use backout_disk::{
    Error, ErrorKind, Folder, durable,
    staging::{Staging, name_of},
};
use backout_protocol::{Fingerprint, HostPath, snapshot::Snapshot, text::to_ron};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::Path,
};

/// The file's name, in either folder.
const RESERVE: &str = "reserve";
/// The name of that for the product's files in the guard's folder.
const SPACE: &str = "space";
/// What a small file or folder takes on a file system, rounded up.
const BLOCK: u64 = 4096;
/// What the way back takes beside its files: on each volume, and in the state folder.
const BESIDE: u64 = 256 * 1024;
/// What one name takes in the records of the way back, in its plan and in its list of swaps: beside its path, and how often that
/// is written there at most.
const RECORD: u64 = 2048;
const PATHS: u64 = 8;

/// Takes it.
///
/// # Errors
/// [`Refusal::NoSpace`]; the disk's. Nothing of it stays.
pub(super) fn take(locked: &Locked, tx: &Transaction, snapshot: &Snapshot) -> Result<(), Refusal> {
    let taken = take_all(locked, tx, snapshot);
    if taken.is_err()
        && let Err(e) = release(tx)
    {
        log::warn!("run {}: {e}", tx.run);
    }
    taken
}

fn take_all(locked: &Locked, tx: &Transaction, snapshot: &Snapshot) -> Result<(), Refusal> {
    let marker = to_ron(&tx.marker(locked.state().path()));
    let marker = marker.map_err(|e| Refusal::JournalFailed { why: e.to_string() })?;
    for (folder, bytes) in needed(snapshot)?.into_values() {
        let is_free = tx.folder.stat(OsStr::new(SPACE)).map_err(look::refusal)?.is_none();
        if is_free && shares_space(&folder, &tx.folder).map_err(look::refusal)? {
            reserve(&tx.folder, SPACE, bytes, &folder)?;
            continue;
        }
        let (above, staging) =
            outermost(&folder, tx, marker.as_bytes()).map_err(|e| refused(e, bytes, &folder))?;
        reserve(staging.folder(), RESERVE, bytes, &folder)?;
        above.sync().map_err(look::refusal)?;
    }
    let paths = snapshot.entries.iter().filter_map(|e| snapshot.place(e));
    let paths: u64 = paths.map(|place| place.path().as_os_str().len() as u64).sum();
    // On a full disk what is new may have to go before the run back.
    room::begin(tx).map_err(look::refusal)?;
    let records = BESIDE * 4 + RECORD * snapshot.entries.len() as u64 + PATHS * paths;
    reserve(&tx.folder, RESERVE, records, &tx.folder)
}

/// Whether what is free for one of these folders is free for the other: a folder may have a quota of its own.
fn shares_space(a: &Folder, b: &Folder) -> Result<bool, Error> {
    let (a, b) = (a.file_system()?, b.file_system()?);
    Ok((a.dev, a.total) == (b.dev, b.total))
}

/// Makes the guard's folder beside or above a root, in the outermost that shares its space and may be written to: the top of its
/// volume nobody renames.
fn outermost(root: &Folder, tx: &Transaction, marker: &[u8]) -> Result<(Folder, Staging), Error> {
    let mut folders = vec![root.try_clone()?];
    while let Some(last) = folders.last()
        && !last.stat_self()?.mount_root
        && let Some(above) = last.path().parent()
        && let Ok(above) = Folder::open_root(above)
        && shares_space(root, &above)?
    {
        folders.push(above);
    }
    let mut refused = None;
    for folder in folders.into_iter().rev() {
        match Staging::create(&folder, &tx.run, marker) {
            Ok(staging) => return Ok((folder, staging)),
            Err(e) if e.kind == ErrorKind::NoSpace => return Err(e),
            // No rights; read-only; or that of another root lies there, whose space was another a moment ago.
            Err(e) => refused = Some(e),
        }
    }
    Err(refused.unwrap_or_else(|| Error::unsupported("reserve space in", root.path(), "there is no folder")))
}

/// Takes so many bytes for what lies in `of`.
fn reserve(folder: &Folder, name: &str, bytes: u64, of: &Folder) -> Result<(), Refusal> {
    durable::reserve(folder, OsStr::new(name), bytes).map_err(|e| refused(e, bytes, of))
}

/// That so many bytes cannot be taken for what lies in `of`.
fn refused(e: Error, bytes: u64, of: &Folder) -> Refusal {
    let available = of.file_system().map_or(0, |system| system.available);
    match e.kind {
        // Else it has room for bytes and for no more names.
        ErrorKind::NoSpace if available < bytes => {
            Refusal::NoSpace { folder: HostPath(of.path().to_owned()), needed: bytes, available }
        }
        _ => look::refusal(e),
    }
}

/// By a volume's number and its size: a folder on it, and bytes.
type Needed = BTreeMap<(u64, u64), (Folder, u64)>;

/// The bytes that the way back may need at most on each volume of the snapshot's roots: every file of it, staged anew.
fn needed(snapshot: &Snapshot) -> Result<Needed, Refusal> {
    let mut needed = Needed::new();
    for (number, root) in snapshot.roots.iter().enumerate() {
        let folder = Folder::open_root(&root.path.0).map_err(look::refusal)?;
        let system = folder.file_system().map_err(look::refusal)?;
        let entries = snapshot.entries.iter().filter(|e| e.root == number);
        let bytes: u64 = entries
            .map(|e| match e.what.image().map(|i| i.fingerprint) {
                Some(Fingerprint::File { len, .. }) => len.div_ceil(BLOCK) * BLOCK + BLOCK,
                _ => BLOCK,
            })
            .sum();
        needed.entry((system.dev, system.total)).or_insert((folder, BESIDE)).1 += bytes;
    }
    Ok(needed)
}

/// Whether it is still taken: nothing was given up yet.
///
/// # Errors
/// The disk's.
pub(super) fn is_taken(tx: &Transaction) -> Result<bool, Failure> {
    let found = tx.folder.stat(OsStr::new(RESERVE)).map_err(|e| Failure::Process { why: e.to_string() })?;
    Ok(found.is_some())
}

/// Gives it up, wherever some of it lies; what is not there is given up. Of a run that is no guard there is none.
///
/// # Errors
/// The disk's first; whatever else could be given up is.
pub(crate) fn release(tx: &Transaction) -> Result<(), Error> {
    let Some(terms) = tx.plan.guards() else { return Ok(()) };
    // First, as it tells that nothing was given up yet.
    durable::remove_tree(&tx.folder, OsStr::new(RESERVE))?;
    let mut first = durable::remove_tree(&tx.folder, OsStr::new(SPACE));
    let roots: BTreeSet<&Path> = terms.roots.iter().map(|root| root.0.as_path()).collect();
    for root in &roots {
        first = first.and(given_up(root, |folder| durable::remove_tree(folder, &name_of(&tx.run))));
    }
    let above: BTreeSet<&Path> = roots.iter().flat_map(|root| root.ancestors()).collect();
    for above in above.difference(&roots) {
        let removed = |folder: &Folder| match Staging::open(folder, &tx.run)? {
            // Whatever else was put there under its name stays.
            Some(staging) => staging.remove_made(folder, &[OsStr::new(RESERVE)]),
            None => Ok(()),
        };
        // What is above the product keeps no guard from its end.
        if let Err(e) = given_up(above, removed) {
            log::warn!("run {}: {e}; space of ours may still be held there", tx.run);
        }
    }
    first
}

/// Gives up what a folder holds.
fn given_up(path: &Path, removed: impl FnOnce(&Folder) -> Result<(), Error>) -> Result<(), Error> {
    match root_folder(path) {
        Ok(Some(folder)) => removed(&folder),
        // With one that is gone, or that something else lies in the place of, what was in it is gone.
        Ok(None) => Ok(()),
        // Nor could anything be made in it.
        Err(e) if e.kind == ErrorKind::Denied => Ok(()),
        Err(e) => Err(e),
    }
}
