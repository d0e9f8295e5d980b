//! Settles a guard whose process died: waits for its installer, judges its work, keeps it or goes back.

use super::{Guard, Side, back, confirm, deadline, holder, install::Waited, reserve, room, ticket};
use crate::{
    faces::Faces,
    failure::Failure,
    quiesce,
    recover::{load, unread, unusable},
    report::{Ending, RunReport},
    state::{Locked, OpenRun, State},
    transaction::Transaction,
    window::{Extent, chain},
};
use backout_journal::{Direction, Journal, Reading, Record, Status, Tail, status::next};
use backout_protocol::{
    Event,
    guard::{Exit, OnFailure},
    report::Phase,
};
use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

/// Settles an open guard, whose way back is settled, if it had one. At boot nothing is done before all services may run:
/// whether an installer's work is good is told by them too.
pub(crate) fn settle(locked: &Locked, open: OpenRun, extent: Extent, faces: &Faces<'_>) -> RunReport {
    faces.observer.event(&Event::Phase { phase: Phase::Recover });
    let mut report = match extent {
        Extent::Files => RunReport::of(Ending::NothingToDo),
        Extent::Whole => settle_whole(locked, &open, faces),
    };
    report.run = Some(open.run);
    report
}

fn settle_whole(locked: &Locked, open: &OpenRun, faces: &Faces<'_>) -> RunReport {
    let (tx, reading) = match load(locked.state(), open) {
        Ok(loaded) => loaded,
        Err(why) => return unread(open, why),
    };
    let left = |ending| RunReport::left(ending, &reading);
    faces.observer.begun(&tx.run, tx.log());
    let Some(terms) = tx.plan.guards() else { return RunReport::of(Ending::NothingToDo) };
    let services = match quiesce::open_trusted(&tx.plan) {
        Ok(services) => services,
        Err(refusal) => return left(Ending::Stuck { after: None, why: unusable(refusal, &tx) }),
    };
    let doubt = match in_doubt(&tx, terms.on_failure, &reading) {
        Ok(doubt) => doubt,
        Err(failure) => return left(Ending::Unfinished(failure)),
    };
    let status = doubt.iter().try_fold(reading.status, next).unwrap_or(reading.status);
    let going_back = why(reading.records().chain(&doubt));
    let waits = confirm::waited_for(reading.records().chain(&doubt));
    let back = matches!(status, Status::GoingBack | Status::Begun | Status::Guarding);
    let direction = if back { Direction::Backwards } else { Direction::Forwards };
    let added = doubt.into_iter().chain([Record::Recovering { direction }]);
    let journal = match Journal::take_over(&tx.folder, &tx.run, &reading, added) {
        Ok(journal) => journal,
        Err(e) => return left(Ending::Unfinished(Failure::Journal { why: chain(&e) })),
    };
    let partly = match room::is_partly(&tx) {
        Ok(partly) => partly,
        Err(e) => return left(Ending::Unfinished(Failure::Process { why: chain(&e) })),
    };
    let (were, group) = back::were(&reading);
    let guard = Guard {
        locked,
        tx: &tx,
        terms,
        journal,
        services: services.as_ref(),
        faces: *faces,
        were,
        holder: group,
        ask: &|_| false,
        side: Side::Recovery,
        notices: Vec::new(),
        came: RefCell::new(None),
        partly: Cell::new(partly),
        removed: Cell::new(0),
        freed: RefCell::new(Vec::new()),
        learned: None,
    };
    match status {
        Status::Begun | Status::Guarding => guard.never_ran(),
        Status::Installing => match guard.wait(ran(&tx, &reading)) {
            Ok(Waited::Ended(exit)) => guard.ended(exit),
            Ok(Waited::NeverRan) => guard.never_ran(),
            Ok(Waited::Runs(failure)) | Err(failure) => guard.report(Ending::Unfinished(failure), true),
        },
        Status::Judging => {
            let exit = exited(&reading);
            if terms.codes.wants_a_reboot(&exit) && in_this_boot(&reading) {
                return guard.report(Ending::RebootPending(Failure::Installer(exit)), true);
            }
            guard.conclude(&exit)
        }
        Status::AwaitingConfirm => match waits {
            Some((until, verdict, why)) => guard.await_word(&until, verdict, why),
            None => guard.report(Ending::NothingToDo, false),
        },
        Status::GoingBack => guard.go_back(Failure::Recorded { why: going_back }),
        _ => guard.report(Ending::NothingToDo, false),
    }
}

