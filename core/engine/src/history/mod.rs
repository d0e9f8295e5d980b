//! What finished runs tell: when, by whom, how they ended, what they keep beside their targets, how long their window
//! was. Read from their own records; nothing is kept twice but the result as it was printed.

mod retention;

pub(crate) use retention::sweep;
pub use retention::{Pruned, Retention, due, prune};

use crate::{
    failure::Failure,
    refusal::Refusal,
    report::{Ending, RunReport, counts_of},
    state::{self, Locked, State, plain, unusable},
    tidy::{by_plan_alone, digests},
    transaction::{Swap, Transaction},
};
use backout_disk::{Folder, durable, size::tree_size, staging::name_of};
use backout_journal::{Journal, Reading, Record, Status, Verdict};
use backout_protocol::{
    HostPath, Notice, RunId,
    plan::{Plan, PlanKind},
};
use std::{collections::BTreeSet, ffi::OsStr};

/// The result as it was printed.
const RESULT: &str = "result.json";
/// No result is longer.
const CAP: u64 = 64 * 1024 * 1024;

/// One run of the history.
#[derive(Debug)]
pub struct Entry {
    /// Which.
    pub run: RunId,
    /// Its folder in the state folder.
    pub folder: HostPath,
    /// When it began, in milliseconds since 1970.
    pub begun: u64,
    /// How it ended.
    pub fate: Fate,
    /// Its plan, as far as it can be read.
    pub plan: Option<Plan>,
    /// Its swaps, as far as they can be read.
    pub swaps: Vec<Swap>,
    /// Its records, each with its time.
    pub records: Vec<(u64, Record)>,
    /// From the first stop to the last start confirmed.
    pub window_ms: Option<u64>,
    /// Its folders beside targets that are still there.
    pub kept: Vec<HostPath>,
    /// Bytes in them.
    pub bytes: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is not over; where it stands.
    Open(Status),
    /// Every file is new.
    Committed,
    /// Everything was put back, for this reason.
    Undone {
        /// In the words of its journal.
        why: String,
    },
    /// An operator gave it up; only they know what became of the machine.
    Abandoned,
    /// Its records cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
}

/// The folders of one finished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The run.
    pub run: RunId,
    /// Its folders that are still there.
    pub folders: Vec<HostPath>,
    /// Bytes in them.
    pub bytes: u64,
}

/// Every run of the history, newest first.
///
/// # Errors
/// [`Refusal::State`].
pub fn entries(state: &State) -> Result<Vec<Entry>, Refusal> {
    Ok(state.history_ids()?.into_iter().rev().map(|run| entry(state, run)).collect())
}

/// The committed run that took `run` back, all of it.
pub fn undone_by<'a>(entries: &'a [Entry], run: &RunId) -> Option<&'a RunId> {
    let undoes = |e: &&Entry| {
        e.fate == Fate::Committed
            && e.plan.as_ref().is_some_and(|p| {
                matches!(&p.kind, PlanKind::Undo { of } if of == run) && p.request.paths.is_empty()
            })
    };
    entries.iter().find(undoes).map(|e| &e.run)
}

/// One run, whether or not it is over; `None`: there is none of this id.
///
/// # Errors
/// [`Refusal::State`].
pub fn find(state: &State, run: &RunId) -> Result<Option<Entry>, Refusal> {
    if state.history_ids()?.contains(run) {
        return Ok(Some(entry(state, run.clone())));
    }
    if !state.transaction_ids()?.contains(run) {
        return Ok(None);
    }
    let folder = state.transactions().and_then(|t| t.open_below(&plain(run.as_str())));
    let mut entry = read_entry(folder.map_err(|e| unusable(state.path(), &e))?, run.clone());
    if entry.fate == Fate::Abandoned {
        entry.fate = Fate::Open(entry.records.iter().fold(Status::Nothing, |status, (_, record)| {
            backout_journal::status::next(status, record).unwrap_or(status)
        }));
    }
    Ok(Some(entry))
}

/// The only run whose id begins with `start`, in the history or not over.
///
/// # Errors
/// [`Refusal::RunUnknown`]: there is none, or more than one.
pub fn named(state: &State, start: &str) -> Result<RunId, Refusal> {
    let start = start.to_ascii_lowercase();
    let all = state.history_ids()?.into_iter().chain(state.transaction_ids()?);
    let mut found: Vec<RunId> = all.filter(|run| run.as_str().starts_with(&start)).collect();
    found.dedup();
    match (found.pop(), found.is_empty()) {
        (Some(run), true) if !start.is_empty() => Ok(run),
        _ => Err(Refusal::RunUnknown { run: start }),
    }
}

