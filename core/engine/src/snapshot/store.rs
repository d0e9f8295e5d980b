//! Where snapshots lie, and reading them. Everything read is hostile until checked.

use crate::{
    refusal::Refusal,
    state::{Locked, State, plain, unusable},
};
use backout_disk::{Error, ErrorKind, Folder, aside, durable, fingerprint::digest_bytes};
use backout_protocol::{
    HostPath, Place, RelPath, SnapshotId,
    snapshot::{FORMAT, Snapshot},
    text::from_ron,
};
use serde::Deserialize;
use std::ffi::OsStr;

pub(crate) const SNAPSHOTS: &str = "snapshots";
/// The inventory.
pub(crate) const INVENTORY: &str = "snapshot.ron";
/// Its digest, as `sha256sum -c` reads it.
pub(crate) const DIGEST: &str = "snapshot.sha256";
/// The trees.
pub(crate) const FILES: &str = "files";
/// It stays until somebody says otherwise.
pub(crate) const PINNED: &str = "pinned";
/// How the name of one begins that is not whole yet.
pub(crate) const NEW: &str = ".new-";
/// How the name of one begins that is being removed.
pub(crate) const GONE: &str = ".gone-";
/// No inventory is longer.
const CAP: u64 = 256 * 1024 * 1024;

/// A snapshot that is there.
#[derive(Debug)]
pub struct Stored {
    /// Which.
    pub id: SnapshotId,
    /// Its folder.
    pub folder: HostPath,
    /// Whether it stays until somebody says otherwise.
    pub pinned: bool,
    /// What there was; else why it cannot be read.
    pub snapshot: Result<Snapshot, Refusal>,
}

impl State {
    /// The folder of snapshots; `None`: none was ever taken.
    pub(crate) fn snapshots(&self) -> Result<Option<Folder>, Refusal> {
        match self.folder().open_below(&plain(SNAPSHOTS)) {
            Ok(folder) => Ok(Some(folder)),
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(unusable(self.path(), &e)),
        }
    }
}

/// Whether a name is one of ours, which no snapshot looks at.
pub(crate) fn is_ours(name: &OsStr) -> bool {
    crate::preflight::is_ours(name)
}

/// Ids of all that are whole, oldest first.
pub(crate) fn ids(state: &State) -> Result<Vec<SnapshotId>, Refusal> {
    let Some(folder) = state.snapshots()? else { return Ok(Vec::new()) };
    let entries = folder.entries().map_err(|e| unusable(state.path(), &e))?;
    let mut ids: Vec<SnapshotId> = entries.iter().filter_map(|e| e.name.to_str()?.parse().ok()).collect();
    ids.sort();
    Ok(ids)
}

/// Every snapshot, newest first. One that cannot be read is there and says so: it hides no other.
///
/// # Errors
/// [`Refusal::State`].
pub fn list(state: &State) -> Result<Vec<Stored>, Refusal> {
    ids(state)?.into_iter().rev().map(|id| stored(state, id)).collect()
}

fn stored(state: &State, id: SnapshotId) -> Result<Stored, Refusal> {
    // What is no folder is pinned by nobody; that it is none is said with the rest that is wrong with it.
    let pinned = at(state, &id).ok().map(|folder| folder.stat(OsStr::new(PINNED))).transpose();
    Ok(Stored {
        folder: HostPath(state.path().join(SNAPSHOTS).join(id.as_str())),
        pinned: pinned.map_err(|e| unusable(state.path(), &e))?.flatten().is_some(),
        snapshot: open(state, &id),
        id,
    })
}

/// The only snapshot whose id begins with `start`.
///
/// # Errors
/// [`Refusal::SnapshotUnknown`]: there is none, or more than one.
pub fn resolve(state: Option<&State>, start: &str) -> Result<SnapshotId, Refusal> {
    let known = state.map(ids).transpose()?.unwrap_or_default();
    let wanted = start.to_ascii_lowercase();
    let mut found = known.iter().filter(|id| !wanted.is_empty() && id.as_str().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id.clone()),
        _ => Err(Refusal::SnapshotUnknown { asked: start.to_owned(), known }),
    }
}

