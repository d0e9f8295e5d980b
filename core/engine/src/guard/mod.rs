//! Guard: an installer of any vendor runs with a snapshot behind it. Its work stays if it is good, and goes back whole if it
//! is not.
//!
//! ```text
//! Begin F -> holder started, waits -> GuardOpen F -> space for the way back taken -> LetGo F -> the holder is told, writes
//! that down, and runs the installer -> InstallerExited F -> judged -> Kept F
//!                                                                  \-> GoingBack F -> a run back to the snapshot -> Undone F
//! ```
//!
//! Without a profile folders and services are [watched](watch). Then behind the installer's end, and before the way back or
//! `Kept`, what came is written down; nothing else that is new is taken away.
//! One that is to be confirmed waits before `Kept`; `confirm` has that.
//!
//! A guard is a run like others: a folder of its own with a plan, whose kind holds what was asked for, and a journal. The way
//! back is another run that names it. It needs neither profile, site nor plugin: everything stands in the guard's plan and
//! in the snapshot. Recovery settles the way back first, then the guard.

mod back;
mod came;
mod confirm;
mod copies;
mod deadline;
pub mod delicate;
mod drop_ins;
mod holder;
mod inplace;
mod install;
mod judge;
mod learn;
mod reserve;
mod room;
mod settle;
mod theirs;
mod ticket;
mod waiter;
pub mod watch;

pub(crate) use back::undo;
pub(crate) use confirm::awaits;
pub use confirm::{Awaited, Confirmed, Meant, awaited, confirm, would_confirm};
pub(crate) use deadline::left;
pub use holder::hold;
pub(crate) use holder::may_have_let_go;
pub(crate) use holder::{LOCK as HOLDER, WORD as LET_GO};
pub use install::{Program, run};
pub(crate) use settle::settle;
pub use settle::waits_for_a_reboot;
pub(crate) use waiter::LOCK as WAITER;
pub use waiter::wait;

use crate::{
    faces::Faces,
    failure::Failure,
    history,
    learn::Written,
    load::Job,
    planner::{Planned, planned},
    quiesce::Were,
    refusal::Refusal,
    report::{Ending, RunReport},
    state::{Locked, State},
    tidy,
    transaction::Transaction,
    window::chain,
};
use backout_disk::{Error, ErrorKind, Folder};
use backout_journal::{Journal, Record};
use backout_machine::{group, service::Services};
use backout_protocol::{
    Guard as Terms, HostPath, Notice, Plan, RunId, Site, SnapshotId,
    guard::{Codes, Learn, OnFailure},
    plan::{PlanKind, RestoreFrom},
};
use std::{
    cell::{Cell, RefCell},
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

/// The file in the guard's folder that takes what holder and installer print.
pub const OUTPUT: &str = "installer.log";
/// How long holder and waiter may take to be ready.
const READY: Duration = Duration::from_secs(30);
/// How often a state that is waited for is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What is asked of a guard.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The installer and its arguments.
    pub argv: Vec<HostPath>,
    /// What becomes of a failure.
    pub on_failure: OnFailure,
    /// Seconds after which an installer that still runs is ended.
    pub timeout: Option<u64>,
    /// What its exit codes mean.
    pub codes: Codes,
    /// Seconds that the product may take to be whole and healthy behind it.
    pub settle: u32,
    /// Seconds within which somebody has to confirm that the work stays.
    pub confirm_within: Option<u64>,
    /// The profile that is to be written of what the installer changed; its file as [`crate::learn::target::check`] gives it.
    pub learn: Option<Learn>,
    /// The profile's text; `None`: there is none, folders are watched.
    pub profile: Option<String>,
}

/// Plans a guard with this snapshot behind it, which was just taken; and sees that there is a way back to it.
///
/// # Errors
/// As [`crate::planner::plan`].
pub fn plan(
    locked: &Locked,
    job: &Job,
    snapshot: &SnapshotId,
    roots: Vec<HostPath>,
    asked: Asked,
    faces: &Faces<'_>,
) -> Result<Plan, Refusal> {
    let mut job = job.clone();
    // So the snapshot is in use as long as the guard is kept.
    job.ask.from = vec![(None, RestoreFrom::Snapshot(snapshot.clone()))];
    let Planned { mut plan, waits, closed } = planned(&job, Some(locked.state()), faces)?;
    plan.steps = waits;
    plan.closed = closed;
    Ok(guarding(plan, snapshot, roots, asked, job.site))
}

/// The guard that stands in front of this plan's way back.
fn guarding(mut plan: Plan, snapshot: &SnapshotId, roots: Vec<HostPath>, asked: Asked, site: Site) -> Plan {
    plan.kind = PlanKind::Guard(Box::new(Terms {
        snapshot: snapshot.clone(),
        roots,
        argv: asked.argv,
        on_failure: asked.on_failure,
        timeout: asked.timeout,
        codes: asked.codes,
        settle: asked.settle,
        confirm_within: asked.confirm_within,
        learn: asked.learn,
        profile: asked.profile,
        site,
    }));
    plan.keep_clear = Vec::new();
    plan.left_alone = Vec::new();
    plan.notices = Vec::new();
    plan.notes = Vec::new();
    plan.reminders = Vec::new();
    plan
}

