//! Tidy up: what is left of a run that is over, and dropping what was staged for one that changed nothing.

#[cfg(test)]
mod tests;

use crate::{
    action::{ACTIONS, PLUGINS},
    archive::{ASIDE, archive},
    guard, history, hold, proof,
    refusal::Refusal,
    stage::Stagings,
    state::{Locked, plain, unusable},
    transaction::{Host, PLAN, Swap, Transaction, dressed, swaps},
};
use backout_disk::{Error, ErrorKind, Folder, durable, fingerprint::fingerprint, staging::Staging};
use backout_journal::{Journal, Record, Status};
use backout_protocol::{Fingerprint, HostPath, Plan, RunId, text::from_ron};
use std::ffi::OsStr;

/// Tidies up every run that is over, and forgets those that never began; not while another is open.
///
/// # Errors
/// [`Refusal::State`]. A run whose volume is not there stays for later.
pub(crate) fn all(locked: &Locked) -> Result<(), Refusal> {
    let state = locked.state();
    let fail = |e: Error| unusable(state.path(), &e);
    if let Err(e) = history::sweep(locked).and_then(|()| sweep(locked)) {
        log::warn!("what is left of removed runs stays: {e}");
    }
    // Lifting what holds services back would lift it for the open run too: there is one `unsettled`, and one hold a unit.
    if state.unfinished()?.is_some() {
        return Ok(());
    }
    for run in state.transaction_ids()? {
        let folder = state.transactions().and_then(|t| t.open_below(&plain(run.as_str()))).map_err(fail)?;
        match Journal::read(&folder, &run) {
            Ok(Some(reading)) if reading.status.is_over() => {
                let done = over(locked, &run, folder, &reading);
                if let Err(e) = done {
                    log::warn!("run {run} is over but not tidied up: {e}");
                }
            }
            Ok(Some(reading)) if !reading.lines.is_empty() => {}
            Ok(_) => {
                if let Err(e) = forget(locked, &run, &folder) {
                    log::warn!("run {run} began nothing and is not tidied up: {e}");
                }
            }
            Err(e) => log::warn!("run {run}: {e}"),
        }
    }
    if state.transaction_ids()?.is_empty() {
        hold::clear(state).map_err(fail)?;
    }
    Ok(())
}

pub(crate) fn over(
    locked: &Locked,
    run: &RunId,
    folder: Folder,
    reading: &backout_journal::Reading,
) -> Result<(), Error> {
    let digests = digests(reading);
    let here = folder.path().to_owned();
    let tx = digests
        .and_then(|(plan, staged)| Transaction::open(run, folder, plan, staged).ok())
        .ok_or_else(|| Error::unsupported("read", &here, "its plan is missing or has changed"))?;
    if !reading.status.is_committed() {
        drop_staging(&tx)?;
    }
    if reading.status == Status::Committed || reading.status == Status::Undone {
        let journal = take_over_for_clean(&tx, reading)?;
        close(locked, &tx, Some(journal))
    } else {
        close(locked, &tx, None)
    }
}

/// The digests that the journal's milestones carry: of `plan.ron`, and of `staged.ron` once everything was staged.
pub(crate) fn digests(
    reading: &backout_journal::Reading,
) -> Option<(backout_protocol::Digest, Option<backout_protocol::Digest>)> {
    let mut found = None;
    for record in reading.records() {
        match (record, &mut found) {
            (Record::Begin { plan, .. }, found) => *found = Some((*plan, None)),
            (Record::Staged { staged }, Some((_, slot))) => *slot = Some(*staged),
            _ => {}
        }
    }
    found
}

fn take_over_for_clean(tx: &Transaction, reading: &backout_journal::Reading) -> Result<Journal, Error> {
    Journal::take_over(&tx.folder, &tx.run, reading, [Record::Clean])
        .map_err(|e| Error::unsupported("write the journal in", tx.folder.path(), &e.to_string()))
}

