//! The way back: a run of its own to the snapshot, planned from the guard's records alone.

use super::{
    Guard, Side,
    copies::Copies,
    drop_ins, holder, inplace, reserve,
    room::{self, New},
    theirs::Theirs,
};
use crate::{
    companions::{as_they_were, named, with_companions},
    faces::{Cancel, Faces},
    failure::{Failure, Left, Stuck},
    history,
    planner::{TOOL, found_stopped, steps},
    preflight, quiesce,
    quiesce::{Quiesce, Were},
    refusal::{PathFlag, Refusal},
    report::{Ending, RunReport},
    rollback,
    setting::Settings,
    snapshot::{mounts, restore, settings, store},
    state::{Locked, State},
    tidy,
    transaction::Transaction,
    undo::Asked,
};
use backout_disk::{Error, ErrorKind, durable, staging::name_of};
use backout_journal::{Journal, Record, Status};
use backout_machine::service::ServiceError;
use backout_protocol::{
    Counts, Guard as Terms, Notice, Plan, RunId, ServiceName, Step,
    plan::{FORMAT, OnLocked, PlanKind},
    snapshot::{Entry, Snapshot},
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A run back, planned.
pub(super) struct Back {
    pub(super) plan: Plan,
    /// Whether a service is to run that does not, or the other way round.
    services_differ: bool,
}

/// How long a holder whose installer is gone may take to be gone too.
const HOLDER: Duration = Duration::from_secs(5);

impl Guard<'_> {
    /// Takes the installer's work back, because of `failure`.
    pub(super) fn go_back(mut self, failure: Failure) -> RunReport {
        self.nothing_learned();
        if matches!(self.journal.status(), Status::Judging | Status::AwaitingConfirm)
            && let Err(failure) = self.record(Record::GoingBack { why: failure.to_string() })
        {
            return self.report(Ending::Unfinished(failure), true);
        }
        // From here on the way is back, for good. Nothing of the installer writes any more before a file is compared.
        if let Err(failure) = self.end_members().and_then(|()| self.msi_ends()) {
            return self.report(Ending::Unfinished(failure), true);
        }
        self.holder_goes();
        if let Err(e) = reserve::release(self.tx) {
            log::warn!("run {}: {e}", self.tx.run);
        }
        // Only now, as the disk may have been full. If we die before it is written, whoever goes on writes it.
        if let Err(why) = self.write_down() {
            log::warn!("run {}: what came is not written down: {why}", self.tx.run);
        }
        self.notices.retain(|notice| !matches!(notice, Notice::CameNotWritten { .. }));
        let mut inner = match self.inner() {
            Ok(inner) => inner,
            Err(ending) => {
                let _ = self.leave_came();
                return self.report(*ending, true);
            }
        };
        let (counts, window_ms) = (inner.counts, inner.window_ms);
        self.notices.append(&mut inner.notices);
        self.faces.observer.begun(&self.tx.run, self.tx.log());
        // What the installer wrote is nothing to go forwards to again, and may be what fills the disk.
        if let Err(e) = forget(self.locked, &self.tx.run) {
            log::warn!("run {}: what was set aside on the way back stays: {e}", self.tx.run);
        }
        let why = failure.to_string();
        let ending = match self.side {
            Side::Guard => Ending::PutBack(failure),
            Side::Recovery => Ending::RolledBack(failure),
        };
        RunReport { counts, window_ms, ..self.close(ending, Some(why)) }
    }

    /// The run back, and its commands that outlive us are marked.
    fn inner(&self) -> Result<RunReport, Box<Ending>> {
        // Those of a way back that died are waited for: a late stop would end what is to run.
        let patience = Duration::from_secs(self.tx.plan.site.timeouts.stop.into());
        let held = quiesce::mark_stops(self.tx, self.services, patience);
        let _held = held.map_err(|why| Box::new(Ending::Unfinished(why)))?;
        let run = self.in_any_case();
        self.services.mark_stops(None);
        run
    }

    /// Where services write into what goes back, as they stop or all the time, it is planned once more behind their end; if we
    /// die in there, what they were before the installer is on record. Where the disk is too full for the records of a run that
    /// takes away all that is new, that goes before the run.
    fn in_any_case(&self) -> Result<RunReport, Box<Ending>> {
        let over = match self.run_back(New::GoesWithIt) {
            Err(ending) if is_unrest(&ending) => {
                log::warn!("run {}: something goes on writing; its services stop first", self.tx.run);
                self.in_quiet(New::GoesWithIt)
            }
            over => over,
        };
        match over {
            Err(ending) if room::is_wanting(&ending) && self.may_fit_without_new() => {
                log::warn!("run {}: the disk is full; what is new goes first", self.tx.run);
                self.in_quiet(New::GoesFirst)
            }
            over => over,
        }
    }

    /// The same with all services stopped. If it fails they run on, as they did; not where some of the installer's work is removed
    /// already: half of it is nothing to run.
    fn in_quiet(&self, new: New) -> Result<RunReport, Box<Ending>> {
        let failed = |why| self.failed_back(why);
        let plan = &self.running().map_err(|why| failed(Failure::Service(why)))?;
        let issued = Cell::new(false);
        let quiesce = Quiesce { plan, cancellable: false, ..self.quiesce(&issued) };
        let ran = quiesce.states().map_err(failed)?;
        let mut run = match quiesce.stop_all(&mut Vec::new()) {
            Ok(()) => self.run_back(new),
            Err(why) => Err(failed(why)),
        };
        // What is stuck or unfinished in the run back itself keeps its services down.
        if let Err(ending) = &mut run
            && let Some(left) = left_of(ending)
            && !self.partly.get()
        {
            let _ = self.leave_came();
            left.down = self.resumed(&quiesce, &ran);
        }
        run
    }

    /// Starts what ran, and says what does not come up: that keeps no other down.
    fn resumed(&self, quiesce: &Quiesce<'_>, ran: &Were) -> Vec<ServiceName> {
        let fails = |service: &ServiceName| {
            let started = quiesce.resume(|name| name == service && quiesce::ran(ran)(name), |_, _| Ok(()));
            started.inspect_err(|why| log::warn!("run {}: {why}", self.tx.run)).is_err()
        };
        let order = quiesce.plan.start_order().into_iter().map(|service| service.name.clone());
        order.filter(fails).collect()
    }

    /// The guard's plan with its services and their companions as they are now.
    fn running(&self) -> Result<Plan, ServiceError> {
        let mut plan = self.tx.plan.clone();
        plan.services = with_companions(named(&plan.services, self.services)?, self.services)?;
        Ok(plan)
    }

    /// Makes way for a run back, and plans it.
    pub(super) fn plan_back(&self, faces: &Faces<'_>) -> Result<Back, Refusal> {
        let state = self.locked.state();
        let saved = store::open(state, &self.terms.snapshot)?;
        // Before anything is removed, as what is mounted since is not the product's.
        mounts::check(&saved)?;
        let theirs = Theirs::of(self.tx, self.terms, &saved, self.came.borrow().as_ref())?;
        let copies = Copies::of(state, &saved, &theirs);
        let freed = inplace::clear(&saved, &theirs, &copies, &name_of(&self.tx.run))?;
        self.freed.borrow_mut().extend(freed);
        // Again, as what was immutable kept it from going.
        if let Err(e) = reserve::release(self.tx) {
            log::warn!("run {}: {e}", self.tx.run);
        }
        drop_ins::make(&saved, &self.tx.plan, self.services, state.path(), &copies)?;
        settings::make_startable(&saved, self.services, &|| copies.are_whole())?;
        let theirs = match theirs.are_older() {
            true => Theirs::of(self.tx, self.terms, &saved, self.came.borrow().as_ref())?,
            false => theirs,
        };
        let mut were = self.were.clone();
        let settings = Settings { registry: faces.registry, services: self.services };
        let mut plan = changes(state, self.tx, &theirs, &saved, settings, faces.cancel, Some(&mut were))?;
        plan.kind = PlanKind::Rollback;
        plan.guard = Some(self.tx.run.clone());
        plan.request.request_id = None;
        plan.after.clone_from(&were);
        for service in &mut plan.services {
            if let Some((_, was)) = were.iter().find(|(name, _)| *name == service.name) {
                service.start = was.ran();
            }
        }
        let services_differ = plan
            .services
            .iter()
            .any(|s| were.iter().any(|(name, was)| *name == s.name && was.ran() != s.was.ran()));
        plan.notices.extend(self.freed.borrow().iter().cloned());
        Ok(Back { plan, services_differ })
    }

    /// One run back, where there is anything to take back.
    fn run_back(&self, new: New) -> Result<RunReport, Box<Ending>> {
        let refused = |why| self.refused_back(why);
        let never = Cancel::default();
        let faces = Faces { cancel: &never, ..self.faces };
        let Back { mut plan, services_differ } = self.plan_back(&faces).map_err(refused)?;
        if new == New::GoesFirst {
            self.take_new_away(&mut plan, &faces).map_err(refused)?;
            // There is room now. What services make from here on is told from it, whatever becomes of us.
            let _ = self.write_down();
        }
        let removed = self.removed.get();
        if plan.is_empty() && !services_differ {
            let counts = Counts { removed, ..Counts::default() };
            return Ok(RunReport { counts, notices: plan.notices, ..RunReport::of(Ending::NothingToDo) });
        }
        let state = self.locked.state();
        plan.notices.extend(preflight::check(&plan, state.path(), &faces).map_err(refused)?);
        let mut report = rollback::run(self.locked, &plan, &faces);
        report.counts.removed += removed;
        match report.ending {
            Ending::Done | Ending::Completed | Ending::NothingToDo => Ok(report),
            Ending::Refused(why) => Err(refused(why)),
            Ending::PutBack(why) | Ending::RolledBack(why) => Err(self.failed_back(why)),
            Ending::Unfinished(_)
            | Ending::Stuck { .. }
            | Ending::RebootPending(_)
            | Ending::Staged
            | Ending::FilesSettled => Err(Box::new(report.ending)),
        }
    }

    fn left(&self) -> Left {
        Left { partly: self.partly.get(), down: Vec::new() }
    }

    /// Nothing has gone back; but for what is removed already everything is as the installer left it.
    fn refused_back(&self, why: Refusal) -> Box<Ending> {
        let (snapshot, left) = (self.terms.snapshot.clone(), self.left());
        Box::new(Ending::Stuck { after: None, why: Stuck::WayBack { snapshot, left, why: Box::new(why) } })
    }

    /// The same, of a run back that had begun and is put back.
    fn failed_back(&self, why: Failure) -> Box<Ending> {
        let (snapshot, left) = (self.terms.snapshot.clone(), self.left());
        Box::new(Ending::Stuck {
            after: None,
            why: Stuck::WayBackFailed { snapshot, left, why: Box::new(why) },
        })
    }

    /// Waits for the end of a holder below which nothing lives any more, or that was told to go.
    pub(super) fn holder_goes(&self) {
        let until = Instant::now() + HOLDER;
        while matches!(holder::lives(&self.tx.folder), Ok(true)) && Instant::now() < until {
            std::thread::sleep(super::POLL);
        }
    }
}