/// A guard on its way.
struct Guard<'a> {
    locked: &'a Locked,
    tx: &'a Transaction,
    terms: &'a Terms,
    journal: Journal,
    services: &'a dyn Services,
    faces: Faces<'a>,
    /// What the services were before the installer.
    were: Were,
    /// The holder's process.
    holder: u32,
    /// Who decides where the policy is to ask; `true`: it goes back.
    ask: &'a dyn Fn(&Failure) -> bool,
    side: Side,
    notices: Vec<Notice>,
    /// What came while the installer ran, once that was found.
    came: RefCell<Option<came::Came>>,
    /// Whether some of what is new went before a run back: until one is gone no service is to run.
    partly: Cell<bool>,
    /// How many names we removed so.
    removed: Cell<u64>,
    /// What was freed for a run back, and not said yet.
    freed: RefCell<Vec<Notice>>,
    /// The profile that was learned.
    learned: Option<Written>,
}

/// Who carries a guard to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Whoever let the installer go.
    Guard,
    /// A recovery.
    Recovery,
}

impl Guard<'_> {
    fn record(&mut self, record: Record) -> Result<(), Failure> {
        self.journal.append(record).map_err(|e| Failure::Journal { why: chain(&e) })
    }

    /// The guard is over: says so durably, and tidies up. `why`: that of `Undone`; `None`: it is kept, and that is on record.
    fn close(mut self, ending: Ending, why: Option<String>) -> RunReport {
        if let Some(why) = why
            && let Err(failure) = self.record(Record::Undone { why })
        {
            return self.report(Ending::Unfinished(failure), false);
        }
        let kept = matches!(ending, Ending::Done | Ending::Completed);
        let (locked, tx) = (self.locked, self.tx);
        let (report, journal) = self.into_report(ending, kept);
        if let Err(e) = tidy::close(locked, tx, Some(journal)) {
            log::warn!("run {}: {e}; the next verb tidies up", tx.run);
        }
        if kept {
            crate::rollback::retain(locked);
        }
        report
    }

    fn report(self, ending: Ending, changed: bool) -> RunReport {
        self.into_report(ending, changed).0
    }

    fn into_report(self, ending: Ending, changed: bool) -> (RunReport, Journal) {
        let run = Some(self.tx.run.clone());
        let (notices, learned) = (self.notices, self.learned);
        (RunReport { run, changed, notices, learned, ..RunReport::of(ending) }, self.journal)
    }
}

/// Whether the run is a guard, as far as its plan can be read.
pub(crate) fn is_one(state: &State, run: &RunId) -> bool {
    plan_of(state, run).is_some_and(|plan| plan.guards().is_some())
}

/// The guard that a run is the way back of; else the run.
pub(crate) fn whole(state: &State, run: RunId) -> RunId {
    plan_of(state, &run).and_then(|plan| plan.guard).unwrap_or(run)
}

fn plan_of(state: &State, run: &RunId) -> Option<Plan> {
    let folder: Folder = history::folder(state, run)?;
    Some(tidy::by_plan_alone(run, &folder).ok()??.plan)
}

/// Waits until a process of ours that was just started says that it is ready, by a lock that it has as long as it `lives`. Says why
/// it is not; it may be there then.
fn until_ready(child: &mut Child, lives: impl Fn() -> Result<bool, String>) -> Result<(), String> {
    let until = Instant::now() + READY;
    loop {
        match (lives()?, child.try_wait()) {
            (true, Ok(None)) => return Ok(()),
            (false, Ok(None)) if Instant::now() < until => std::thread::sleep(POLL),
            (_, Ok(None)) => return Err("it is not ready in time".to_owned()),
            (_, Ok(Some(status))) => return Err(format!("it ended at once ({status})")),
            (_, Err(e)) => return Err(e.to_string()),
        }
    }
}

/// What an installer wrote below `roots` is on the medium, before anybody's word stands that it is good: installers seldom see to
/// that, and a power cut behind that word would leave a tree that was never whole.
fn make_durable(roots: &[HostPath]) -> Result<(), Failure> {
    let fail = |e: Error| Failure::Process { why: e.to_string() };
    for root in roots {
        if let Some(folder) = root_folder(&root.0).map_err(fail)? {
            folder.sync_written().map_err(fail)?;
        }
    }
    Ok(())
}

/// One of the product's folders; `None`: it is gone, or something else lies in its place, as installers may do.
fn root_folder(path: &Path) -> Result<Option<Folder>, Error> {
    match Folder::open_root(path) {
        Ok(folder) => Ok(Some(folder)),
        Err(e) if matches!(e.kind, ErrorKind::NotFound | ErrorKind::Symlink | ErrorKind::NotAFolder) => {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// The guard is given up as it stands: nothing of it holds space any more.
pub(crate) fn give_up(tx: &Transaction) {
    if let Err(e) = release(tx) {
        log::warn!("run {}: {e}", tx.run);
    }
}

/// Gives up what a guard has outside of its folder. Of a run that is no guard there is none.
///
/// # Errors
/// The disk's.
pub(crate) fn release(tx: &Transaction) -> Result<(), Error> {
    if tx.plan.guards().is_some() {
        group::forget(tx.run.as_str());
        room::end(tx)?;
    }
    reserve::release(tx)
}