/// The folder of one.
pub(crate) fn at(state: &State, id: &SnapshotId) -> Result<Folder, Error> {
    state.folder().open_below(&plain(SNAPSHOTS).join(&plain(id.as_str())))
}

/// The folder that holds the tree of the n-th root, below the snapshot's.
pub(crate) fn tree(root: usize) -> RelPath {
    plain(FILES).join(&plain(root.to_string()))
}

/// Where a snapshot keeps its copy of what lies at `path` below the n-th root; of the root itself, with none.
pub(crate) fn copy_of(state: &State, snapshot: &SnapshotId, root: usize, path: Option<&RelPath>) -> Place {
    let tree = tree(root);
    let rel = path.map_or_else(|| tree.clone(), |path| tree.join(path));
    Place { root: HostPath(state.path().join(SNAPSHOTS).join(snapshot.as_str())), rel }
}

/// The inventory of one, checked: its digest, its format, its id, and that no path leads out of its root.
///
/// # Errors
/// [`Refusal::SnapshotUnknown`], [`Refusal::SnapshotDamaged`], [`Refusal::SnapshotTooNew`].
pub fn open(state: &State, id: &SnapshotId) -> Result<Snapshot, Refusal> {
    let damaged = |why: String| Refusal::SnapshotDamaged { id: id.clone(), what: vec![why] };
    let folder = match at(state, id) {
        Ok(folder) => folder,
        Err(e) => {
            return Err(match e.kind {
                ErrorKind::NotFound => Refusal::SnapshotUnknown { asked: id.to_string(), known: ids(state)? },
                ErrorKind::Symlink | ErrorKind::NotAFolder => damaged(e.to_string()),
                _ => unusable(state.path(), &e),
            });
        }
    };
    let read = |name: &str| -> Result<String, Refusal> {
        let bytes = durable::read(&folder, OsStr::new(name), CAP).map_err(|e| match e.kind {
            ErrorKind::Denied => unusable(state.path(), &e),
            _ => damaged(e.to_string()),
        })?;
        let bytes = bytes.ok_or_else(|| damaged(format!("`{name}` is missing")))?;
        String::from_utf8(bytes).map_err(|e| damaged(format!("`{name}`: {e}")))
    };
    let text = read(INVENTORY)?;
    if read(DIGEST)? != digest_line(&text) {
        return Err(damaged(format!("`{INVENTORY}` is not as it was written")));
    }
    #[derive(Deserialize)]
    struct Version {
        format: (u16, u16),
    }
    let wrong = |e: backout_protocol::text::RonError| damaged(e.to_string());
    let version: Version = from_ron(INVENTORY, &text).map_err(wrong)?;
    if version.format.0 != FORMAT.0 || version.format.1 > FORMAT.1 {
        return Err(Refusal::SnapshotTooNew { id: id.clone(), found: version.format });
    }
    let snapshot: Snapshot = from_ron(INVENTORY, &text).map_err(wrong)?;
    if snapshot.id != *id {
        return Err(damaged(format!("`{INVENTORY}` is of {}", snapshot.id)));
    }
    let ours = snapshot.entries.iter().find(|e| e.path.as_path().iter().any(is_ours));
    if let Some(entry) = ours {
        return Err(damaged(format!("`{}` is a name of backout itself", entry.path)));
    }
    match snapshot.contradiction() {
        Some(why) => Err(damaged(why)),
        None => Ok(snapshot),
    }
}

/// The digest of the inventory, as `sha256sum` writes it.
pub(crate) fn digest_line(text: &str) -> String {
    format!("{}  {INVENTORY}\n", digest_bytes(text.as_bytes()))
}

/// Removes what is left of snapshots that were never whole, or whose removal was cut off.
///
/// # Errors
/// The disk's.
pub(crate) fn sweep(locked: &Locked) -> Result<(), Refusal> {
    let state = locked.state();
    let Some(folder) = state.snapshots()? else { return Ok(()) };
    let fail = |e: Error| unusable(state.path(), &e);
    for entry in folder.entries().map_err(fail)? {
        if entry.name.to_str().is_some_and(|name| name.starts_with(NEW) || name.starts_with(GONE)) {
            aside::remove(&folder, &entry.name).map_err(fail)?;
        }
    }
    Ok(())
}
