//! Retention: how long finished runs and what they keep beside their targets stay.
//!
//! A run stays while it is among the newest few of its kind or younger than some days. Of a run that goes, the folders
//! beside targets go first and its records last: if we die in between, what is left still has its journal.

use super::{Entry, Fate, entries};
use crate::{
    refusal::Refusal,
    state::{Locked, State, plain},
    tidy,
    transaction::{Host, Swap, Transaction},
};
use backout_disk::{Error, Folder, durable, staging::name_of};
use backout_protocol::{Fingerprint, RunId};
use std::ffi::OsStr;

/// How the name of a run begins whose records are being removed.
const GONE: &str = ".gone-";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How long finished runs stay. One that fulfils either stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest.
    pub newest: usize,
    /// Those younger than so many days.
    pub days: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { newest: 5, days: 30 }
    }
}

/// A run whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Which.
    pub run: RunId,
    /// Bytes that it kept.
    pub bytes: u64,
    /// Why it is still there, if it is.
    pub left: Option<String>,
}

impl Retention {
    /// The runs whose time is over at `now`, oldest first. Runs that were put back, and the ways back of guards, are counted by
    /// themselves, so that failed attempts push no before-images out; a run that was given up or cannot be read is nobody's to
    /// remove.
    fn over<'a>(&self, newest_first: &'a [Entry], now: u64) -> Vec<&'a Entry> {
        let mut over = Vec::new();
        for committed in [true, false] {
            let of_guard = |e: &Entry| e.plan.as_ref().is_some_and(|plan| plan.guard.is_some());
            let kind = newest_first.iter().filter(|e| match e.fate {
                Fate::Committed => committed != of_guard(e),
                Fate::Undone { .. } => !committed,
                Fate::Open(_) | Fate::Abandoned | Fate::Unreadable { .. } => false,
            });
            let old = |e: &&Entry| now.saturating_sub(e.begun) >= self.days.saturating_mul(DAY_MS);
            over.extend(kind.skip(self.newest).filter(old));
        }
        over.sort_by(|a, b| a.run.cmp(&b.run));
        over
    }
}

/// The runs whose time is over at `now` (milliseconds since 1970), oldest first.
///
/// # Errors
/// [`Refusal::State`].
pub fn due(state: &State, rule: Retention, now: u64) -> Result<Vec<Pruned>, Refusal> {
    let entries = entries(state)?;
    let over = rule.over(&entries, now).into_iter();
    Ok(over.map(|e| Pruned { run: e.run.clone(), bytes: e.bytes, left: None }).collect())
}

/// Removes the runs whose time is over at `now`.
///
/// # Errors
/// [`Refusal::State`]: the history cannot be read. A run that cannot be removed is named and stays.
pub fn prune(locked: &Locked, rule: Retention, now: u64) -> Result<Vec<Pruned>, Refusal> {
    let mut due = due(locked.state(), rule, now)?;
    for one in &mut due {
        one.left = remove(locked, &one.run).err().map(|e| e.to_string());
    }
    Ok(due)
}

/// Removes one run: its folders beside targets, then its records.
fn remove(locked: &Locked, run: &RunId) -> Result<(), Error> {
    let history = locked.state().history()?;
    let folder = history.open_below(&plain(run.as_str()))?;
    let here = folder.path().to_owned();
    let (reading, tx) = super::read(locked.state(), run)
        .ok()
        .flatten()
        .ok_or_else(|| Error::unsupported("read", &here, "its records have changed"))?;
    // All of them first: a run whose volume is away stays as it is.
    let should = |swap: &Swap| if reading.status.is_committed() { swap.after } else { swap.before };
    let hosts = tx.hosts().iter().map(|host| reach(&tx, host, should)).collect::<Result<Vec<_>, _>>()?;
    for host in hosts {
        durable::remove_tree(&host, &name_of(run))?;
    }
    drop((folder, tx));
    // Under a name that is no run's, so that a run of which some records are gone is never taken for a damaged one.
    let gone = format!("{GONE}{run}");
    durable::rename(&history, OsStr::new(run.as_str()), &history, OsStr::new(&gone))?;
    durable::remove_tree(&history, OsStr::new(&gone))
}

/// Removes what is left of runs whose removal was cut off.
pub(crate) fn sweep(locked: &Locked) -> Result<(), Error> {
    let history = locked.state().history()?;
    for entry in history.entries()? {
        if entry.name.to_str().is_some_and(|name| name.starts_with(GONE)) {
            durable::remove_tree(&history, &entry.name)?;
        }
    }
    Ok(())
}

/// The folder that holds one of the run's. One that is not there may be on a volume that is away: then the run stays,
/// as nothing of ours may ever lie anywhere without its journal.
fn reach(tx: &Transaction, host: &Host, should: impl Fn(&Swap) -> Fingerprint) -> Result<Folder, Error> {
    let folder = host.open()?;
    if folder.stat(&name_of(&tx.run))?.is_none() {
        tidy::mounted(tx, host, &folder, should)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_protocol::{HostPath, Plan};

    fn run(n: u64) -> RunId {
        ulid::Ulid::from_parts(n, u128::from(n)).to_string().to_ascii_lowercase().parse().unwrap()
    }

    fn entry(n: u64, days: u64, fate: Fate) -> Entry {
        let folder = HostPath("/s".into());
        let begun = 1_000 * DAY_MS - days * DAY_MS;
        Entry {
            run: run(n),
            folder,
            begun,
            fate,
            plan: None,
            swaps: Vec::new(),
            records: Vec::new(),
            window_ms: None,
            kept: Vec::new(),
            bytes: 0,
        }
    }

    fn over(entries: &[Entry], rule: Retention) -> Vec<RunId> {
        rule.over(entries, 1_000 * DAY_MS).into_iter().map(|e| e.run.clone()).collect()
    }

    #[test]
    fn the_newest_and_the_young_stay() {
        let entries: Vec<Entry> = (0..8).rev().map(|n| entry(n, 40 - n, Fate::Committed)).collect();
        assert_eq!(over(&entries, Retention::default()), [run(0), run(1), run(2)]);
        let young: Vec<Entry> = (0..8).rev().map(|n| entry(n, 29, Fate::Committed)).collect();
        assert!(over(&young, Retention::default()).is_empty());
        assert_eq!(over(&young, Retention { newest: 7, days: 0 }), [run(0)]);
    }

    #[test]
    fn failed_attempts_push_nothing_out_and_what_was_given_up_stays() {
        let undone = || Fate::Undone { why: String::new() };
        let mut entries: Vec<Entry> = (2..12).rev().map(|n| entry(n, 99, undone())).collect();
        entries.push(entry(1, 99, Fate::Committed));
        entries.push(entry(0, 99, Fate::Abandoned));
        assert_eq!(over(&entries, Retention::default()), [run(2), run(3), run(4), run(5), run(6)]);
        // What the way back of a guard took away is not what anybody would go back to.
        for entry in entries.iter_mut().filter(|e| matches!(e.fate, Fate::Undone { .. })) {
            entry.fate = Fate::Committed;
            entry.plan = Some(Plan { guard: Some(run(99)), ..crate::blank::plan() });
        }
        assert_eq!(over(&entries, Retention::default()), [run(2), run(3), run(4), run(5), run(6)]);
    }
}