/// The guard's plan with the steps that make everything again what its snapshot says; of no kind yet. `were`: what the services
/// are to be behind it, to which companions that came since are added; `None`: what they are now.
fn changes(
    state: &State,
    tx: &Transaction,
    theirs: &Theirs,
    snapshot: &Snapshot,
    settings: Settings<'_>,
    cancel: &Cancel,
    were: Option<&mut Were>,
) -> Result<Plan, Refusal> {
    let services = settings.services;
    let mut plan = tx.plan.clone();
    let Some(component) = plan.components.first().map(|c| c.id.clone()) else {
        return Err(Refusal::NothingPresent { profile: plan.profile.name });
    };
    let listed = BTreeMap::new();
    let goes = |entry: &Entry| theirs.has(entry);
    let ground = restore::Ground {
        state,
        cancel,
        names: plan.site.names,
        listed: &listed,
        otherwise: &component,
        settings,
        insists: were.is_some(),
        goes: Some(&goes),
    };
    let mut restored = restore::everything(snapshot, &ground)?;
    let now = named(&plan.services, services).and_then(|named| with_companions(named, services));
    let known = std::mem::replace(&mut plan.services, now.map_err(Refusal::Service)?);
    if let Some(were) = were {
        as_they_were(&mut plan.services, &known, were, services).map_err(Refusal::Service)?;
    }
    let waits = plan.steps.iter().filter(|s| matches!(s, Step::WaitExit { .. })).cloned().collect();
    drop_ins::spare(&mut restored.files, &plan, services, state.path());
    let mut undoing = restored.files;
    undoing.append(&mut restored.settings);
    if undoing.iter().any(Step::changes) {
        preflight::closed_now(&plan.closed)?;
    }
    plan.steps = steps(&plan.services, waits, undoing);
    plan.keep_clear = restored.keep_clear;
    plan.left_alone = restored.left_alone;
    plan.notices = restored.notices;
    plan.notices.extend(theirs.notices(restored.stay, snapshot));
    plan.format = FORMAT;
    plan.tool = TOOL.to_owned();
    plan.request.start_all = false;
    plan.request.on_locked = OnLocked::Fail;
    Ok(plan)
}

