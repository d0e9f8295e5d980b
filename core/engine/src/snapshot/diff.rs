//! What differs between two snapshots, or between one and the machine now.

use super::{exclude::Exclude, inventory::Inventory};
use crate::{faces::Cancel, refusal::Refusal};
use backout_protocol::{
    HostPath, NameRule,
    snapshot::{Entry, Facts, Root, Snapshot, What},
};
use std::collections::BTreeMap;

/// One name that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is on the machine.
    pub path: HostPath,
    /// How it differs.
    pub how: How,
}

/// How a name differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Only the later one has it.
    Added(What),
    /// Only the earlier one has it.
    Removed(What),
    /// It is something else, or holds other bytes.
    Changed {
        /// Earlier.
        from: What,
        /// Later.
        to: What,
    },
    /// Its bytes are the same, and this is not.
    Facts(Vec<String>),
}

/// Trees, from a snapshot or from the machine.
pub struct Trees {
    /// The folders.
    pub roots: Vec<Root>,
    /// Everything in them.
    pub entries: Vec<Entry>,
    names: NameRule,
}

impl From<Snapshot> for Trees {
    fn from(snapshot: Snapshot) -> Self {
        Self { roots: snapshot.roots, entries: snapshot.entries, names: snapshot.names }
    }
}

/// The same folders as they are now, without what the snapshot leaves out. Reads every file.
///
/// # Errors
/// A folder that is not there; whatever cannot be read.
pub fn now(snapshot: &Snapshot, cancel: &Cancel) -> Result<Trees, Refusal> {
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    let mut inventory = Inventory::new(&exclude, cancel);
    let roots = snapshot.roots.iter().enumerate();
    let roots = roots.map(|(n, root)| inventory.take(n, &root.path, None)).collect::<Result<_, _>>()?;
    Ok(Trees { roots, entries: inventory.entries, names: snapshot.names })
}

/// What differs, by name.
pub fn diff(from: &Trees, to: &Trees) -> Vec<Change> {
    let (old, new) = (from.by_name(), to.by_name());
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let changes = keys.into_iter().filter_map(|key| {
        let (path, how) = match (old.get(key), new.get(key)) {
            (Some((path, a, _)), None) => (path, How::Removed((*a).clone())),
            (None, Some((path, b, _))) => (path, How::Added((*b).clone())),
            (Some((_, a, _)), Some((path, b, _))) if a != b => {
                (path, How::Changed { from: (*a).clone(), to: (*b).clone() })
            }
            (Some((_, _, a)), Some((path, what, b))) => {
                let is_folder = **what == What::Folder;
                let facts = a.zip(*b).map(|(a, b)| differing(a, b, is_folder)).unwrap_or_default();
                if facts.is_empty() {
                    return None;
                }
                (path, How::Facts(facts))
            }
            (None, None) => return None,
        };
        Some(Change { path: path.clone(), how })
    });
    changes.collect()
}

impl Trees {
    fn by_name(&self) -> BTreeMap<String, (HostPath, &What, Option<&Facts>)> {
        let roots = self.roots.iter().map(|r| (r.path.clone(), &What::Folder, Some(&r.facts)));
        let below = self.entries.iter().filter_map(|e| {
            let root = self.roots.get(e.root)?;
            Some((HostPath(root.path.0.join(e.path.as_path())), &e.what, e.facts.as_ref()))
        });
        roots.chain(below).map(|found| (self.names.path_key(&found.0.0), found)).collect()
    }
}

/// What two of the same name have in different ways, in words. A folder's time tells nothing.
pub(crate) fn differing(a: &Facts, b: &Facts, is_folder: bool) -> Vec<String> {
    let mut found = Vec::new();
    if (&a.owner, &a.group) != (&b.owner, &b.group) {
        let owner = |f: &Facts| match &f.group {
            Some(group) => format!("{}:{group}", f.owner),
            None => f.owner.clone(),
        };
        found.push(format!("owner {} -> {}", owner(a), owner(b)));
    }
    if a.mode != b.mode {
        found.push(format!("mode {:04o} -> {:04o}", a.mode, b.mode));
    }
    if !is_folder && a.modified != b.modified {
        found.push("time".to_owned());
    }
    let names = a.attributes.keys().chain(b.attributes.keys());
    let mut names: Vec<&String> = names.filter(|n| a.attributes.get(*n) != b.attributes.get(*n)).collect();
    names.sort();
    names.dedup();
    found.extend(names.into_iter().map(|n| format!("attribute {n}")));
    found
}
