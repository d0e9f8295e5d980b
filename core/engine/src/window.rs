//! The window: from the first stop to the last start, and the commit behind it.
//!
//! ```text
//! Opening F -> services stopped, processes gone -> files looked at again -> Armed F -> names swapped, folders synced
//! -> registry and services' configuration set -> Applying F, Applied F … -> Swapped F -> Starting, Started … -> Health -> Committed F
//! ```
//!
//! Before `Armed` a failure closes the window on the old tree. After it every failure is one journalled undo.

use crate::{
    action::Progress,
    companions::joined,
    faces::Faces,
    failure::{Failure, Stuck},
    preflight, proof,
    quiesce::{Quiesce, Were, ran, stayed_up},
    refusal::Refusal,
    report::Ending,
    stage::Stagings,
    state::State,
    transaction::Transaction,
};
use backout_journal::{Journal, Record, Status, Verdict};
use backout_machine::service::Services;
use backout_protocol::{
    Event, Notice, Plan, ServiceName,
    plan::Was,
    report::{Phase, ServiceAction},
};
use std::{cell::Cell, fs::File, time::Instant};

/// A staged run on its way.
pub(crate) struct Run<'a> {
    pub state: &'a State,
    pub tx: &'a Transaction,
    pub journal: Journal,
    pub stagings: Stagings,
    pub services: &'a dyn Services,
    pub faces: Faces<'a>,
    /// What every process that acts for the run holds open: stop commands, plugins' actions.
    pub held: File,
    /// How far the plugins' actions got.
    pub actions: Progress,
    /// What the services were before the window.
    pub were: Were,
    /// How far this goes.
    pub extent: Extent,
    /// Whether what it changes may be other than before it.
    pub machine: Machine,
    /// Whether the operator may still stop it.
    pub cancellable: bool,
    /// Whether any service was told to stop.
    pub issued: Cell<bool>,
    /// The service that a run which died was just starting.
    pub under_way: Option<ServiceName>,
    pub notices: Vec<Notice>,
    /// When the first stop was issued.
    pub opened: Option<Instant>,
    /// From then to the last start confirmed.
    pub window_ms: Option<u64>,
}

/// How far a run, or a recovery of it, goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// To its end.
    Whole,
    /// Until every file is settled; no service is started. At boot, before the managed services.
    Files,
}

/// Whether names, rights, settings and what actions change are as before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// All of it.
    AsBefore,
    /// Some of it may be as behind the run, or in between.
    Touched,
}

/// Whether each name is looked at before it is swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// They were all looked at a moment ago.
    Trust,
    /// A crash may have left any of them half-way.
    First,
}

impl<'a> Run<'a> {
    /// A run of which everything is staged and nothing else was done.
    pub(crate) fn staged(
        state: &'a State,
        tx: &'a Transaction,
        journal: Journal,
        stagings: Stagings,
        services: &'a dyn Services,
        faces: Faces<'a>,
        held: File,
    ) -> Self {
        Self {
            state,
            tx,
            journal,
            stagings,
            services,
            faces,
            held,
            actions: Progress::default(),
            were: Vec::new(),
            extent: Extent::Whole,
            machine: Machine::AsBefore,
            cancellable: true,
            issued: Cell::new(false),
            under_way: None,
            notices: Vec::new(),
            opened: None,
            window_ms: None,
        }
    }
}