/// Writes `Clean` and moves the transaction's folder into the history. The journal is closed before: where open files
/// keep their names, their folders keep theirs.
///
/// # Errors
/// The disk's. Whatever is left undone here, the next verb does.
pub(crate) fn close(locked: &Locked, tx: &Transaction, journal: Option<Journal>) -> Result<(), Error> {
    if let Some(mut journal) = journal
        && matches!(journal.status(), Status::Committed | Status::Undone)
    {
        // The outcome is durable already; if this line is lost the next verb writes it again.
        let clean = journal.append(Record::Clean);
        clean.map_err(|e| Error::unsupported("write the journal in", tx.folder.path(), &e.to_string()))?;
    }
    hold::lift(locked.state(), tx)?;
    guard::release(tx)?;
    let (from, to) = (locked.state().transactions()?, locked.state().history()?);
    durable::remove_tree(&tx.folder, OsStr::new("stopping"))?;
    durable::remove_tree(&tx.folder, OsStr::new("journal.spare"))?;
    archive(&tx.run, &from, &to)
}

/// Removes a transaction without a whole record, with whatever its plan may have begun to stage.
fn forget(locked: &Locked, run: &RunId, folder: &Folder) -> Result<(), Error> {
    if let Some(tx) = by_plan_alone(run, folder)? {
        if let Some(trace) = proof::first(&tx)? {
            log::warn!("run {run} has no record, but it has swapped: {trace:?}; it is left as it is");
            return Ok(());
        }
        drop_staging(&tx)?;
        guard::release(&tx)?;
    }
    remove_transaction(locked, run)
}

/// The transaction as its `plan.ron` has it, which no record vouches for. Good for looking, never for acting forwards.
pub(crate) fn by_plan_alone(run: &RunId, folder: &Folder) -> Result<Option<Transaction>, Error> {
    let text = durable::read(folder, OsStr::new(PLAN), u64::MAX)?;
    let plan = text.and_then(|t| String::from_utf8(t).ok()).and_then(|t| from_ron::<Plan>(PLAN, &t).ok());
    let Some(plan) = plan else { return Ok(None) };
    let swaps: Vec<Swap> = swaps(&plan).into_iter().map(|(swap, _)| swap).collect();
    let plan_digest = backout_protocol::Digest([0; 32]);
    let (run, folder) = (run.clone(), folder.try_clone()?);
    let (dressings, actions) = (dressed(&plan), Vec::new());
    Ok(Some(Transaction { run, folder, plan, plan_digest, swaps, dressings, actions, actions_digest: None }))
}

/// Whether a run without any record has swapped files, or may have let plugins or an installer act: its journal was lost.
pub(crate) fn lost_its_journal(run: &RunId, folder: &Folder) -> bool {
    // Actions are prepared behind the first record, and what they changed only their plugins could tell.
    if !matches!(folder.stat(OsStr::new(ACTIONS)), Ok(None)) {
        return true;
    }
    if guard::may_have_let_go(folder) {
        return true;
    }
    let held = by_plan_alone(run, folder).map(|tx| tx.map(|tx| proof::first(&tx)));
    // What cannot be looked at is not taken for nothing.
    !matches!(held, Ok(None | Some(Ok(None))))
}

/// How the name of a transaction begins that is being removed.
const GONE: &str = ".gone-";

/// Removes a transaction's folder; nothing of it is left anywhere.
pub(crate) fn remove_transaction(locked: &Locked, run: &RunId) -> Result<(), Error> {
    let transactions = locked.state().transactions()?;
    if transactions.stat(OsStr::new(run.as_str()))?.is_none() {
        return Ok(());
    }
    // Under a name that is no run's: one that lost some of its records to a kill would speak of a damaged run. If we die
    // behind it, the next verb removes the rest.
    let gone = format!("{GONE}{run}");
    match durable::rename(&transactions, OsStr::new(run.as_str()), &transactions, OsStr::new(&gone)) {
        Ok(()) => durable::remove_tree(&transactions, OsStr::new(&gone)),
        // Something in it is open where that keeps the folder's name: its parts go, and the name last.
        Err(_) if transactions.stat(OsStr::new(run.as_str()))?.is_some() => {
            if let Ok(folder) = transactions.open_below(&plain(run.as_str())) {
                durable::remove_tree(&folder, OsStr::new(ACTIONS))?;
            }
            durable::remove_tree(&transactions, OsStr::new(run.as_str()))
        }
        Err(e) => Err(e),
    }
}