/// Where a way back is not gone: how it leaves the machine.
fn left_of(ending: &mut Ending) -> Option<&mut Left> {
    match ending {
        Ending::Stuck { why: Stuck::WayBack { left, .. } | Stuck::WayBackFailed { left, .. }, .. } => {
            Some(left)
        }
        _ => None,
    }
}

/// Whether a run back could not be because files did not stay as they were planned with.
fn is_unrest(ending: &Ending) -> bool {
    let Ending::Stuck { why, .. } = ending else { return false };
    match why {
        Stuck::WayBackFailed { why, .. } => matches!(**why, Failure::Drift { .. }),
        // Services may mount something, too.
        Stuck::WayBack { why, .. } => changes_go_on(why) || matches!(**why, Refusal::MountPoint { .. }),
        _ => false,
    }
}

/// Whether something went on writing while a run back was planned.
pub(super) fn changes_go_on(why: &Refusal) -> bool {
    matches!(why, Refusal::Changing { .. } | Refusal::BeforeStop(Failure::Drift { .. }))
}

/// How often at most it is tried with nobody there, where this stands in its way.
pub(super) fn tries(ending: &Ending) -> u32 {
    match ending {
        Ending::Refused(_) => u32::MAX,
        // No service of it runs that would stop for it.
        Ending::Stuck { why: Stuck::WayBack { left, .. } | Stuck::WayBackFailed { left, .. }, .. }
            if left.partly =>
        {
            u32::MAX
        }
        // Services stop for it each time.
        _ if is_unrest(ending) => 2,
        // It may go by itself.
        Ending::Stuck { why: Stuck::WayBack { .. }, .. } => u32::MAX,
        _ => 1,
    }
}

