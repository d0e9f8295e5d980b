//! What is mounted on the folders of a snapshot: where that is not as it was then, the names below are not those that it speaks of.

use super::{exclude::Exclude, inventory::Inventory};
use crate::{faces::Cancel, refusal::Refusal};
use backout_disk::Folder;
use backout_protocol::{HostPath, snapshot::Snapshot};

/// Whether all is mounted that was, and nothing else. Nothing is changed.
///
/// # Errors
/// [`Refusal::MountPoint`], [`Refusal::MountGone`]; whatever cannot be read.
pub(crate) fn check(snapshot: &Snapshot) -> Result<(), Refusal> {
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    let never = Cancel::default();
    // Every name is known: folders are walked, and nothing else is looked at.
    let mut inventory = Inventory::of_new(&exclude, &never, &|_, _, _| true);
    for (number, root) in snapshot.roots.iter().enumerate() {
        // One that is gone, or that something else lies in the place of, has nothing mounted on it.
        if Folder::open_root(&root.path.0).is_ok() {
            inventory.take(number, &root.path, None)?;
        }
    }
    are_as_then(snapshot, &inventory.mounts)
}

/// The same of what was found mounted.
///
/// # Errors
/// [`Refusal::MountPoint`], [`Refusal::MountGone`].
pub(super) fn are_as_then(snapshot: &Snapshot, now: &[HostPath]) -> Result<(), Refusal> {
    let Some(then) = &snapshot.mounts else { return Ok(()) };
    if let Some(path) = now.iter().find(|path| !then.contains(path)) {
        return Err(Refusal::MountPoint { path: path.clone() });
    }
    // Where nothing was and nothing is, nothing is missed.
    let missed = |path: &&HostPath| {
        !now.contains(path)
            && (snapshot
                .entries
                .iter()
                .filter_map(|e| snapshot.place(e))
                .any(|p| p.path().parent() == Some(&path.0))
                || Folder::open_root(&path.0).and_then(|f| f.entries()).is_ok_and(|found| !found.is_empty()))
    };
    match then.iter().find(missed) {
        Some(path) => Err(Refusal::MountGone { path: path.clone() }),
        None => Ok(()),
    }
}