/// Removes what is left of transactions whose removal, or move into the history, was cut off.
fn sweep(locked: &Locked) -> Result<(), Error> {
    let transactions = locked.state().transactions()?;
    let left = |name: &str| name.starts_with(GONE) || name.starts_with(ASIDE);
    for entry in transactions.entries()? {
        if entry.name.to_str().is_some_and(left) {
            durable::remove_tree(&transactions, &entry.name)?;
        }
    }
    Ok(())
}

/// Removes every staging folder of a run that is, or will be, in the old state, and what its actions were for; what
/// drifted is kept.
///
/// # Errors
/// The disk's; [`ErrorKind::NotFound`] where a volume seems not to be mounted.
pub(crate) fn drop_staging(tx: &Transaction) -> Result<(), Error> {
    for host in tx.hosts() {
        let folder = match host.open() {
            Ok(folder) => folder,
            Err(e) if e.kind == ErrorKind::NotFound && tx.swaps.iter().all(|s| s.host() != host) => continue,
            Err(e) => return Err(e),
        };
        match Staging::open(&folder, &tx.run)? {
            Some(staging) => staging.remove_but_drift(&folder)?,
            None => mounted(tx, &host, &folder, |swap| swap.before)?,
        }
    }
    durable::remove_tree(&tx.folder, OsStr::new(PLUGINS))
}

/// A staging folder that is gone was removed before, unless every file that should be beside it is gone too.
/// `should`: what each name should hold now.
pub(crate) fn mounted(
    tx: &Transaction,
    host: &Host,
    folder: &Folder,
    should: impl Fn(&Swap) -> Fingerprint,
) -> Result<(), Error> {
    let mut expected = tx.swaps.iter().filter(|s| s.host() == *host && !should(s).is_absent()).peekable();
    if expected.peek().is_none() {
        return Ok(());
    }
    for swap in expected {
        let parent = match Folder::open_parent_of(&swap.target) {
            Ok(parent) => parent,
            Err(e) if e.kind == ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        if parent.stat(swap.target.rel.name())?.is_some() {
            return Ok(());
        }
    }
    Err(Error::not_found("find the staged files in", folder.path()))
}

/// Whether every file of a run is as before and its volumes are here.
pub(crate) fn is_untouched(tx: &Transaction) -> bool {
    let old = |swap: &Swap| match (fingerprint(&swap.target), swap.before) {
        // One that was to go away is still full: the files in it are swaps of their own.
        (Ok(live), Fingerprint::Folder { .. }) => matches!(live, Fingerprint::Folder { .. }),
        (Ok(live), before) => live == before,
        (Err(_), _) => false,
    };
    // Where nothing was, nothing tells a volume from the empty folder that it is mounted on.
    let is_here = |host: Host| {
        tx.swaps.iter().any(|s| s.host() == host && !s.before.is_absent())
            || tx.dressings.iter().any(|d| d.host() == host && d.open().is_ok())
    };
    tx.swaps.iter().all(old) && tx.hosts().into_iter().all(is_here)
}

/// The staging folders of a run that had staged everything. `Err(Ok(folder))`: its marker is not there, so its volume
/// is not mounted.
pub(crate) fn reopen(tx: &Transaction) -> Result<Stagings, Result<HostPath, Error>> {
    let mut stagings = Stagings::new();
    for host in tx.hosts() {
        let not_mounted = || Err(Ok(host.path()));
        let folder = match host.open() {
            Ok(folder) => folder,
            Err(e) if e.kind == ErrorKind::NotFound => return not_mounted(),
            Err(e) => return Err(Err(e)),
        };
        let staging = match Staging::open(&folder, &tx.run).map_err(Err)? {
            Some(staging) => staging,
            None => return not_mounted(),
        };
        let marker = staging.marker().map_err(Err)?.and_then(|m| String::from_utf8(m).ok());
        let marker = marker.and_then(|m| from_ron::<crate::transaction::Marker>("id", &m).ok());
        if marker.is_none_or(|m| m.run != tx.run || m.plan != tx.plan_digest) {
            return not_mounted();
        }
        stagings.insert(host, staging);
    }
    Ok(stagings)
}