/// One entry. What cannot be read is an entry that says so: it hides no other.
fn entry(state: &State, run: RunId) -> Entry {
    let folder = match state.history().and_then(|h| h.open_below(&plain(run.as_str()))) {
        Ok(folder) => folder,
        Err(e) => {
            let path = state.path().join(state::HISTORY).join(run.as_str());
            return Entry {
                folder: HostPath(path),
                begun: made_at(&run),
                fate: Fate::Unreadable { why: e.to_string() },
                plan: None,
                swaps: Vec::new(),
                records: Vec::new(),
                window_ms: None,
                kept: Vec::new(),
                bytes: 0,
                run,
            };
        }
    };
    let mut entry = read_entry(folder, run);
    if entry.records.is_empty() && entry.fate == Fate::Abandoned {
        entry.fate = Fate::Unreadable { why: "its journal holds no record".to_owned() };
    }
    entry
}

fn read_entry(folder: Folder, run: RunId) -> Entry {
    let at = HostPath(folder.path().to_owned());
    let reading = Journal::read(&folder, &run).map_err(|e| crate::window::chain(&e));
    let reading = reading.and_then(|r| r.ok_or_else(|| "its journal is missing".to_owned()));
    let begun = match &reading {
        Ok(reading) => reading.lines.first().map(|l| l.at),
        Err(_) => None,
    };
    let (fate, window_ms) = match &reading {
        Ok(reading) => (fate(reading), window(reading)),
        Err(why) => (Fate::Unreadable { why: why.clone() }, None),
    };
    let tx = match reading.as_ref().ok().and_then(digests) {
        Some((plan, staged)) => {
            let whole = folder.try_clone().ok().and_then(|f| Transaction::open(&run, f, plan, staged).ok());
            whole.or_else(|| by_plan_alone(&run, &folder).ok().flatten())
        }
        None => by_plan_alone(&run, &folder).ok().flatten(),
    };
    let kept = tx.as_ref().map(kept_folders).unwrap_or_default();
    let records = reading.ok().map(|r| r.lines.into_iter().map(|l| (l.at, l.record)).collect());
    Entry {
        folder: at,
        records: records.unwrap_or_default(),
        swaps: tx.as_ref().map(|tx| tx.swaps.clone()).unwrap_or_default(),
        begun: begun.unwrap_or_else(|| made_at(&run)),
        fate,
        plan: tx.map(|tx| tx.plan),
        window_ms,
        bytes: kept.iter().filter_map(|f| tree_size(&f.0).ok()).sum(),
        kept,
        run,
    }
}

/// When an id was made: its first ten characters are the milliseconds since 1970.
fn made_at(run: &RunId) -> u64 {
    ulid::Ulid::from_string(run.as_str()).map_or(0, |id| id.timestamp_ms())
}

fn fate(reading: &Reading) -> Fate {
    let undone = reading.records().find_map(|r| match r {
        Record::Undone { why } => Some(why.clone()),
        _ => None,
    });
    match undone {
        Some(why) => Fate::Undone { why },
        None if reading.status.is_committed() => Fate::Committed,
        None => Fate::Abandoned,
    }
}

/// Milliseconds from the first stop to the last start.
fn window(reading: &Reading) -> Option<u64> {
    let at = |wanted: fn(&Record) -> bool| reading.lines.iter().rfind(|l| wanted(&l.record)).map(|l| l.at);
    let opened = at(|r| matches!(r, Record::Opening { .. }))?;
    at(|r| matches!(r, Record::Started { .. }))?.checked_sub(opened)
}

fn kept_folders(tx: &Transaction) -> Vec<HostPath> {
    let names = tx.hosts().into_iter().map(|h| h.path().0.join(name_of(&tx.run)));
    names.filter(|p| p.is_dir()).map(HostPath).collect()
}

/// What every run in the history keeps, oldest first. Runs whose records cannot be read are left out.
///
/// # Errors
/// [`Refusal::State`].
pub fn kept(state: &State) -> Result<Vec<Kept>, Refusal> {
    let keeping = entries(state)?.into_iter().rev().filter(|e| !e.kept.is_empty());
    Ok(keeping.map(|e| Kept { run: e.run, folders: e.kept, bytes: e.bytes }).collect())
}

/// Milliseconds from the first stop to the last start of the newest committed run of this profile, by its journal.
///
/// # Errors
/// [`Refusal::State`].
pub fn last_window(state: &State, profile: &str) -> Result<Option<u64>, Refusal> {
    for run in state.history_ids()?.into_iter().rev() {
        let Some((reading, tx)) = read(state, &run)? else { continue };
        if tx.plan.profile.name == profile
            && reading.status.is_committed()
            && let Some(ms) = window(&reading)
        {
            return Ok(Some(ms));
        }
    }
    Ok(None)
}

