//! Whether the files of a snapshot are still what was set aside.

use super::store::{self, at, tree};
use crate::{
    faces::Cancel,
    refusal::Refusal,
    state::{State, unusable},
};
use backout_disk::{ErrorKind, Folder, fingerprint::fingerprint_in, folder::Kind};
use backout_protocol::{
    Fingerprint, HostPath, SnapshotId,
    snapshot::{Entry, Snapshot, What},
};
use std::collections::BTreeSet;

/// A name in a snapshot that is not as it was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where in the state folder.
    pub path: HostPath,
    /// What is wrong with it.
    pub how: How,
}

/// What is wrong with a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Its bytes are others.
    Bytes,
    /// It is gone.
    Missing,
    /// It is something else.
    Kind,
    /// It was not set aside.
    Added,
    /// It cannot be read: why.
    Unreadable(String),
}

/// What is wrong with a snapshot; empty: nothing. Reads every file.
///
/// # Errors
/// [`Refusal::SnapshotUnknown`], [`Refusal::SnapshotDamaged`]: its inventory cannot be believed,
/// [`Refusal::SnapshotTooNew`], [`Refusal::Cancelled`].
pub fn verify(state: &State, id: &SnapshotId, cancel: &Cancel) -> Result<Vec<Damage>, Refusal> {
    let snapshot = store::open(state, id)?;
    let folder = at(state, id).map_err(|e| unusable(state.path(), &e))?;
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for entry in &snapshot.entries {
        if let Some(why) = cancel.requested() {
            return Err(Refusal::Cancelled(why));
        }
        found.extend(damage(&folder, entry));
        known.insert(tree(entry.root).join(&entry.path).as_path().to_owned());
    }
    for number in 0..snapshot.roots.len() {
        added(&folder, &tree(number), &known, &mut found);
    }
    Ok(found)
}

/// Refuses where the copy of one of these entries is not as it was set aside.
///
/// # Errors
/// [`Refusal::SnapshotDamaged`].
pub(crate) fn are_whole<'a>(
    state: &State,
    snapshot: &Snapshot,
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<(), Refusal> {
    let folder = at(state, &snapshot.id).map_err(|e| unusable(state.path(), &e))?;
    let damaged = entries.filter_map(|entry| damage(&folder, entry));
    let what: Vec<String> = damaged.map(|damage| format!("`{}`", damage.path)).collect();
    if what.is_empty() { Ok(()) } else { Err(Refusal::SnapshotDamaged { id: snapshot.id.clone(), what }) }
}

fn damage(folder: &Folder, entry: &Entry) -> Option<Damage> {
    let rel = tree(entry.root).join(&entry.path);
    judge(folder, entry).map(|how| Damage { path: HostPath(folder.path().join(rel.as_path())), how })
}

fn judge(folder: &Folder, entry: &Entry) -> Option<How> {
    let rel = tree(entry.root).join(&entry.path);
    let parent = rel.parent().map_or_else(|| folder.try_clone(), |parent| folder.open_below(&parent));
    let unreadable = |e: backout_disk::Error| match e.kind {
        ErrorKind::NotFound => How::Missing,
        ErrorKind::Symlink | ErrorKind::NotAFolder => How::Kind,
        _ => How::Unreadable(e.to_string()),
    };
    let parent = match parent {
        Ok(parent) => parent,
        Err(e) => return Some(unreadable(e)),
    };
    let kind = match parent.stat(rel.name()) {
        Ok(stat) => stat.map(|s| s.kind),
        Err(e) => return Some(unreadable(e)),
    };
    match (&entry.what, kind) {
        (What::Other, None) => None,
        // Where the system has no such links none was made.
        (What::Link(_), None) if cfg!(windows) => None,
        (_, None) => Some(How::Missing),
        (What::Folder, Some(Kind::Folder)) => None,
        (What::Link(target), Some(Kind::Symlink)) => match parent.read_link(rel.name()) {
            Ok(found) => (found != target.0.as_os_str()).then_some(How::Bytes),
            Err(e) => Some(unreadable(e)),
        },
        (What::File(image), Some(Kind::File)) => match fingerprint_in(&parent, rel.name()) {
            Ok(found @ Fingerprint::File { .. }) => (found != image.fingerprint).then_some(How::Bytes),
            Ok(_) => Some(How::Kind),
            Err(e) => Some(unreadable(e)),
        },
        _ => Some(How::Kind),
    }
}

/// Names that were not set aside.
fn added(
    folder: &Folder,
    rel: &backout_protocol::RelPath,
    known: &BTreeSet<std::path::PathBuf>,
    found: &mut Vec<Damage>,
) {
    let entries = folder.open_below(rel).and_then(|f| f.entries());
    let Ok(entries) = entries else {
        // One below the roots is judged by its own entry.
        if rel.as_path().components().count() == 2 {
            found.push(Damage { path: HostPath(folder.path().join(rel.as_path())), how: How::Missing });
        }
        return;
    };
    for entry in entries {
        let Ok(name) = backout_protocol::RelPath::new(&entry.name) else { continue };
        let below = rel.join(&name);
        if !known.contains(below.as_path()) {
            found.push(Damage { path: HostPath(folder.path().join(below.as_path())), how: How::Added });
        } else if entry.kind == Kind::Folder {
            added(folder, &below, known, found);
        }
    }
}
