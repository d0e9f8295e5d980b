//! What an installer changed: every name that differs between the snapshot before it and the machine behind it.

use crate::{
    decide::judge,
    snapshot::diff::{self, How, Trees, differing},
};
use backout_protocol::{
    FileVersion, Fingerprint, HostPath, Image, RelPath,
    message::{Need, Reject},
    snapshot::{Entry, Facts, What},
};
use std::{collections::BTreeMap, path::PathBuf};

/// A name below one of the roots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Which root: its number.
    pub root: usize,
    /// Where below it.
    pub rel: RelPath,
    /// The same as a profile writes it: plain text with `/`.
    pub text: String,
}

/// A file that the installer changed, added or removed.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub spot: Spot,
    pub turn: Turn,
    /// When its bytes changed last: seconds and nanoseconds since 1970.
    pub modified: Option<(i64, u32)>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    Replaced { before: Image, after: Image },
    Added(Image),
    Removed(Image),
}

/// A difference that no profile can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaid {
    /// Where.
    pub path: HostPath,
    /// What it is.
    pub what: Difference,
}

/// What a difference is that no profile can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Its name is no text.
    NotText,
    /// A symbolic link came, went or leads elsewhere.
    Link,
    /// It is of another kind than it was.
    Kind,
    /// A folder that was empty is gone.
    FolderGone,
    /// A socket, a pipe, a device.
    Other,
    /// Owner, rights or attributes changed: which.
    Facts(Vec<String>),
    /// An older backup, which the installer wrote over with its own.
    OldBackup,
    /// No backup of it would be taken for a good one: why.
    NoBackup(Reject),
}

/// Everything that differs.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub rows: Vec<Row>,
    /// Folders that came.
    pub folders: Vec<Spot>,
    pub unsaid: Vec<Unsaid>,
    /// How many files and links have another time and nothing else.
    pub times: usize,
}

impl Turn {
    /// What it was before.
    pub(super) fn before(&self) -> Option<&Image> {
        match self {
            Turn::Replaced { before, .. } | Turn::Removed(before) => Some(before),
            Turn::Added(_) => None,
        }
    }

    /// What it is now.
    pub(super) fn after(&self) -> Option<&Image> {
        match self {
            Turn::Replaced { after, .. } | Turn::Added(after) => Some(after),
            Turn::Removed(_) => None,
        }
    }

    /// The version that tells the patched file from the one before it.
    pub(super) fn version(&self) -> Option<FileVersion> {
        match self {
            Turn::Added(after) => after.version,
            Turn::Removed(_) => None,
            Turn::Replaced { before, after } => {
                let patched = after.version.filter(|v| before.version.is_some_and(|old| old < *v))?;
                judge(Need::Patched(patched), after, None, &Ok(*before)).is_ok().then_some(patched)
            }
        }
    }

    /// Why no backup of what it was would be taken for a good one.
    fn no_backup(&self) -> Option<Reject> {
        let judged = match self {
            Turn::Added(_) => return None,
            Turn::Replaced { .. } if self.version().is_some() => return None,
            Turn::Replaced { before, after } => judge(Need::Listed, after, None, &Ok(*before)),
            Turn::Removed(before) => judge(Need::Listed, &Image::ABSENT, None, &Ok(*before)),
        };
        judged.err()
    }
}

/// Compares.
pub(super) fn changes(before: &Trees, after: &Trees) -> Changes {
    let (old, new) = (entries(before), entries(after));
    let facts = |of: &BTreeMap<PathBuf, &Entry>, path: &HostPath| -> Option<Facts> {
        of.get(&path.0).and_then(|e| e.facts.clone())
    };
    let mut changes = Changes::default();
    let mut gone: Vec<HostPath> = Vec::new();
    for change in diff::diff(before, after) {
        let path = change.path;
        let file = match change.how {
            How::Facts(what) if what == ["time"] => {
                changes.times += 1;
                continue;
            }
            How::Facts(what) => Err(Difference::Facts(what)),
            How::Added(What::File(after)) => Ok(Turn::Added(after)),
            How::Removed(What::File(before)) => Ok(Turn::Removed(before)),
            How::Changed { from: What::File(before), to: What::File(after) } => {
                Ok(Turn::Replaced { before, after })
            }
            How::Added(What::Folder) => match spot(after, &path) {
                Some(spot) => {
                    changes.folders.push(spot);
                    continue;
                }
                None => Err(Difference::NotText),
            },
            How::Removed(What::Folder) => {
                gone.push(path);
                continue;
            }
            How::Added(What::Link(_))
            | How::Removed(What::Link(_))
            | How::Changed { from: What::Link(_), to: What::Link(_) } => Err(Difference::Link),
            How::Added(What::Other) | How::Removed(What::Other) => Err(Difference::Other),
            How::Changed { .. } => Err(Difference::Kind),
        };
        let unsaid = match (file, spot(after, &path)) {
            (Err(what), _) => what,
            (Ok(_), None) => Difference::NotText,
            (Ok(turn), Some(spot)) => {
                let (was, is) = (facts(&old, &path), facts(&new, &path));
                if let (Some(was), Some(is)) = (&was, &is) {
                    let mut what = differing(was, is, false);
                    what.retain(|one| one != "time");
                    if !what.is_empty() {
                        changes.unsaid.push(Unsaid { path: path.clone(), what: Difference::Facts(what) });
                    }
                }
                match turn.no_backup() {
                    Some(why) => Difference::NoBackup(why),
                    None => {
                        changes.rows.push(Row { spot, turn, modified: is.map(|f| f.modified) });
                        continue;
                    }
                }
            }
        };
        changes.unsaid.push(Unsaid { path, what: unsaid });
    }
    // What a rollback brings back makes the folders that it needs.
    let comes_back = |folder: &HostPath| {
        changes.rows.iter().filter(|r| matches!(r.turn, Turn::Removed(_))).any(|row| {
            after
                .roots
                .get(row.spot.root)
                .is_some_and(|root| root.path.0.join(row.spot.rel.as_path()).starts_with(&folder.0))
        })
    };
    let empty = gone.into_iter().filter(|folder| !comes_back(folder));
    let empty: Vec<_> = empty.map(|path| Unsaid { path, what: Difference::FolderGone }).collect();
    changes.unsaid.extend(empty);
    changes
}

/// Everything that has a name, by its path.
fn entries(trees: &Trees) -> BTreeMap<PathBuf, &Entry> {
    let path = |e: &Entry| Some(trees.roots.get(e.root)?.path.0.join(e.path.as_path()));
    trees.entries.iter().filter_map(|e| Some((path(e)?, e))).collect()
}

/// A path as a name below a root; `None`: it is a root itself, or no text.
pub(super) fn spot(trees: &Trees, path: &HostPath) -> Option<Spot> {
    trees.roots.iter().enumerate().find_map(|(root, at)| {
        let rel = RelPath::new(path.0.strip_prefix(&at.path.0).ok()?).ok()?;
        let text = text_of(&rel)?;
        Some(Spot { root, rel, text })
    })
}

/// A path as a profile writes it; `None`: it is no text, or not one that is read back as the same path.
pub(super) fn text_of(rel: &RelPath) -> Option<String> {
    let names: Option<Vec<&str>> = rel.as_path().iter().map(|name| name.to_str()).collect();
    let text = names?.join("/");
    (RelPath::new(&text).ok()? == *rel).then_some(text)
}

/// The bytes of a file.
pub(super) fn digest(image: &Image) -> Option<backout_protocol::Digest> {
    match image.fingerprint {
        Fingerprint::File { sha256, .. } => Some(sha256),
        _ => None,
    }
}