/// Whether the open run is a guard whose installer asks for a reboot that has not come yet.
pub fn waits_for_a_reboot(state: &State, open: &OpenRun) -> bool {
    let Ok(reading) = &open.reading else { return false };
    let plan = super::plan_of(state, &open.run);
    let Some(terms) = plan.as_ref().and_then(|plan| plan.guards()) else { return false };
    reading.status == Status::Judging && terms.codes.wants_a_reboot(&exited(reading)) && in_this_boot(reading)
}

/// The record that may have been whole once and is not there: its line cannot be read, or the medium lost it.
fn in_doubt(tx: &Transaction, on_failure: OnFailure, reading: &Reading) -> Result<Option<Record>, Failure> {
    let torn = matches!(reading.tail, Tail::Torn { .. });
    Ok(match reading.status {
        // What the holder wrote tells, once it is gone.
        Status::Guarding if torn || holder::word(&tx.folder)?.let_go => Some(Record::LetGo),
        // What is waited for was written down twice.
        Status::Judging if let Some(waits) = filled(tx)? => Some(waits),
        // As long as its space is taken the way back has changed nothing. Without it half of the work may be gone, and
        // half of it is nothing to keep.
        Status::Judging if torn && on_failure != OnFailure::Keep && !reserve::is_taken(tx)? => {
            Some(Record::GoingBack { why: "how its work was judged is not on record".to_owned() })
        }
        _ => None,
    })
}

/// What the ticket says that is waited for, of a guard that is to be confirmed.
fn filled(tx: &Transaction) -> Result<Option<Record>, Failure> {
    if tx.plan.guards().is_none_or(|terms| terms.confirm_within.is_none()) {
        return Ok(None);
    }
    ticket::filled(&tx.folder).map_err(|e| Failure::Process { why: chain(&e) })
}

impl Guard<'_> {
    fn never_ran(self) -> RunReport {
        let why = Failure::NeverLetGo;
        let words = why.to_string();
        self.close(Ending::RolledBack(why), Some(words))
    }
}

/// How long ago the installer was let go. In the same boot a clock tells that nobody sets, or, where an older backout wrote nothing
/// down, nobody: then its time limit begins anew, as a clock that was set would end it early, or never. What runs behind a reboot runs
/// since then at the latest, by the clock that people set.
fn ran(tx: &Transaction, reading: &Reading) -> Duration {
    let since = holder::word(&tx.folder).ok().and_then(|word| word.since);
    match since.and_then(|since| since.passed()) {
        Some(passed) => passed,
        None if in_this_boot(reading) => Duration::ZERO,
        None => {
            let let_go = reading.lines.iter().rfind(|l| l.record == Record::LetGo).map(|l| l.at);
            let_go.map_or(Duration::ZERO, deadline::since)
        }
    }
}

fn exited(reading: &Reading) -> Exit {
    let exit = reading.records().find_map(|r| match r {
        Record::InstallerExited { code } => Some(code.clone()),
        _ => None,
    });
    exit.unwrap_or(Exit::Unknown)
}

fn why<'a>(mut records: impl Iterator<Item = &'a Record>) -> String {
    let why = records.find_map(|r| match r {
        Record::GoingBack { why } => Some(why.clone()),
        _ => None,
    });
    why.unwrap_or_default()
}

/// Whether the machine was not booted since the guard began. Where that cannot be told it was.
fn in_this_boot(reading: &Reading) -> bool {
    let began = reading.records().find_map(|r| match r {
        Record::Begin { boot, .. } => Some(boot.clone()),
        _ => None,
    });
    backout_machine::boot_id().is_ok_and(|boot| began == Some(boot))
}
