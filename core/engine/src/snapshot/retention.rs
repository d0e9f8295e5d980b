//! How long snapshots stay: by the same rule as runs, but never the last one of its roots, one that is pinned, or one
//! that a run needs which is not over or still keeps what it changed.

use super::store::{self, GONE, PINNED, SNAPSHOTS, Stored};
use crate::{
    history::{self, Retention},
    refusal::Refusal,
    state::{Locked, State, plain, unusable},
    tidy::by_plan_alone,
};
use backout_disk::{Error, aside, durable};
use backout_protocol::{HostPath, Plan, RunId, SnapshotId, plan::RestoreFrom, snapshot::Snapshot};
use std::{collections::BTreeMap, ffi::OsStr};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InUse {
    /// It is the only one of its folders.
    Last,
    /// An operator said so.
    Pinned,
    /// A run restored it, or is about to.
    Run(RunId),
    /// A run is not over, and what it needs cannot be read.
    UnreadableRun(RunId),
}

/// A snapshot whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Which.
    pub id: SnapshotId,
    /// Bytes of its files.
    pub bytes: u64,
    /// Why it is still there, if it is.
    pub left: Option<String>,
}

/// Removes a snapshot. Says how many bytes its files had.
///
/// # Errors
/// [`Refusal::SnapshotKept`]; the disk's: then some of it may be gone, and the next one that is taken removes the rest.
pub fn drop(locked: &Locked, id: &SnapshotId) -> Result<u64, Refusal> {
    let state = locked.state();
    let bytes = may_drop(state, id)?;
    store::sweep(locked)?;
    remove(locked, id).map_err(|e| unusable(state.path(), &e))?;
    Ok(bytes)
}

/// Whether [`drop`] would remove a snapshot. Says how many bytes its files have.
///
/// # Errors
/// [`Refusal::SnapshotKept`], [`Refusal::SnapshotUnknown`].
pub fn may_drop(state: &State, id: &SnapshotId) -> Result<u64, Refusal> {
    let all = store::list(state)?;
    let Some(wanted) = all.iter().find(|s| s.id == *id) else {
        return Err(Refusal::SnapshotUnknown { asked: id.to_string(), known: store::ids(state)? });
    };
    if let Some(why) = keeps(wanted, &all, &users(state)?) {
        return Err(Refusal::SnapshotKept { id: id.clone(), why });
    }
    Ok(wanted.snapshot.as_ref().map_or(0, Snapshot::bytes))
}

/// Removes a snapshot that was only just taken, for something that then was not begun.
pub fn discard(locked: &Locked, id: &SnapshotId) {
    if let Err(e) = remove(locked, id) {
        log::warn!("the snapshot {id} stays: {e}");
    }
}

/// Keeps a snapshot until somebody says otherwise. `false`: it was pinned already.
///
/// # Errors
/// [`Refusal::SnapshotUnknown`]; the disk's.
pub fn pin(locked: &Locked, id: &SnapshotId) -> Result<bool, Refusal> {
    let state = locked.state();
    let fail = |e: Error| unusable(state.path(), &e);
    let folder = store::at(state, id).map_err(fail)?;
    let fresh = folder.stat(OsStr::new(PINNED)).map_err(fail)?.is_none();
    if fresh {
        durable::write(&folder, OsStr::new(PINNED), b"", 0o600).map_err(fail)?;
    }
    Ok(fresh)
}

/// Lets a snapshot go by the rule again. `false`: it was not pinned.
///
/// # Errors
/// As [`pin`].
pub fn unpin(locked: &Locked, id: &SnapshotId) -> Result<bool, Refusal> {
    let state = locked.state();
    let fail = |e: Error| unusable(state.path(), &e);
    let folder = store::at(state, id).map_err(fail)?;
    let there = folder.stat(OsStr::new(PINNED)).map_err(fail)?.is_some();
    durable::remove_tree(&folder, OsStr::new(PINNED)).map_err(fail)?;
    Ok(there)
}

/// The snapshots whose time is over at `now` (milliseconds since 1970), oldest first.
///
/// # Errors
/// [`Refusal::State`].
pub fn due(state: &State, rule: Retention, now: u64) -> Result<Vec<Pruned>, Refusal> {
    let all = store::list(state)?;
    let users = users(state)?;
    let mut over = rule_over(&all, rule, now, &users);
    over.reverse();
    Ok(over)
}

/// Removes the snapshots whose time is over at `now`, and what is left of those that were never whole.
///
/// # Errors
/// [`Refusal::State`]. One that cannot be removed is named and stays.
pub fn prune(locked: &Locked, rule: Retention, now: u64) -> Result<Vec<Pruned>, Refusal> {
    store::sweep(locked)?;
    let mut due = due(locked.state(), rule, now)?;
    for one in &mut due {
        one.left = remove(locked, &one.id).err().map(|e| e.to_string());
    }
    Ok(due)
}

/// Newest first, as `all` is.
fn rule_over(all: &[Stored], rule: Retention, now: u64, users: &Users) -> Vec<Pruned> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut over = Vec::new();
    for one in all {
        // One that cannot be read is nobody's to remove but an operator's.
        let Ok(snapshot) = &one.snapshot else { continue };
        let newer = seen.entry(kind(snapshot)).or_default();
        let old = now.saturating_sub(snapshot.taken) >= rule.days.saturating_mul(DAY_MS);
        let goes = *newer >= rule.newest.max(1) && old;
        *newer += 1;
        if goes && keeps(one, all, users).is_none() {
            over.push(Pruned { id: one.id.clone(), bytes: snapshot.bytes(), left: None });
        }
    }
    over
}