/// Plans taking a kept installer's work back: an undo like others, by the guard's snapshot.
///
/// # Errors
/// As [`crate::undo::plan`].
pub(crate) fn undo(
    state: &State,
    tx: &Transaction,
    terms: &Terms,
    asked: &Asked<'_>,
    faces: &Faces<'_>,
) -> Result<Plan, Refusal> {
    if let Some(path) = asked.paths.first() {
        return Err(Refusal::PathUnused { flag: PathFlag::Undo, path: path.clone() });
    }
    let services = quiesce::open_trusted(&tx.plan)?;
    let snapshot = store::open(state, &terms.snapshot)?;
    let theirs = Theirs::of(tx, terms, &snapshot, None)?;
    let settings = Settings { registry: faces.registry, services: services.as_ref() };
    let mut plan = changes(state, tx, &theirs, &snapshot, settings, faces.cancel, None)?;
    plan.notices.extend(found_stopped(&plan.services, services.as_ref()));
    plan.kind = PlanKind::Undo { of: tx.run.clone() };
    plan.request.by.clone_from(&asked.by);
    plan.request.request_id.clone_from(&asked.request_id);
    for component in &mut plan.components {
        std::mem::swap(&mut component.builds_now, &mut component.builds_after);
    }
    Ok(plan)
}

/// Removes what the ways back of this guard set aside: the installer's work. Those that are over and not tidied up are.
///
/// # Errors
/// The disk's.
pub(super) fn forget(locked: &Locked, guard: &RunId) -> Result<(), Error> {
    let state = locked.state();
    let newer = |ids: Vec<RunId>| ids.into_iter().filter(|run| run > guard).collect::<Vec<_>>();
    for run in newer(state.transaction_ids().unwrap_or_default()) {
        let folder = state.transactions()?.open_below(&crate::state::plain(run.as_str()))?;
        let ours =
            tidy::by_plan_alone(&run, &folder)?.is_some_and(|tx| tx.plan.guard.as_ref() == Some(guard));
        match Journal::read(&folder, &run) {
            Ok(Some(reading)) if ours && reading.status.is_over() => {
                tidy::over(locked, &run, folder, &reading)?
            }
            _ => {}
        }
    }
    for run in newer(state.history_ids().unwrap_or_default()) {
        let Ok(Some((_, tx))) = history::read(state, &run) else { continue };
        if tx.plan.guard.as_ref() != Some(guard) {
            continue;
        }
        for host in tx.hosts() {
            match host.open() {
                Ok(folder) => durable::remove_tree(&folder, &name_of(&run))?,
                Err(e) if e.kind == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

/// What the services were, as the guard's journal has it.
pub(super) fn were(reading: &backout_journal::Reading) -> (Were, u32) {
    let opened = reading.records().find_map(|r| match r {
        Record::GuardOpen { services, group, .. } => Some((services.clone(), *group)),
        _ => None,
    });
    opened.unwrap_or_default()
}
