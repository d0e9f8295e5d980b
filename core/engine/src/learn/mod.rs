//! Learn: the profile of what an installer really changed, from the snapshot before it and the machine behind it. The way to a
//! new profile is to run the patch once on a test machine.
//!
//! `compare` finds what changed, `backups` where the installer itself left good copies, `parts` makes components of it,
//! and `write` the text. Nothing of any file's content goes into it but digests and versions. What a profile cannot say stands
//! in it as a comment, and is told.

mod backups;
mod compare;
mod parts;
pub mod target;
#[cfg(test)]
mod tests;
mod write;

pub use compare::{Difference, Unsaid};

use crate::{
    load::LoadedProfile,
    refusal::Refusal,
    snapshot::{Snapshot, diff::Trees},
};
use backout_protocol::{
    FileVersion, HostPath, ServiceName, SnapshotId,
    profile::{Product, ServiceNeed, Timeouts},
};
use compare::{Changes, Row, Turn};
use std::{collections::BTreeMap, collections::BTreeSet, path::Path};

/// What else is known of the product.
#[derive(Debug, Clone)]
pub struct Told {
    /// The new profile's name.
    pub name: String,
    /// The plugin that its components name.
    pub plugin: String,
    /// The installer, in a word.
    pub installer: String,
    /// When the installer was on record as ended, in milliseconds since 1970.
    pub ended: Option<u64>,
    /// The product, as another profile says it.
    pub product: Option<Product>,
    /// Folders, and texts, that have a name.
    pub variables: Vec<Named>,
    /// Services, in stop order.
    pub services: Vec<Service>,
    /// Seconds to wait.
    pub timeouts: Timeouts,
}

/// A variable and its value here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: HostPath,
    /// Whether it is a folder, and no text.
    pub folder: bool,
    /// The variable that it takes its value from unless it is given itself.
    pub same_as: Option<String>,
}

/// A service of the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its display name.
    pub name: ServiceName,
    /// Whether a machine with the product must have it.
    pub need: ServiceNeed,
    /// The base name of its program, where that is known.
    pub image: Option<String>,
    /// Its unit, where the site of this machine names one.
    pub unit: Option<String>,
}

/// A profile that was learned.
#[derive(Debug)]
pub struct Learned {
    /// Its text, which loads.
    pub text: String,
    /// How many files were changed, added, removed, and of how many there is no backup of the installer's.
    pub counts: Counts,
    /// What it cannot say: each stands in it as a comment.
    pub unsaid: Vec<Unsaid>,
    /// Files that look like data and stand in no list.
    pub data: Vec<HostPath>,
}

/// What a learned profile holds, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub file: HostPath,
    /// How many rows it has.
    pub counts: Counts,
}

/// How many files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Changed.
    pub changed: usize,
    /// Added.
    pub added: usize,
    /// Removed.
    pub removed: usize,
    /// Changed or removed, and the installer left no backup of it.
    pub without_backup: usize,
}