/// Snapshots of one kind are generations of each other.
fn kind(snapshot: &Snapshot) -> String {
    let roots: Vec<String> = snapshot.roots.iter().map(|r| r.path.to_string()).collect();
    snapshot.profile.clone().unwrap_or_else(|| format!("/{}", roots.join("\n")))
}

fn keeps(one: &Stored, all: &[Stored], users: &Users) -> Option<InUse> {
    if one.pinned {
        return Some(InUse::Pinned);
    }
    if let Some(run) = users.of.get(&one.id) {
        return Some(InUse::Run(run.clone()));
    }
    if let Some(run) = &users.unreadable {
        return Some(InUse::UnreadableRun(run.clone()));
    }
    // One that cannot be read is no generation anybody could go back to, so it is not the last one either.
    let own = kind(one.snapshot.as_ref().ok()?);
    let alike = |s: &&Stored| s.snapshot.as_ref().is_ok_and(|s| kind(s) == own);
    (all.iter().filter(alike).count() == 1).then_some(InUse::Last)
}

/// Which snapshots runs need.
#[derive(Default)]
struct Users {
    of: BTreeMap<SnapshotId, RunId>,
    /// A run that is not over and whose plan cannot be read.
    unreadable: Option<RunId>,
}

fn users(state: &State) -> Result<Users, Refusal> {
    let mut users = Users::default();
    for run in state.transaction_ids()? {
        let folder = state.transactions().and_then(|t| t.open_below(&plain(run.as_str())));
        match folder.and_then(|f| by_plan_alone(&run, &f)) {
            Ok(Some(tx)) => users.add(&run, &tx.plan),
            Ok(None) | Err(_) => users.unreadable = Some(run),
        }
    }
    // What a kept installer changed lies in its guard's snapshot alone.
    let kept = |e: &history::Entry| {
        e.fate == history::Fate::Committed && e.plan.as_ref().is_some_and(|p| p.guards().is_some())
    };
    for entry in history::entries(state)?.into_iter().filter(|e| !e.kept.is_empty() || kept(e)) {
        if let Some(plan) = &entry.plan {
            users.add(&entry.run, plan);
        }
    }
    Ok(users)
}

impl Users {
    fn add(&mut self, run: &RunId, plan: &Plan) {
        for (_, source) in &plan.request.from {
            if let RestoreFrom::Snapshot(id) = source {
                self.of.entry(id.clone()).or_insert_with(|| run.clone());
            }
        }
    }
}

/// Under a name that is no id first: one of which some files are gone is never taken for a whole one.
fn remove(locked: &Locked, id: &SnapshotId) -> Result<(), Error> {
    let state = locked.state();
    let above = state.folder().open_below(&plain(SNAPSHOTS))?;
    let gone = format!("{GONE}{id}");
    durable::rename(&above, OsStr::new(id.as_str()), &above, OsStr::new(&gone))?;
    aside::remove(&above, OsStr::new(&gone))
}

/// Where a snapshot lies, for people.
pub fn folder(state: &State, id: &SnapshotId) -> HostPath {
    HostPath(state.path().join(SNAPSHOTS).join(id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blank;

    fn stored(n: u64, days: u64, profile: Option<&str>, pinned: bool) -> Stored {
        let id: SnapshotId =
            ulid::Ulid::from_parts(n, u128::from(n)).to_string().to_ascii_lowercase().parse().unwrap();
        let snapshot = Snapshot {
            id: id.clone(),
            profile: profile.map(str::to_owned),
            taken: 1_000 * DAY_MS - days * DAY_MS,
            ..blank::snapshot()
        };
        Stored { id, folder: HostPath("/s".into()), pinned, snapshot: Ok(snapshot) }
    }

    fn gone(all: &[Stored], rule: Retention, users: &Users) -> Vec<SnapshotId> {
        rule_over(all, rule, 1_000 * DAY_MS, users).into_iter().map(|p| p.id).collect()
    }

    #[test]
    fn the_newest_and_the_young_stay_and_each_product_is_counted_by_itself() {
        let mut all: Vec<Stored> = (0..8).rev().map(|n| stored(n, 40 - n, Some("a"), false)).collect();
        all.push(stored(20, 99, Some("b"), false));
        let ids: Vec<SnapshotId> = all[5..8].iter().map(|s| s.id.clone()).collect();
        assert_eq!(gone(&all, Retention::default(), &Users::default()), ids);
        let young: Vec<Stored> = (0..8).rev().map(|n| stored(n, 29, Some("a"), false)).collect();
        assert!(gone(&young, Retention::default(), &Users::default()).is_empty());
    }

    #[test]
    fn whatever_the_rule_the_last_one_a_pinned_one_and_one_in_use_stay() {
        let all = vec![
            stored(4, 99, None, false),
            stored(3, 99, None, true),
            stored(2, 99, None, false),
            stored(1, 99, None, false),
        ];
        let mut users = Users::default();
        users.of.insert(all[2].id.clone(), "01jd0000000000000000000000".parse().unwrap());
        let none = Retention { newest: 0, days: 0 };
        assert_eq!(gone(&all, none, &users), [all[3].id.clone()]);
        assert_eq!(keeps(&all[1], &all, &users), Some(InUse::Pinned));
        assert!(matches!(keeps(&all[2], &all, &users), Some(InUse::Run(_))));
        assert_eq!(keeps(&all[0], &all[..1], &users), Some(InUse::Last));
        users.unreadable = Some("01jd0000000000000000000001".parse().unwrap());
        assert!(gone(&all, none, &users).is_empty());
    }
}
