//! Components of what was learned: one for each way in which the installer left backups, and one for what it left none of.

use super::{
    backups::{Folder, Rule, Shape},
    compare::{Changes, Row, Spot, Turn, digest, text_of},
};
use crate::snapshot::diff::Trees;
use backout_protocol::{Image, snapshot::What};
use std::collections::{BTreeMap, BTreeSet};

/// Where backups are looked for whose installer left none: nobody's name for a folder, as what lies in one that somebody made
/// would be taken for the files before the patch.
const NOWHERE: &str = ".no-backup";
/// What those end in that a person names a folder of.
const USUAL: &str = ".bak";

/// One component.
#[derive(Debug)]
pub(super) struct Part {
    pub id: String,
    pub shape: Shape,
    pub consume: bool,
    /// Whether the installer left backups of its files.
    pub backed: bool,
    /// A file that shows that it is here.
    pub marker: Option<Spot>,
    /// What shows its backups.
    pub backup: Option<Spot>,
    pub rows: Vec<Row>,
    /// Folders that came with the installer.
    pub made: Vec<Spot>,
}

/// Splits what changed. `data`: rows that stand in no list.
pub(super) fn parts(
    changes: &Changes,
    rules: &[Rule],
    data: &BTreeSet<usize>,
    trees: &[&Trees; 2],
) -> Vec<Part> {
    let rows = &changes.rows;
    let backups: BTreeSet<usize> = rules.iter().flat_map(|r| r.covers.values().copied()).collect();
    let mut parts: Vec<Part> =
        rules.iter().enumerate().map(|(n, rule)| with_backups(n, rule, rows)).collect();
    let covered = |n: &usize| rules.iter().any(|rule| rule.covers.contains_key(n));
    let mut rest: Vec<Row> = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        if covered(&n) || backups.contains(&n) || data.contains(&n) {
            continue;
        }
        let added = matches!(row.turn, Turn::Added(_));
        let holder = parts.iter_mut().find(|p| added && p.shape.from.holds(&row.spot));
        match holder {
            Some(part) => part.rows.push(row.clone()),
            None => rest.push(row.clone()),
        }
    }
    // What only has to go needs no backups: it goes with the first.
    let (go, need): (Vec<Row>, Vec<Row>) = rest.into_iter().partition(|r| matches!(r.turn, Turn::Added(_)));
    if !need.is_empty() || parts.is_empty() {
        let root = need.first().or(go.first()).map_or(0, |row| row.spot.root);
        parts.push(without_backups(if parts.is_empty() { "files" } else { "no-backup" }, root, need));
    }
    if let Some(first) = parts.first_mut() {
        first.rows.extend(go);
    }
    for folder in &changes.folders {
        let at = parts.iter().position(|p| p.shape.from.holds(folder)).unwrap_or(0);
        if let Some(part) = parts.get_mut(at) {
            part.made.push(folder.clone());
        }
    }
    let stays = unchanged(trees);
    let any = parts.iter().find_map(|part| own_marker(&part.rows));
    for part in &mut parts {
        let added = part.rows.first().map(|row| row.spot.clone());
        part.marker = own_marker(&part.rows).or_else(|| any.clone()).or_else(|| stays.clone()).or(added);
        part.rows.sort_by(|a, b| a.spot.cmp(&b.spot));
    }
    parts
}

fn with_backups(n: usize, rule: &Rule, rows: &[Row]) -> Part {
    let shape = rule.shape.clone();
    let folder = shape.from.below.as_ref().and_then(|below| {
        let rel = backout_protocol::RelPath::new(below).ok()?;
        Some(Spot { root: shape.from.root, text: text_of(&rel)?, rel })
    });
    Part {
        id: if n == 0 { "files".to_owned() } else { format!("files-{}", n + 1) },
        consume: rule.consume,
        backed: true,
        marker: None,
        backup: folder.or_else(|| rule.covers.values().next().map(|copy| rows[*copy].spot.clone())),
        rows: rule.covers.keys().map(|n| rows[*n].clone()).collect(),
        made: Vec::new(),
        shape,
    }
}

fn without_backups(id: &str, root: usize, rows: Vec<Row>) -> Part {
    let from = Folder { root, below: Some(NOWHERE.to_owned()) };
    let shape = Shape { from, to: Folder { root, below: None }, suffix: Some(USUAL.to_owned()) };
    let (id, consume, backed) = (id.to_owned(), false, false);
    Part { id, shape, consume, backed, marker: None, backup: None, rows, made: Vec::new() }
}

/// A file that is there before the patch and behind it, best one that tells its version.
fn own_marker(rows: &[Row]) -> Option<Spot> {
    let replaced = || rows.iter().filter(|r| matches!(r.turn, Turn::Replaced { .. }));
    let versioned = replaced().find(|r| r.turn.version().is_some());
    versioned.or_else(|| replaced().next()).map(|r| r.spot.clone())
}

/// The first file that the installer left as it was, best one that tells its version.
fn unchanged([before, after]: &[&Trees; 2]) -> Option<Spot> {
    let files = |trees: &Trees| -> BTreeMap<(usize, String), Image> {
        let file = |e: &backout_protocol::snapshot::Entry| match &e.what {
            What::File(image) => Some(((e.root, text_of(&e.path)?), *image)),
            _ => None,
        };
        trees.entries.iter().filter_map(file).collect()
    };
    let old = files(before);
    let same: Vec<_> = files(after)
        .into_iter()
        .filter(|(at, image)| old.get(at).is_some_and(|was| digest(was) == digest(image)))
        .collect();
    let best = same.iter().find(|(_, image)| image.version.is_some()).or(same.first());
    best.and_then(|((root, text), _)| {
        let rel = backout_protocol::RelPath::new(text).ok()?;
        Some(Spot { root: *root, rel, text: text.clone() })
    })
}
