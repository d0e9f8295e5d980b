//! Recover: acts on the journal after a crash. Idempotent; needs no profile, no site, and no plugin but those that the
//! transaction holds a copy of.
//!
//! The status says what is to be done, by one function; this room does it. Before anything is done the journal is
//! written anew, because a record seen only in the page cache must not be acted on.

use crate::{
    action::Progress,
    commit, defer,
    faces::Faces,
    failure::{Failure, Stuck},
    guard, history, proof,
    quiesce::{self, Were, never},
    refusal::Refusal,
    report::{self, Ending, RunReport},
    rollback::conclude,
    setting::Settings,
    stage::Stagings,
    state::{Locked, OpenRun, State, plain},
    tidy,
    transaction::Transaction,
    window::{Extent, Look, Machine, Run, chain},
};
use backout_journal::{Direction, Journal, JournalError, Reading, Record, Remedy, Status};
use backout_protocol::{Event, HostPath, RunId, ServiceName, report::Phase};
use std::{cell::Cell, collections::BTreeSet, path::Path, time::Duration};

/// Settles the unfinished run in the state folder at `path`, whichever side it ends on; with [`Extent::Files`] only as
/// far as its files go.
pub fn run(path: &Path, extent: Extent, faces: &Faces<'_>) -> RunReport {
    unfinished(path, |locked, open| settle_all(locked, open, extent, faces))
}

/// Does this with the unfinished run in the state folder at `path`, under its lock.
pub(crate) fn unfinished(path: &Path, then: impl FnOnce(&Locked, OpenRun) -> RunReport) -> RunReport {
    match State::look(path) {
        Ok(None) => return RunReport::of(Ending::NothingToDo),
        Ok(Some(_)) => {}
        Err(refusal) => return refusal.into(),
    }
    let locked = match State::lock(path) {
        Ok(locked) => locked,
        Err(refusal) => return refusal.into(),
    };
    match locked.state().unfinished() {
        Ok(None) => RunReport::of(Ending::NothingToDo),
        Ok(Some(open)) => then(&locked, open),
        Err(refusal) => refusal.into(),
    }
}

/// Which run a worker left behind.
#[derive(Debug, Clone)]
pub enum Whose {
    /// The one that was open before.
    Run(RunId),
    /// The one that this process began.
    Process {
        /// Its number.
        pid: u32,
        /// Runs that were there before: numbers of processes come again.
        known: BTreeSet<RunId>,
    },
}

/// Settles what a worker that died left behind, and says how it ended. `None`: there is no such run, so nothing of it
/// was begun or everything was taken away again.
pub fn after(path: &Path, whose: &Whose, extent: Extent, faces: &Faces<'_>) -> Option<RunReport> {
    let refused = |refusal: Refusal| Some(refusal.into());
    match State::look(path) {
        Ok(None) => return None,
        Ok(Some(_)) => {}
        Err(refusal) => return refused(refusal),
    }
    let locked = match State::lock(path) {
        Ok(locked) => locked,
        Err(refusal) => return refused(refusal),
    };
    let state = locked.state();
    let found = match whose {
        Whose::Run(run) => Ok(Some(run.clone())),
        Whose::Process { pid, known } => history::begun_by(state, *pid, known),
    };
    let run = match found {
        Ok(run) => run?,
        Err(refusal) => return refused(refusal),
    };
    // A guard and the run by which it goes back are one thing to whoever called for it.
    let run = guard::whole(state, run);
    match state.unfinished() {
        Ok(Some(open)) if guard::whole(state, open.run.clone()) == run => {
            Some(settle_all(&locked, open, extent, faces))
        }
        Ok(_) => history::report(state, &run).unwrap_or_else(refused),
        Err(refusal) => refused(refusal),
    }
}

/// Settles the open run; and where that was a guard's way back, the guard behind it.
fn settle_all(locked: &Locked, open: OpenRun, extent: Extent, faces: &Faces<'_>) -> RunReport {
    if guard::is_one(locked.state(), &open.run) {
        return guard::settle(locked, open, extent, faces);
    }
    let report = settle(locked, open, extent, faces);
    if !matches!(report.ending, Ending::Completed | Ending::RolledBack(_) | Ending::NothingToDo) {
        return report;
    }
    match locked.state().unfinished() {
        Ok(Some(behind)) if guard::is_one(locked.state(), &behind.run) => {
            guard::settle(locked, behind, extent, faces)
        }
        _ => report,
    }
}

