//! A whole run of a plan: begin, prepare, stage, window, tidy up. Rolling back, applying and undoing are the same here.
//! A run may also end with staging, to be gone on with by its [`commit`].

use crate::{
    action, commit,
    faces::Faces,
    history::{self, Retention},
    hold,
    quiesce::{self, mark_stops},
    refusal::Refusal,
    report::{Ending, RunReport, counts_of},
    stage::{self, Stagings},
    state::{Locked, unusable},
    tidy,
    transaction::{PLAN, Transaction, dressed, swaps, write},
    window::{Machine, Run, chain},
};
use backout_disk::{Error, ErrorKind, durable};
use backout_journal::{Journal, JournalError, Record, format};
use backout_machine::service::Services;
use backout_protocol::{Counts, Digest, Notice, RunId, plan::Plan};
use std::{
    ffi::OsStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Carries out `plan`, which must have been made and checked under this lock.
pub fn run(locked: &Locked, plan: &Plan, faces: &Faces<'_>) -> RunReport {
    up_to(Until::End, locked, plan, faces)
}

/// Stages `plan`, which must have been made and checked under this lock, and leaves it so for its commit.
pub fn stage_only(locked: &Locked, plan: &Plan, faces: &Faces<'_>) -> RunReport {
    up_to(Until::Staged, locked, plan, faces)
}

/// How far a run goes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    Staged,
}

fn up_to(until: Until, locked: &Locked, plan: &Plan, faces: &Faces<'_>) -> RunReport {
    let services = match quiesce::open(plan) {
        Ok(services) => services,
        Err(e) => return Refusal::Service(e).into(),
    };
    let plain = until == Until::End && plan.guard.is_none();
    match begin(locked, plan, if plain { format::PLAIN } else { format::PAUSING }) {
        Ok((tx, journal)) => {
            faces.observer.begun(&tx.run, tx.log());
            carry_out(until, locked, tx, journal, services.as_ref(), faces)
        }
        Err(refusal) => refusal.into(),
    }
}

/// Makes the transaction's folder, the plan and the first record of a journal of this format durable.
pub(crate) fn begin(
    locked: &Locked,
    plan: &Plan,
    format: (u16, u16),
) -> Result<(Transaction, Journal), Refusal> {
    let state = locked.state();
    let run = state.new_id()?;
    let begun = begin_in(locked, &run, plan, format);
    if begun.is_err()
        // No whole record can be there: nothing had been done, and nothing of it stays.
        && let Err(e) = tidy::remove_transaction(locked, &run)
    {
        log::warn!("run {run}: {e}");
    }
    begun
}

fn begin_in(
    locked: &Locked,
    run: &RunId,
    plan: &Plan,
    format: (u16, u16),
) -> Result<(Transaction, Journal), Refusal> {
    let state = locked.state();
    let fail = |e: Error| match e.kind {
        ErrorKind::NoSpace => Refusal::StageFailed(e),
        _ => unusable(state.path(), &e),
    };
    let transactions = state.transactions().map_err(fail)?;
    let folder = durable::make_folder(&transactions, OsStr::new(run.as_str()), 0o700).map_err(fail)?;
    let digest: Digest = write(&folder, PLAN, plan).map_err(fail)?;
    let swaps = swaps(plan).into_iter().map(|(swap, _)| swap).collect();
    let tx = Transaction {
        run: run.clone(),
        folder,
        plan: plan.clone(),
        plan_digest: digest,
        swaps,
        dressings: dressed(plan),
        actions: Vec::new(),
        actions_digest: None,
    };
    let failed = |e| match e {
        JournalError::Disk(e) if e.kind == ErrorKind::NoSpace => Refusal::StageFailed(e),
        e => Refusal::JournalFailed { why: chain(&e) },
    };
    let mut journal = Journal::create(&tx.folder, run).map_err(failed)?;
    let first = Record::Begin {
        format,
        tool: plan.tool.clone(),
        // Told for people; recovery never compares it.
        boot: backout_machine::boot_id().unwrap_or_default(),
        plan: digest,
    };
    journal.append(first).map_err(failed)?;
    Ok((tx, journal))
}

fn carry_out(
    until: Until,
    locked: &Locked,
    mut tx: Transaction,
    mut journal: Journal,
    services: &dyn Services,
    faces: &Faces<'_>,
) -> RunReport {
    let mut notices = Vec::new();
    // First: a plugin that cannot is found out before any file is copied.
    let ready = action::prepare(&mut tx, locked.state(), faces);
    if ready.is_ok() && !tx.actions.is_empty() && tx.is_empty() {
        return nothing_to_do(locked, &tx, journal);
    }
    let staged = ready.and_then(|()| stage::stage(&mut tx, locked.state().path(), faces, &mut notices));
    let staged = staged.and_then(|(stagings, digest)| {
        let recorded = journal.append(Record::Staged { staged: digest });
        recorded.map(|()| stagings).map_err(|e| Refusal::JournalFailed { why: chain(&e) })
    });
    let stagings = match staged {
        Ok(stagings) => stagings,
        Err(refusal) => return give_up(locked, &tx, journal, refusal),
    };
    // Of none of the folders that were to be given other rights could those be kept. A guard's way back starts services too.
    let idle = tx.is_empty() && !dressed(&tx.plan).is_empty();
    if idle && tx.plan.guard.is_none() && !tx.plan.request.start_all {
        drop(stagings);
        let mut report = nothing_to_do(locked, &tx, journal);
        report.notices.append(&mut notices);
        return report;
    }
    if until == Until::Staged {
        drop(stagings);
        return match leave(&mut journal, faces) {
            Ok(()) => commit::report(&tx),
            Err(refusal) => give_up(locked, &tx, journal, refusal),
        };
    }
    // Whoever settles this run if we die waits for the commands and actions that outlive us.
    let held = match mark_stops(&tx, services, Duration::ZERO) {
        Ok(held) => held,
        Err(failure) => return give_up(locked, &tx, journal, Refusal::BeforeStop(failure)),
    };
    let mut run = Run::staged(locked.state(), &tx, journal, stagings, services, *faces, held);
    run.notices = notices;
    let (ending, run) = run.forwards();
    conclude(locked, ending, run)
}