impl Run<'_> {
    pub(crate) fn quiesce(&self) -> Quiesce<'_> {
        Quiesce {
            plan: &self.tx.plan,
            services: self.services,
            faces: self.faces,
            extent: self.extent,
            cancellable: self.cancellable,
            issued: &self.issued,
            under_way: self.under_way.as_ref(),
        }
    }

    pub(crate) fn record(&mut self, record: Record) -> Result<(), Failure> {
        self.journal.append(record).map_err(|e| Failure::Journal { why: chain(&e) })
    }

    /// Carries a staged run to its end.
    pub(crate) fn forwards(mut self) -> (Ending, Self) {
        let ending = self.open_and_swap();
        (ending, self)
    }

    fn open_and_swap(&mut self) -> Ending {
        // Nothing is stopped yet; whatever fails up to here leaves the machine untouched.
        if let Some(why) = self.faces.cancel.requested() {
            return self.void(Refusal::Cancelled(why));
        }
        if let Err(failure) = self.prepare_hold() {
            return self.void(Refusal::BeforeStop(failure));
        }
        self.were = match self.quiesce().states() {
            Ok(were) => were,
            Err(failure) => return self.void(Refusal::BeforeStop(failure)),
        };
        let services = self.were.clone();
        if let Err(failure) = self.record(Record::Opening { services }) {
            // On disk: what it was, or `Opening`. Either way every service is up, and what was staged goes: a journal that
            // takes nothing more cannot say what is to become of it.
            return self.void(Refusal::BeforeStop(failure));
        }
        // Held before the first stop: one that is down must not come up while others still go down.
        if let Err(failure) = self.hold().and_then(|()| self.nobody_joined()) {
            return self.reopen(failure);
        }
        self.opened = Some(Instant::now());
        let quiet = self.stop_all();
        let quiet = quiet.and_then(|()| self.stop_running()).and_then(|()| self.wait_exit());
        let quiet = quiet.and_then(|()| self.look_again()).and_then(|()| self.look_at_settings());
        let quiet = quiet.and_then(|()| self.look_at_actions());
        if let Err(failure) = quiet.and_then(|()| preflight::must_be_closed(&self.tx.plan.closed)) {
            return self.reopen(failure);
        }
        if let Err(failure) = self.record(Record::Armed) {
            // `Armed` may or may not be durable, and recovery would act on it. So nothing is swapped, the services run
            // on the old tree, and the run stays open for `recover` to settle.
            return match self.start_old() {
                Ok(()) => Ending::Unfinished(failure),
                Err(why) => Ending::Stuck { after: Some(failure), why },
            };
        }
        self.swap_on(Look::Trust)
    }

    /// From `Armed` on: swap, start, look, commit; or back.
    pub(crate) fn swap_on(&mut self, look: Look) -> Ending {
        self.machine = Machine::Touched;
        // Services that cannot be held back may have been started while names were swapped: nothing that has seen files
        // of both states goes on.
        let swapped = self.swap_all(look).and_then(|()| self.stop_running());
        let swapped = swapped.and_then(|()| self.wait_exit()).and_then(|()| self.act(look));
        let swapped = swapped.and_then(|()| self.record(Record::Swapped));
        match swapped {
            Ok(()) => self.resume_forwards(),
            Err(failure) if self.is_deferrable(&failure) => self.defer(failure),
            Err(failure) => self.unwind(failure),
        }
    }

    /// Behind all swaps: settings, then the plugins' actions; then again nothing may run that saw them half done.
    fn act(&mut self, look: Look) -> Result<(), Failure> {
        if self.tx.actions.is_empty() && self.tx.plan.settings().next().is_none() {
            return Ok(());
        }
        self.set_all()?;
        self.apply_all(look)?;
        self.stop_running().and_then(|()| self.wait_exit())
    }

    /// From `Swapped` on: start, look, commit; or back.
    pub(crate) fn resume_forwards(&mut self) -> Ending {
        if self.extent == Extent::Files {
            return self.files_settled();
        }
        let well = self.start_new().and_then(|()| {
            let (were, tx) = (self.were.clone(), self.tx);
            let health = self.quiesce().health(|name| is_new(&tx.plan, &were, name));
            let verdict = if health.is_ok() { Verdict::Well } else { Verdict::Ill };
            health.and(self.record(Record::Health { verdict }))
        });
        if let Err(failure) = well {
            return self.unwind(failure);
        }
        self.faces.observer.event(&Event::Phase { phase: Phase::Commit });
        match self.record(Record::Committed) {
            Ok(()) => Ending::Done,
            // Everything is new and runs; only the record is in doubt, and both answers lead forwards.
            Err(failure) => Ending::Unfinished(failure),
        }
    }

    /// Every file is settled and on the medium; the services are somebody else's for now.
    pub(crate) fn files_settled(&mut self) -> Ending {
        // Before they may start: the manager would start them as it read their units when files were of two states.
        match self.read_units_again().and_then(|()| self.release()) {
            Ok(()) => Ending::FilesSettled,
            Err(failure) => Ending::Unfinished(failure),
        }
    }

    fn start_new(&mut self) -> Result<(), Failure> {
        let (were, tx) = (self.were.clone(), self.tx);
        self.start(|name| is_new(&tx.plan, &were, name))?;
        let going = self.quiesce().set_going(&tx.plan.after)?;
        self.notices.extend(going.into_iter().map(|service| Notice::LeftRestarting { service }));
        Ok(())
    }

    /// Starts the wanted services that do not run, each with its two records.
    pub(crate) fn start(&mut self, wanted: impl Fn(&ServiceName) -> bool) -> Result<(), Failure> {
        self.start_with(wanted, Records::Needed)
    }

    fn start_with(&mut self, wanted: impl Fn(&ServiceName) -> bool, records: Records) -> Result<(), Failure> {
        // Read while they are still held: a trigger that is pulled in between would start them by units that are gone.
        self.read_units_again()?;
        self.release()?;
        let quiesce = Quiesce {
            plan: &self.tx.plan,
            services: self.services,
            faces: self.faces,
            extent: self.extent,
            cancellable: self.cancellable,
            issued: &self.issued,
            under_way: self.under_way.as_ref(),
        };
        let journal = &mut self.journal;
        quiesce.resume(wanted, |service, action| {
            let service = service.clone();
            let record = match action {
                ServiceAction::Starting => Record::Starting { service },
                _ => Record::Started { service },
            };
            match journal.append(record) {
                Err(e) if records == Records::Wanted => {
                    log::warn!("a start is not recorded: {}", chain(&e));
                    Ok(())
                }
                told => told.map_err(|e| Failure::Journal { why: chain(&e) }),
            }
        })?;
        self.window_ms = self.opened.map(|at| at.elapsed().as_millis() as u64);
        Ok(())
    }

    /// A manager would start a changed unit as it was before.
    fn read_units_again(&self) -> Result<(), Failure> {
        if self.tx.swaps.iter().any(|s| self.services.is_configuration(&s.target.path())) {
            self.services.reload().map_err(Failure::Service)?;
        }
        Ok(())
    }

    pub(crate) fn stop_all(&mut self) -> Result<(), Failure> {
        self.noting(|quiesce, notices| quiesce.stop_all(notices))
    }

    pub(crate) fn stop_running(&mut self) -> Result<(), Failure> {
        self.noting(|quiesce, notices| quiesce.stop_running(notices))
    }

    pub(crate) fn wait_exit(&mut self) -> Result<(), Failure> {
        self.noting(|quiesce, notices| quiesce.wait_exit(notices))
    }

    /// Whether a service that ran before is down, one that did not runs, or nobody can say.
    pub(crate) fn services_differ(&self) -> bool {
        let differs = |(name, was): &(ServiceName, Was)| match self.services.state(name) {
            Ok(now) => now.was().ran() != was.ran(),
            Err(_) => true,
        };
        self.were.iter().any(differs)
    }

    fn noting(
        &mut self,
        work: impl FnOnce(&Quiesce<'_>, &mut Vec<Notice>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut notices = std::mem::take(&mut self.notices);
        let done = work(&self.quiesce(), &mut notices);
        self.notices = notices;
        done
    }

    /// What came up since the plan was made and would go down with its services, or start them, would not come back.
    fn nobody_joined(&self) -> Result<(), Failure> {
        match joined(&self.tx.plan.services, self.services).map_err(Failure::Service)? {
            Some(service) => Err(Failure::Joined { service }),
            None => Ok(()),
        }
    }

    /// Takes away what was staged; no service was touched. What was staged for a commit stays: it can be tried again.
    pub(crate) fn void(&mut self, refusal: Refusal) -> Ending {
        if self.journal.status() == Status::CommitPending {
            let (run, why) = (self.tx.run.clone(), Box::new(refusal));
            return Ending::Refused(Refusal::StillStaged { run, why });
        }
        // Where the record is in doubt, what was staged goes all the same: every file is old, and a recovery sees that.
        match self.abandon(format!("{refusal:?}")) {
            Ok(_) => Ending::Refused(refusal),
            Err(why) => Ending::Stuck { after: None, why },
        }
    }

    /// Before `Armed`: the window closes again on the old tree.
    fn reopen(&mut self, failure: Failure) -> Ending {
        self.cancellable = false;
        if let Err(why) = self.start_old() {
            return Ending::Stuck { after: Some(failure), why };
        }
        if self.journal.is_poisoned() {
            // On disk: `Opening` or a start. Everything is as it was; `recover` says so durably.
            return Ending::Unfinished(failure);
        }
        match self.abandon(failure.to_string()) {
            Ok(true) => {}
            Ok(false) => return Ending::Unfinished(failure),
            Err(why) => return Ending::Stuck { after: Some(failure), why },
        }
        if self.issued.get() {
            Ending::PutBack(failure)
        } else {
            Ending::Refused(Refusal::BeforeStop(failure))
        }
    }

    /// Starts what ran; for the way back. A service that was told to stop and did not in time may still do so after
    /// it was seen running, so one that stops by itself now is started once more.
    ///
    /// Every file is old, for good or because nothing was swapped: a journal that takes nothing more keeps no service down.
    /// On disk is then what it took last, and a recovery looks at the services itself.
    pub(crate) fn start_old(&mut self) -> Result<(), Stuck> {
        self.cancellable = false;
        let were = self.were.clone();
        self.start_with(stayed_up(&were), Records::Wanted).map_err(stuck)?;
        // What fell over and was started again before the run is not to be well now: that may be what the run was for.
        let going = self.quiesce().set_going(&were).map_err(stuck)?;
        self.notices.extend(going.into_iter().map(|service| Notice::LeftRestarting { service }));
        match self.quiesce().runs(stayed_up(&were)) {
            Err(Failure::Died { .. }) => {
                self.start_with(stayed_up(&were), Records::Wanted).map_err(stuck)?;
                self.quiesce().runs(stayed_up(&were)).map_err(stuck)
            }
            other => other.map_err(stuck),
        }
    }

    /// `Undone`: whether it is durable. The staging folders go behind it.
    fn abandon(&mut self, why: String) -> Result<bool, Stuck> {
        proof::sacred(self.tx)?;
        let undone = self.journal.append(Record::Undone { why });
        Ok(undone.inspect_err(|e| log::warn!("run {}: {}", self.tx.run, chain(e))).is_ok())
    }
}

/// Whether a service runs in the new state.
fn is_new(plan: &Plan, were: &Were, name: &ServiceName) -> bool {
    match plan.after.iter().find(|(known, _)| known == name) {
        Some((_, was)) => *was == Was::Running,
        None => plan.request.start_all || ran(were)(name),
    }
}

/// Whether services may be started where that cannot be recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Records {
    Needed,
    Wanted,
}

/// A failure on the way back is one that needs a person.
pub(crate) fn stuck(failure: Failure) -> Stuck {
    match failure {
        Failure::Service(e) => Stuck::Service(e),
        Failure::Died { service } => Stuck::Died { service },
        other => Stuck::Process { why: other.to_string() },
    }
}

/// An error with its sources, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        text.push_str(&format!(": {e}"));
        source = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt, io};

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_is_told_with_what_is_behind_it() {
        assert_eq!(chain(&io::Error::other("inner")), "inner");
        assert_eq!(chain(&Outer(io::Error::other("inner"))), "outer: inner");
    }
}