pub(crate) fn settle(locked: &Locked, open: OpenRun, extent: Extent, faces: &Faces<'_>) -> RunReport {
    if !open.waits_for_its_commit() {
        faces.observer.event(&Event::Phase { phase: Phase::Recover });
    }
    let mut report = match load(locked.state(), &open) {
        Ok((tx, reading)) => {
            faces.observer.begun(&tx.run, tx.log());
            go_on(locked, &tx, &reading, extent, faces)
        }
        Err(why) => unread(&open, why),
    };
    report.run = Some(open.run);
    report
}

/// A run is left as it is, as what it wrote down of itself cannot be acted on.
pub(crate) fn unread(open: &OpenRun, why: Stuck) -> RunReport {
    let ending = Ending::Stuck { after: None, why };
    match &open.reading {
        Ok(reading) if !reading.lines.is_empty() => RunReport::left(ending, reading),
        // One without a record is open for no other reason than that it may have changed something.
        Ok(_) | Err(_) => RunReport::leaving(ending, || true),
    }
}

/// The transaction as its journal speaks of it.
pub(crate) fn load(state: &State, open: &OpenRun) -> Result<(Transaction, Reading), Stuck> {
    let spoilt = |path: &Path, why: String| Stuck::Companion { path: HostPath(path.to_owned()), why };
    let folder = state.transactions().and_then(|t| t.open_below(&plain(open.run.as_str())));
    let folder = folder.map_err(|e| spoilt(state.path(), e.to_string()))?;
    let journal = folder.path().join("journal");
    let reading = match &open.reading {
        Ok(reading) => reading.clone(),
        Err(JournalError::Unreadable(why)) => {
            return Err(Stuck::Journal { path: HostPath(journal), why: why.clone() });
        }
        Err(other) => return Err(spoilt(&journal, chain(other))),
    };
    let digests =
        tidy::digests(&reading).ok_or_else(|| spoilt(&journal, "its first record is missing".to_owned()));
    let (plan, staged) = digests?;
    let tx = Transaction::open(&open.run, folder, plan, staged)
        .map_err(|s| Stuck::Companion { path: s.path, why: s.why })?;
    Ok((tx, reading))
}

/// What the journal says the services were.
pub(crate) fn were(reading: &Reading) -> Were {
    let opening = reading.records().find_map(|r| match r {
        Record::Opening { services } => Some(services.clone()),
        _ => None,
    });
    opening.unwrap_or_default()
}

/// What the services were by the plan, where it is in doubt whether they were touched. Written anew as `Opening`, both
/// answers end with every service as it was.
fn opening_in_doubt(tx: &Transaction, reading: &Reading) -> Option<Were> {
    let were = || tx.plan.services.iter().map(|s| (s.name.clone(), s.was)).collect();
    reading.is_opening_in_doubt().then(were)
}

/// Why the run goes back, in its own words.
pub(crate) fn recorded(reading: &Reading) -> Failure {
    let why = reading.records().find_map(|r| match r {
        Record::Undo { why } | Record::Deferring { why } => Some(why.clone()),
        _ => None,
    });
    let stopped = || "the run stopped before it had changed a file".to_owned();
    Failure::Recorded { why: why.unwrap_or_else(stopped) }
}

