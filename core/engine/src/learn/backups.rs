//! Where the installer itself left good copies of what it changed: files that came with it and hold the very bytes that
//! another one had before. Beside it under a name with something behind it, or below a folder with the same paths.

use super::compare::{Row, Turn, digest, text_of};
use backout_protocol::{Digest, RelPath};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A root, or a folder below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Folder {
    pub root: usize,
    /// Where below the root, as a profile writes it.
    pub below: Option<String>,
}

/// How the names of backups follow from those of their files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub from: Folder,
    pub to: Folder,
    pub suffix: Option<String>,
}

/// Backups of one shape.
#[derive(Debug)]
pub(super) struct Rule {
    pub shape: Shape,
    /// Each changed file that it has a backup of, and the backup: their numbers among all rows.
    pub covers: BTreeMap<usize, usize>,
    /// All of them came with the installer: before it, nothing had their names.
    pub consume: bool,
}

/// The rules that together cover the most, the widest first. Every file is in one of them at most.
pub(super) fn rules(rows: &[Row]) -> Vec<Rule> {
    let mut copies: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    for (n, row) in rows.iter().enumerate() {
        if let Some(bytes) = row.turn.after().and_then(digest) {
            copies.entry(bytes).or_default().push(n);
        }
    }
    let mut shapes: BTreeMap<Shape, BTreeMap<usize, usize>> = BTreeMap::new();
    for (n, row) in rows.iter().enumerate() {
        let Some(bytes) = row.turn.before().and_then(digest) else { continue };
        for copy in copies.get(&bytes).into_iter().flatten().filter(|copy| **copy != n) {
            if let Some(shape) = shape(&rows[*copy], row) {
                shapes.entry(shape).or_default().entry(n).or_insert(*copy);
            }
        }
    }
    let mut rules = Vec::new();
    let mut covered: BTreeSet<usize> = BTreeSet::new();
    loop {
        let left = |covers: &BTreeMap<usize, usize>| covers.keys().filter(|n| !covered.contains(n)).count();
        let Some((shape, covers)) = shapes.iter().rev().max_by_key(|(_, covers)| left(covers)) else { break };
        let mut covers = covers.clone();
        covers.retain(|n, _| !covered.contains(n));
        if covers.is_empty() {
            break;
        }
        covered.extend(covers.keys());
        let consume = covers.values().all(|copy| matches!(rows[*copy].turn, Turn::Added(_)));
        rules.push(Rule { shape: shape.clone(), covers, consume });
    }
    rules
}

/// How the name of `copy` follows from that of `file`, if it does: the same last name, with or without something behind it,
/// below a folder whose paths go on in the same way.
fn shape(copy: &Row, file: &Row) -> Option<Shape> {
    let (copied, own) = (copy.spot.rel.name().to_str()?, file.spot.rel.name().to_str()?);
    let suffix = copied.strip_prefix(own)?;
    let mut from = copy.spot.rel.as_path().parent()?;
    let mut to = file.spot.rel.as_path().parent()?;
    while let (Some(a), Some(b)) = (from.file_name(), to.file_name())
        && a == b
    {
        (from, to) = (from.parent()?, to.parent()?);
    }
    let folder = |root, path: &Path| {
        let below = match path.as_os_str().is_empty() {
            true => None,
            false => Some(text_of(&RelPath::new(path).ok()?)?),
        };
        Some(Folder { root, below })
    };
    Some(Shape {
        from: folder(copy.spot.root, from)?,
        to: folder(file.spot.root, to)?,
        suffix: (!suffix.is_empty()).then(|| suffix.to_owned()),
    })
}

impl Folder {
    /// Whether a name lies in it. A whole root is nobody's backup folder.
    pub(super) fn holds(&self, spot: &super::compare::Spot) -> bool {
        self.root == spot.root && self.below.as_ref().is_some_and(|b| Path::new(&spot.text).starts_with(b))
    }
}