/// Makes it durable that what is staged is meant to stay. If we die before that, recovery takes it away like any other.
fn leave(journal: &mut Journal, faces: &Faces<'_>) -> Result<(), Refusal> {
    if let Some(why) = faces.cancel.requested() {
        return Err(Refusal::Cancelled(why));
    }
    journal.append(Record::CommitPending).map_err(|e| Refusal::JournalFailed { why: chain(&e) })
}

/// There is nothing to do after all: no service goes down for it, and nothing stays that `undo` would take for a run.
fn nothing_to_do(locked: &Locked, tx: &Transaction, journal: Journal) -> RunReport {
    let mut report = RunReport::of(Ending::NothingToDo);
    report.notices.clone_from(&tx.plan.notices);
    report.counts = Counts { actions: 0, services: 0, ..counts_of(tx) };
    void(locked, tx, journal, "there was nothing to do");
    report
}

/// Staging failed: the attempt is void.
fn give_up(locked: &Locked, tx: &Transaction, journal: Journal, refusal: Refusal) -> RunReport {
    void(locked, tx, journal, "staging failed");
    refusal.into()
}

/// Takes away what is there of a run that has changed nothing.
fn void(locked: &Locked, tx: &Transaction, mut journal: Journal, why: &str) {
    if let Err(e) = journal.append(Record::Undone { why: why.to_owned() }) {
        log::warn!("run {}: {}", tx.run, chain(&e));
    }
    drop(journal);
    let gone = tidy::drop_staging(tx).and_then(|()| tidy::remove_transaction(locked, &tx.run));
    if let Err(e) = gone {
        log::warn!("run {}: {e}; the next verb tidies up", tx.run);
    }
}

/// Lets older runs go by rule, now that a newer one is finished. What cannot go now goes another time.
pub(crate) fn retain(locked: &Locked) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    match history::prune(locked, Retention::default(), now) {
        Ok(pruned) => {
            for one in pruned {
                match one.left {
                    None => log::info!("run {}: its time is over, it is removed", one.run),
                    // Said by `history prune`, and not again at every run: a volume may be away for good.
                    Some(why) => log::info!("run {}: its time is over, but it stays: {why}", one.run),
                }
            }
        }
        Err(refusal) => log::warn!("older runs stay: {refusal:?}"),
    }
}

/// Tidies up behind a run and reports it.
pub(crate) fn conclude(locked: &Locked, ending: Ending, mut run: Run<'_>) -> RunReport {
    let tx = run.tx;
    let changed = match tx.is_empty() {
        // Only services were stopped and started.
        true => run.services_differ(),
        false => ending.is_change(|| run.machine == Machine::Touched || run.services_differ()),
    };
    let staged: Stagings = std::mem::take(&mut run.stagings);
    drop(staged);
    // Where open files keep their names, their folders keep theirs.
    run.services.mark_stops(None);
    drop(run.held);
    let journal = run.journal;
    let tidied = match &ending {
        Ending::Done | Ending::Completed => tidy::close(locked, tx, Some(journal)),
        // The journal goes after the staging folders: no folder of ours is ever without it.
        Ending::RolledBack(_) | Ending::PutBack(_) => {
            tidy::drop_staging(tx).and_then(|()| tidy::close(locked, tx, Some(journal)))
        }
        // It waits on for its commit; what would have held services back was made for nothing.
        Ending::Refused(Refusal::StillStaged { .. }) => {
            drop(journal);
            hold::lift(locked.state(), tx)
        }
        // No service was touched and nothing is left: the attempt never happened.
        Ending::Refused(_) => {
            drop(journal);
            hold::lift(locked.state(), tx)
                .and_then(|()| tidy::drop_staging(tx))
                .and_then(|()| tidy::remove_transaction(locked, &tx.run))
        }
        Ending::NothingToDo
        | Ending::Staged
        | Ending::FilesSettled
        | Ending::RebootPending(_)
        | Ending::Unfinished(_)
        | Ending::Stuck { .. } => Ok(()),
    };
    if let Err(e) = tidied {
        log::warn!("run {}: {e}; the next verb tidies up", tx.run);
    }
    if matches!(ending, Ending::Done | Ending::Completed) {
        retain(locked);
    }
    let mut notices: Vec<Notice> = tx.plan.notices.clone();
    notices.append(&mut run.notices);
    RunReport {
        run: Some(tx.run.clone()),
        changed,
        counts: counts_of(tx),
        window_ms: run.window_ms,
        notices,
        reminders: if changed { tx.plan.reminders.clone() } else { Vec::new() },
        learned: None,
        ending,
    }
}