fn go_on(
    locked: &Locked,
    tx: &Transaction,
    reading: &Reading,
    extent: Extent,
    faces: &Faces<'_>,
) -> RunReport {
    let remedy = reading.remedy();
    let left = |ending| RunReport::left(ending, reading);
    if remedy == Remedy::AwaitCommit {
        return commit::leave_be(locked, tx, reading);
    }
    // Everything staged must be in reach before anything is done: a volume that is not mounted yet would look as if
    // its files were gone.
    let stagings = match (remedy, tidy::reopen(tx)) {
        (Remedy::DropStaging, found) if reading.status == Status::Begun => found.unwrap_or_default(),
        (_, Ok(stagings)) => stagings,
        // Taken away by a run that ended before it was on the medium that it had.
        (Remedy::DropStaging | Remedy::DropStagingAndResume, Err(Ok(_))) if tidy::is_untouched(tx) => {
            Stagings::default()
        }
        (_, Err(Ok(folder))) => return left(Ending::Unfinished(Failure::NotMounted { folder })),
        (_, Err(Err(e))) => {
            return left(Ending::Unfinished(Failure::OutOfReach { error: e }));
        }
    };
    let behind = match remedy {
        Remedy::AwaitReboot => match defer::await_reboot(tx, reading, &stagings) {
            Ok(behind) => Some(behind),
            Err(ending) => {
                // In the same boot the moves are still to be made.
                let same = defer::is_same_boot(reading).unwrap_or(false);
                return RunReport::leaving(*ending, || !same);
            }
        },
        _ => None,
    };
    if (matches!(remedy, Remedy::DropStaging | Remedy::DropStagingAndResume)
        || behind == Some(defer::Behind::Nothing))
        && let Err(why) = proof::sacred(tx)
    {
        return left(Ending::Stuck { after: None, why });
    }
    let services = match quiesce::open_trusted(&tx.plan) {
        Ok(services) => services,
        Err(refusal) => return left(Ending::Stuck { after: None, why: unusable(refusal, tx) }),
    };
    if reading.is_armed_in_doubt() {
        let settings = Settings { registry: faces.registry, services: services.as_ref() };
        match proof::in_doubt(tx, &stagings, settings) {
            Ok(None) => {}
            Ok(Some(hidden)) => return left(Ending::Unfinished(hidden)),
            Err(why) => return left(Ending::Stuck { after: None, why }),
        }
    }
    let patience = Duration::from_secs(tx.plan.site.timeouts.stop.into());
    let held = match quiesce::mark_stops(tx, services.as_ref(), patience) {
        Ok(held) => held,
        Err(failure) => return left(Ending::Unfinished(failure)),
    };
    let direction = match remedy {
        Remedy::SwapOn | Remedy::ResumeForwards => Direction::Forwards,
        Remedy::AwaitReboot if behind == Some(defer::Behind::Some) => Direction::Forwards,
        _ => Direction::Backwards,
    };
    let opening = opening_in_doubt(tx, reading);
    let were = opening.clone().unwrap_or_else(|| were(reading));
    let opening = opening.map(|services| Record::Opening { services });
    let added = opening.into_iter().chain([Record::Recovering { direction }]);
    let journal = match Journal::take_over(&tx.folder, &tx.run, reading, added) {
        Ok(journal) => journal,
        Err(e) => return left(Ending::Unfinished(Failure::Journal { why: chain(&e) })),
    };
    let never = never();
    let mut run = Run {
        state: locked.state(),
        tx,
        journal,
        stagings,
        services: services.as_ref(),
        faces: Faces { cancel: &never, ..*faces },
        held,
        actions: Progress::of(reading),
        were,
        extent,
        machine: match behind {
            Some(defer::Behind::Nothing) => Machine::AsBefore,
            Some(defer::Behind::Some) | None => report::machine(reading.status),
        },
        cancellable: false,
        issued: Cell::new(false),
        under_way: start_under_way(reading),
        notices: Vec::new(),
        opened: None,
        window_ms: None,
    };
    let ending = match remedy {
        Remedy::SwapOn => run.stop_and_swap_on(),
        Remedy::ResumeForwards => run.resume_forwards(),
        Remedy::PutBack => run.put_back_all(recorded(reading)),
        Remedy::ResumeBackwards => run.resume_backwards(recorded(reading)),
        Remedy::PutBackAndQueue => run.put_back_and_queue(recorded(reading)),
        Remedy::ResumeAndQueue => run.resume_and_queue(recorded(reading)),
        Remedy::AwaitReboot => run.behind_the_reboot(behind, recorded(reading)),
        Remedy::DropStaging | Remedy::DropStagingAndResume => run.close_untouched(recorded(reading)),
        // A guard's own are settled by its own room.
        Remedy::Judge
        | Remedy::AwaitConfirm
        | Remedy::GoBack
        | Remedy::Forget
        | Remedy::AwaitCommit
        | Remedy::TidyUp => Ending::NothingToDo,
    };
    let ending = match ending {
        Ending::Done => Ending::Completed,
        Ending::PutBack(failure) => Ending::RolledBack(failure),
        other => other,
    };
    conclude(locked, ending, run)
}