/// The run that the process `pid` began, if it began one that is not among `known`.
pub(crate) fn begun_by(state: &State, pid: u32, known: &BTreeSet<RunId>) -> Result<Option<RunId>, Refusal> {
    let theirs = |plan: &Plan| plan.request.by.as_ref().is_some_and(|by| by.process == pid);
    newest(state, |run, plan| !known.contains(run) && theirs(plan))
}

/// The run that was asked for under this id, and its plan.
///
/// # Errors
/// [`Refusal::State`].
pub fn of_request(state: &State, id: &str) -> Result<Option<RunId>, Refusal> {
    newest(state, |_, plan| plan.request.request_id.as_deref() == Some(id))
}

fn newest(state: &State, wanted: impl Fn(&RunId, &Plan) -> bool) -> Result<Option<RunId>, Refusal> {
    let ids = [(state.transaction_ids()?, state.transactions()), (state.history_ids()?, state.history())];
    for (ids, above) in ids {
        for run in ids.into_iter().rev() {
            let Ok(above) = &above else { continue };
            let tx = above.open_below(&plain(run.as_str())).and_then(|f| by_plan_alone(&run, &f));
            if tx.ok().flatten().is_some_and(|tx| wanted(&run, &tx.plan)) {
                return Ok(Some(run));
            }
        }
    }
    Ok(None)
}

/// How a run ended, by its records. `None`: it is not there or not over, or its records cannot be read.
///
/// # Errors
/// [`Refusal::State`].
pub fn report(state: &State, run: &RunId) -> Result<Option<RunReport>, Refusal> {
    let Some((reading, tx)) = read(state, run)? else { return Ok(None) };
    let (ending, changed) = match fate(&reading) {
        Fate::Committed => (Ending::Completed, true),
        Fate::Undone { why } => (Ending::RolledBack(Failure::Recorded { why }), false),
        Fate::Open(_) | Fate::Abandoned | Fate::Unreadable { .. } => return Ok(None),
    };
    let ill = reading.records().find_map(|r| match r {
        Record::Kept { verdict: Verdict::Ill, why } => Some(Notice::KeptInSpite { why: why.clone() }),
        _ => None,
    });
    Ok(Some(RunReport {
        run: Some(run.clone()),
        ending,
        changed,
        counts: counts_of(&tx),
        window_ms: window(&reading),
        notices: tx.plan.notices.iter().cloned().chain(ill).collect(),
        reminders: if changed { tx.plan.reminders } else { Vec::new() },
        learned: None,
    }))
}

/// Keeps the result of a finished run as it was printed. A run that is not over has none.
///
/// # Errors
/// The disk's.
pub fn remember(locked: &Locked, run: &RunId, result: &str) -> Result<(), Refusal> {
    let state = locked.state();
    let Some(folder) = folder(state, run) else { return Ok(()) };
    if !matches!(Journal::read(&folder, run), Ok(Some(reading)) if reading.status.is_over()) {
        return Ok(());
    }
    durable::write(&folder, OsStr::new(RESULT), result.as_bytes(), 0o600)
        .map_err(|e| unusable(state.path(), &e))
}

/// The result of a run as it was printed; `None`: it was not kept, as whoever carried the run out died.
///
/// # Errors
/// [`Refusal::State`].
pub fn remembered(state: &State, run: &RunId) -> Result<Option<String>, Refusal> {
    let Some(folder) = folder(state, run) else { return Ok(None) };
    let bytes = durable::read(&folder, OsStr::new(RESULT), CAP);
    let bytes = bytes.map_err(|e| unusable(state.path(), &e))?;
    Ok(bytes.and_then(|b| String::from_utf8(b).ok()))
}

/// The folder of a run: in the history, or, while something of it is still to be tidied up, where it was carried out.
pub(crate) fn folder(state: &State, run: &RunId) -> Option<Folder> {
    let name = plain(run.as_str());
    let over = state.history().and_then(|h| h.open_below(&name));
    over.or_else(|_| state.transactions()?.open_below(&name)).ok()
}

/// A run; `None`: it is not there, or its records cannot be read.
pub(crate) fn read(state: &State, run: &RunId) -> Result<Option<(Reading, Transaction)>, Refusal> {
    let Some(folder) = folder(state, run) else { return Ok(None) };
    let Ok(Some(reading)) = Journal::read(&folder, run) else { return Ok(None) };
    let Some((plan, staged)) = digests(&reading) else { return Ok(None) };
    Ok(Transaction::open(run, folder, plan, staged).ok().map(|tx| (reading, tx)))
}
