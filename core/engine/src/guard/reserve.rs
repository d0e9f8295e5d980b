//! The space that a way back needs, taken before the installer is let go and given up when the way back begins: so a disk
//! that the installer fills cannot refuse it.
//!
//! On each volume of the product it lies in a folder `.backout-<guard>` with the guard's marker, as staging folders are, so
//! that scans leave it out and whoever finds it knows whose it is; for the records of the way back in the guard's own folder.

use super::root_folder;
use crate::{failure::Failure, look, refusal::Refusal, state::Locked, transaction::Transaction};
use backout_disk::{
    Error, ErrorKind, Folder, durable,
    staging::{Staging, name_of},
};
use backout_protocol::{Fingerprint, HostPath, snapshot::Snapshot, text::to_ron};
use std::{collections::BTreeMap, ffi::OsStr};

/// The file's name, in either folder.
const RESERVE: &str = "reserve";
/// What a small file or folder takes on a file system, rounded up.
const BLOCK: u64 = 4096;
/// What the way back takes beside its files: on each volume, and in the state folder.
const BESIDE: u64 = 256 * 1024;
/// What one name takes in the records of the way back: in its plan, in its list of swaps.
const RECORD: u64 = 2048;

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
        let staging = Staging::create(&folder, &tx.run, marker.as_bytes()).map_err(look::refusal)?;
        reserve(staging.folder(), bytes)?;
        folder.sync().map_err(look::refusal)?;
    }
    reserve(&tx.folder, BESIDE * 4 + RECORD * snapshot.entries.len() as u64)
}

fn reserve(folder: &Folder, bytes: u64) -> Result<(), Refusal> {
    durable::reserve(folder, OsStr::new(RESERVE), bytes).map_err(|e| match e.kind {
        ErrorKind::NoSpace => {
            let available = folder.file_system().map_or(0, |system| system.available);
            Refusal::NoSpace { folder: HostPath(folder.path().to_owned()), needed: bytes, available }
        }
        _ => look::refusal(e),
    })
}

/// The bytes that the way back may need at most on each volume of the snapshot's roots: every file of it, staged anew.
fn needed(snapshot: &Snapshot) -> Result<BTreeMap<u64, (Folder, u64)>, Refusal> {
    let mut needed: BTreeMap<u64, (Folder, u64)> = BTreeMap::new();
    for (number, root) in snapshot.roots.iter().enumerate() {
        let folder = Folder::open_root(&root.path.0).map_err(look::refusal)?;
        let dev = folder.stat_self().map_err(look::refusal)?.identity.0;
        let entries = snapshot.entries.iter().filter(|e| e.root == number);
        let bytes: u64 = entries
            .map(|e| match e.what.image().map(|i| i.fingerprint) {
                Some(Fingerprint::File { len, .. }) => len.div_ceil(BLOCK) * BLOCK + BLOCK,
                _ => BLOCK,
            })
            .sum();
        needed.entry(dev).or_insert((folder, BESIDE)).1 += bytes;
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
/// The disk's.
pub(crate) fn release(tx: &Transaction) -> Result<(), Error> {
    let Some(terms) = tx.plan.guards() else { return Ok(()) };
    // First, as it tells that nothing was given up yet.
    durable::remove_tree(&tx.folder, OsStr::new(RESERVE))?;
    for root in &terms.roots {
        // With one that is gone the reserve is gone too.
        if let Some(folder) = root_folder(&root.0)? {
            durable::remove_tree(&folder, &name_of(&tx.run))?;
        }
    }
    Ok(())
}