/// The service that a run told to start in this boot and that it did not see up before it died: the command may still be
/// at it, and a second one beside it would be refused, or worse.
fn start_under_way(reading: &Reading) -> Option<ServiceName> {
    let this_boot = backout_machine::boot_id().ok();
    let mut under_way = None;
    for record in reading.records() {
        match record {
            Record::Begin { boot, .. } if Some(boot) != this_boot.as_ref() => return None,
            Record::Starting { service } => under_way = Some(service.clone()),
            Record::Started { service } if under_way.as_ref() == Some(service) => under_way = None,
            _ => {}
        }
    }
    under_way
}

/// Calls off what waits for a reboot: takes the run's moves out of the system's queue and ends it as it is, old. Behind
/// the reboot it is too late for that; then the run is settled like any other.
pub fn cancel_reboot(path: &Path, faces: &Faces<'_>) -> RunReport {
    unfinished(path, |locked, open| call_off(locked, open, faces))
}

fn call_off(locked: &Locked, open: OpenRun, faces: &Faces<'_>) -> RunReport {
    if !open.waits_for_a_reboot() {
        return Refusal::NoRebootPending { run: open.run }.into();
    }
    let (tx, reading) = match load(locked.state(), &open) {
        Ok(loaded) => loaded,
        Err(why) => return unread(&open, why),
    };
    match defer::is_same_boot(&reading) {
        Ok(true) => {}
        Ok(false) => return settle(locked, open, Extent::Whole, faces),
        Err(failure) => return RunReport::left(Ending::Unfinished(failure), &reading),
    }
    // In this boot the moves are still to be made.
    let ending = defer::call_off(locked, &tx, &reading);
    RunReport { run: Some(open.run), ..RunReport::leaving(ending, || false) }
}

/// Services that cannot be used, or a program that may not be run, as the reason why a recovery cannot go on.
pub(crate) fn unusable(refusal: Refusal, tx: &Transaction) -> Stuck {
    match refusal {
        Refusal::Service(e) => Stuck::Service(e),
        Refusal::Distrusted { path, why, .. } => Stuck::Companion { path, why },
        other => {
            let path = HostPath(tx.folder.path().join(crate::transaction::PLAN));
            Stuck::Companion { path, why: format!("{other:?}") }
        }
    }
}

impl Run<'_> {
    pub(crate) fn stop_and_swap_on(&mut self) -> Ending {
        // Where `Armed` was in doubt, services were started on the old files, and nothing was held any more.
        if let Err(failure) = self.hold() {
            return Ending::Unfinished(failure);
        }
        let quiet = self.stop_all().and_then(|()| self.stop_running());
        match quiet.and_then(|()| self.wait_exit()) {
            Ok(()) => self.swap_on(Look::First),
            Err(failure) => Ending::Stuck { after: None, why: crate::window::stuck(failure) },
        }
    }

    /// No file was touched: what ran is started, the record says so, and what was staged goes.
    pub(crate) fn close_untouched(&mut self, failure: Failure) -> Ending {
        if self.extent == Extent::Files {
            return self.files_settled();
        }
        if let Err(why) = self.start_old() {
            return Ending::Stuck { after: Some(failure), why };
        }
        let undone = Record::Undone { why: failure.to_string() };
        if let Err(e) = self.record(undone) {
            return Ending::Unfinished(e);
        }
        Ending::PutBack(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_journal::{Tail, format::Line};

    #[test]
    fn a_start_is_under_way_until_its_own_service_is_seen_up() {
        let service = |name: &str| -> ServiceName { name.parse().unwrap() };
        let starting = |name| Record::Starting { service: service(name) };
        let started = |name| Record::Started { service: service(name) };
        let under_way = |records: &[Record]| {
            let run: RunId = "01jd0000000000000000000000".parse().unwrap();
            let line = |record: &Record| {
                let (run, record) = (run.clone(), record.clone());
                Line { seq: 0, run, prev: 0, at: 0, record }
            };
            let lines = records.iter().map(line).collect();
            start_under_way(&Reading { lines, status: Status::Swapped, tail: Tail::Blank })
        };
        assert_eq!(under_way(&[]), None);
        assert_eq!(under_way(&[starting("a")]), Some(service("a")));
        assert_eq!(under_way(&[starting("a"), started("a")]), None);
        assert_eq!(under_way(&[starting("a"), started("b")]), Some(service("a")));
        assert_eq!(under_way(&[starting("a"), started("a"), starting("b")]), Some(service("b")));
    }
}