/// Learns a profile. `None`: nothing changed that a profile could say.
///
/// # Errors
/// The text does not load: a bug.
pub fn learn(before: &Snapshot, after: &Trees, told: &Told) -> Result<Option<Learned>, Refusal> {
    let snapshot: SnapshotId = before.id.clone();
    let exclude = before.exclude.clone();
    let names = before.names;
    let before = Trees::from(before.clone());
    let mut changes = compare::changes(&before, after);
    let rules = backups::rules(&changes.rows);
    let written_over = |n: &&usize| matches!(changes.rows[**n].turn, Turn::Replaced { .. });
    let old = rules.iter().flat_map(|rule| rule.covers.values()).filter(written_over);
    let old = old.filter_map(|n| {
        Some(Unsaid { path: path(after, changes.rows.get(*n)?)?, what: Difference::OldBackup })
    });
    let old: Vec<Unsaid> = old.collect();
    changes.unsaid.extend(old);
    let covered: BTreeSet<usize> =
        rules.iter().flat_map(|rule| rule.covers.iter().flat_map(|(n, copy)| [*n, *copy])).collect();
    let is_data = |(n, row): &(usize, &Row)| !covered.contains(n) && looks_like_data(row, told.ended);
    let data: BTreeSet<usize> = changes.rows.iter().enumerate().filter(is_data).map(|(n, _)| n).collect();
    if changes.rows.len() == data.len() {
        return Ok(None);
    }
    let parts = parts::parts(&changes, &rules, &data, &[&before, after]);
    let count =
        |kind: fn(&Turn) -> bool| parts.iter().flat_map(|p| &p.rows).filter(|r| kind(&r.turn)).count();
    let unbacked = parts.iter().filter(|p| !p.backed).flat_map(|p| &p.rows);
    let counts = Counts {
        changed: count(|t| matches!(t, Turn::Replaced { .. })),
        added: count(|t| matches!(t, Turn::Added(_))),
        removed: count(|t| matches!(t, Turn::Removed(_))),
        without_backup: unbacked.filter(|r| r.turn.before().is_some()).count(),
    };
    let data: Vec<HostPath> = data.iter().filter_map(|n| path(after, changes.rows.get(*n)?)).collect();
    let page = write::Page {
        told,
        snapshot: &snapshot,
        names,
        exclude: &exclude,
        variables: variables(told, after),
        roots: after.roots.iter().map(|r| r.path.clone()).collect(),
        build: versions(&changes, |row| row.turn.version()),
        was: versions(&changes, |row| row.turn.version().and(row.turn.before()?.version)),
        parts: &parts,
        unsaid: &changes.unsaid,
        times: changes.times,
        data: &data,
    };
    let text = write::text(&page);
    LoadedProfile::from_text(&told.name, &text, None)?;
    Ok(Some(Learned { text, counts, unsaid: changes.unsaid, data }))
}

/// Where a row's file is.
fn path(trees: &Trees, row: &Row) -> Option<HostPath> {
    Some(HostPath(trees.roots.get(row.spot.root)?.path.0.join(row.spot.rel.as_path())))
}

/// A file without a version that is called like data, or that was written to when the installer was gone.
fn looks_like_data(row: &Row, ended: Option<u64>) -> bool {
    if [row.turn.before(), row.turn.after()].into_iter().flatten().any(|image| image.version.is_some()) {
        return false;
    }
    let name = row.spot.rel.name().to_string_lossy().to_lowercase();
    let kind = Path::new(&name).extension().and_then(|e| e.to_str()).unwrap_or_default();
    if ["log", "pid", "lock", "tmp", "swp"].contains(&kind) || name.contains(".log.") {
        return true;
    }
    let ms = |(seconds, nanos): (i64, u32)| {
        u64::try_from(seconds)
            .ok()
            .map(|s| s.saturating_mul(1000).saturating_add(u64::from(nanos) / 1_000_000))
    };
    match (row.modified.and_then(ms), ended) {
        (Some(written), Some(ended)) => written > ended,
        _ => false,
    }
}

/// The version that most files have.
fn versions(changes: &Changes, of: impl Fn(&Row) -> Option<FileVersion>) -> Option<FileVersion> {
    let mut seen: BTreeMap<FileVersion, usize> = BTreeMap::new();
    changes.rows.iter().filter_map(of).for_each(|v| *seen.entry(v).or_default() += 1);
    seen.into_iter().max_by_key(|(version, files)| (*files, *version)).map(|(version, _)| version)
}

/// The name of each root's variable, and then all others. A root that has no name gets one by that of its folder.
fn variables(told: &Told, trees: &Trees) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    let taken =
        |named: &[Named], name: &str| named.iter().chain(&told.variables).any(|known| known.name == name);
    for root in &trees.roots {
        if let Some(known) =
            told.variables.iter().find(|v| v.folder && v.same_as.is_none() && v.value == root.path)
        {
            named.push(known.clone());
            continue;
        }
        let last = root.path.0.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let base = if trees.roots.len() == 1 { "home".to_owned() } else { last.chars().map(plain).collect() };
        let base = if base.is_empty() { "root".to_owned() } else { base };
        let mut numbered = (2..).map(|n| format!("{base}_{n}"));
        let first = Some(base.clone()).filter(|name| !taken(&named, name));
        let free = first.or_else(|| numbered.find(|name| !taken(&named, name)));
        named.push(Named {
            name: free.unwrap_or(base.clone()),
            value: root.path.clone(),
            folder: true,
            same_as: None,
        });
    }
    let others = told.variables.iter().filter(|v| !named.contains(v)).cloned().collect::<Vec<_>>();
    named.extend(others);
    named
}
