//! Quiesce and resume: services and processes around the swap.

#[cfg(test)]
mod tests;

use crate::{
    faces::{Cancel, Faces},
    failure::Failure,
    refusal::Refusal,
    survey::check_programs,
    transaction::Transaction,
    window::Extent,
};
use backout_disk::lock::Lock;
use backout_machine::{
    process,
    service::{self, Patience, ServiceError, ServiceState, Services},
};
use backout_protocol::{
    Event, Notice, ServiceName, Step,
    plan::{Plan, PlannedService, Tie, Was},
    report::{Phase, ServiceAction},
    site::ServiceAccess,
};
use std::{
    cell::Cell,
    ffi::OsStr,
    fs::File,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How often a state that is waited for is looked at.
const POLL: Duration = Duration::from_millis(50);

/// What services were before the window.
pub(crate) type Were = Vec<(ServiceName, Was)>;

/// The services of one run and how long to wait for them.
pub(crate) struct Quiesce<'a> {
    pub plan: &'a Plan,
    pub services: &'a dyn Services,
    pub faces: Faces<'a>,
    /// How far the run goes.
    pub extent: Extent,
    /// Whether the operator may still stop it: not while going backwards, nor in a recovery.
    pub cancellable: bool,
    /// Set once a service is told to stop.
    pub issued: &'a Cell<bool>,
    /// The service that a run which died was just starting.
    pub under_way: Option<&'a ServiceName>,
}

impl Quiesce<'_> {
    fn cancelled(&self) -> bool {
        self.cancellable && self.faces.cancel.requested().is_some()
    }

    fn patient<T>(&self, seconds: u32, work: impl FnOnce(&Patience<'_>) -> T) -> T {
        let cancelled = || self.cancelled();
        work(&Patience { limit: Duration::from_secs(seconds.into()), cancelled: &cancelled })
    }

    fn tell(&self, service: &ServiceName, action: ServiceAction) {
        self.faces.observer.event(&Event::Service { service: service.clone(), action });
    }

    /// What each service is now. A service that is not installed counts as stopped.
    pub(crate) fn states(&self) -> Result<Were, Failure> {
        let was = |s: &PlannedService| {
            let state = self.services.state(&s.name).map_err(Failure::Service)?;
            Ok((s.name.clone(), state.was()))
        };
        self.plan.services.iter().map(was).collect()
    }

    /// Stops every service of the run that is not seen stopped, in the plan's order.
    pub(crate) fn stop_all(&self, notices: &mut Vec<Notice>) -> Result<(), Failure> {
        self.faces.observer.event(&Event::Phase { phase: Phase::Quiesce });
        self.stop_running(notices)
    }

    /// The same once more, for those that somebody has started meanwhile: a watchdog, or a person.
    pub(crate) fn stop_running(&self, notices: &mut Vec<Notice>) -> Result<(), Failure> {
        for service in &self.plan.services {
            if let Some(why) = self.faces.cancel.requested().filter(|_| self.cancellable) {
                return Err(Failure::Cancelled(why));
            }
            // A status command that cannot answer is no reason not to try: a failed stop tells more.
            match self.services.state(&service.name) {
                Ok(ServiceState::Stopped | ServiceState::NotInstalled) => continue,
                // At boot it waits behind us for its own start, which a stop would call off for good.
                Ok(ServiceState::Restarting) if self.extent == Extent::Files => continue,
                Ok(ServiceState::Running | ServiceState::Starting | ServiceState::Restarting) | Err(_) => {}
            }
            self.issued.set(true);
            self.tell(&service.name, ServiceAction::Stopping);
            // Never called off half-way: a service that is told to stop and then left alone may stop at any later
            // moment, when nobody looks any more.
            let limit = Duration::from_secs(self.plan.site.timeouts.stop.into());
            match self.services.stop(&service.name, &Patience::firm(limit)) {
                Err(ServiceError::Lingers { process, .. }) if self.plan.request.end_lingering => {
                    self.end_lingering(&service.name, process, notices)?;
                }
                other => other.map_err(Failure::Service)?,
            }
            self.tell(&service.name, ServiceAction::Stopped);
        }
        Ok(())
    }

    /// Waits until the processes that the plan's steps name are gone; ends them only where the operator said so.
    pub(crate) fn wait_exit(&self, notices: &mut Vec<Notice>) -> Result<(), Failure> {
        for step in &self.plan.steps {
            let Step::WaitExit { images, under } = step else { continue };
            let under: Vec<PathBuf> = under.iter().map(|u| u.0.clone()).collect();
            self.faces.observer.event(&Event::Waiting { images: images.clone() });
            let exit = self.plan.site.timeouts.exit;
            let fail = |e: process::ProcessError| Failure::Process { why: e.to_string() };
            let mut left = self.patient(exit, |p| process::wait_gone(images, &under, p)).map_err(fail)?;
            if let Some(why) = self.faces.cancel.requested().filter(|_| self.cancellable) {
                return Err(Failure::Cancelled(why));
            }
            if !left.is_empty() && self.plan.request.end_lingering {
                for one in &left {
                    self.patient(exit, |p| process::end(one, p)).map_err(fail)?;
                    notices.push(Notice::EndedProcess { image: one.image.clone(), pid: one.pid });
                }
                left = process::running(images, &under).map_err(fail)?;
            }
            if !left.is_empty() {
                return Err(Failure::Lingering { processes: named(&left) });
            }
        }
        Ok(())
    }

    /// Starts, in the plan's order, every service for which `wanted` says so and that does not run.
    /// `before` and `after` are called around each start, for the journal.
    pub(crate) fn resume(
        &self,
        wanted: impl Fn(&ServiceName) -> bool,
        mut record: impl FnMut(&ServiceName, ServiceAction) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.faces.observer.event(&Event::Phase { phase: Phase::Resume });
        for service in self.plan.start_order().into_iter().filter(|s| wanted(&s.name)) {
            if let Some(why) = self.faces.cancel.requested().filter(|_| self.cancellable) {
                return Err(Failure::Cancelled(why));
            }
            match self.services.state(&service.name) {
                Ok(ServiceState::Running) => continue,
                Ok(state) if self.went_with_its_unit(&service.name, state) => {
                    log::warn!("`{}` is not started: it has no unit any more", service.name);
                    continue;
                }
                _ => {}
            }
            record(&service.name, ServiceAction::Starting)?;
            self.tell(&service.name, ServiceAction::Starting);
            let limit = Duration::from_secs(self.plan.site.timeouts.start.into());
            let started = self.services.start(&service.name, &Patience::firm(limit));
            // The command of a run that died may still be at it, and refuse a second one beside it: then it counts.
            let waits = self.under_way == Some(&service.name);
            started
                .or_else(|e| if waits && self.comes_up(&service.name, limit) { Ok(()) } else { Err(e) })
                .map_err(Failure::Service)?;
            self.tell(&service.name, ServiceAction::Started);
            record(&service.name, ServiceAction::Started)?;
        }
        Ok(())
    }

    /// Whether it is a companion that is not installed: its unit came with files that are gone again, or goes with those that
    /// came. There is nothing to start then, and nobody misses it.
    pub(crate) fn went_with_its_unit(&self, name: &ServiceName, state: ServiceState) -> bool {
        let is_companion = |s: &PlannedService| s.name == *name && s.tie != Tie::Named;
        state == ServiceState::NotInstalled && self.plan.services.iter().any(is_companion)
    }

    /// Tells the services that were restarting over and over to start, and does not wait for them: they may well go on
    /// as they did. Says which.
    pub(crate) fn set_going(&self, were: &Were) -> Result<Vec<ServiceName>, Failure> {
        let restarting = |s: &&PlannedService| were.contains(&(s.name.clone(), Was::Restarting));
        let mut told = Vec::new();
        for service in self.plan.start_order().into_iter().filter(restarting) {
            if matches!(self.services.state(&service.name), Ok(ServiceState::Running)) {
                continue;
            }
            let limit = Duration::from_secs(self.plan.site.timeouts.start.into());
            self.services.set_going(&service.name, &Patience::firm(limit)).map_err(Failure::Service)?;
            told.push(service.name.clone());
        }
        Ok(told)
    }

    /// Waits until a service that somebody else has told to start runs, and says whether it does.
    fn comes_up(&self, service: &ServiceName, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            if matches!(self.services.state(service), Ok(ServiceState::Running)) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The file that stop commands and plugins' actions hold open, in the transaction's folder.
const STOPPING: &str = "stopping";

/// Makes every stop command of this run hold a locked file open, so that whoever settles the run after our death can
/// tell that one of them goes on; gives that file for plugins' actions to hold as well. Waits for those of a run that
/// died, as long as `patience` says.
pub(crate) fn mark_stops(
    tx: &Transaction,
    services: &dyn Services,
    patience: Duration,
) -> Result<File, Failure> {
    let fail = |why: String| Failure::Process { why };
    let until = Instant::now() + patience;
    let lock = loop {
        match Lock::acquire_for_heirs(&tx.folder, OsStr::new(STOPPING)).map_err(|e| fail(e.to_string()))? {
            Some(lock) => break lock,
            None if Instant::now() >= until => return Err(Failure::StopGoesOn),
            None => std::thread::sleep(POLL),
        }
    };
    let share = || lock.share().map_err(|e| fail(e.to_string()));
    services.mark_stops(Some(share()?));
    share()
}

/// Image and number of each process.
pub(crate) fn named(processes: &[process::Process]) -> Vec<(String, u32)> {
    processes.iter().map(|p| (p.image.clone(), p.pid)).collect()
}

/// The services that ran before.
pub(crate) fn ran(were: &Were) -> impl Fn(&ServiceName) -> bool + '_ {
    |name| were.iter().any(|(n, was)| n == name && was.ran())
}

/// The services that ran before and stayed up.
pub(crate) fn stayed_up(were: &Were) -> impl Fn(&ServiceName) -> bool + '_ {
    |name| were.iter().any(|(n, was)| n == name && *was == Was::Running)
}

/// The services of a plan. A plan without services needs no service manager; the system's own, where there is one, still
/// reads units that the run changes.
pub(crate) fn open(plan: &Plan) -> Result<Box<dyn Services>, ServiceError> {
    let open = || service::open(&plan.site.services, &plan.site.units, &plan.site.timeouts);
    match (plan.services.is_empty(), &plan.site.services) {
        (false, _) => open(),
        (true, ServiceAccess::System) => Ok(open().unwrap_or_else(|_| none())),
        (true, ServiceAccess::Commands(_)) => Ok(none()),
    }
}

/// The same, where the plan is about to be carried out, taken back or settled: its commands run as whoever does that, and
/// what they name must not have been changed by others meanwhile. What a probe runs is looked at when it is run: it may be what is to go
/// back.
///
/// # Errors
/// [`Refusal::Service`], [`Refusal::Distrusted`].
pub(crate) fn open_trusted(plan: &Plan) -> Result<Box<dyn Services>, Refusal> {
    let services = open(plan).map_err(Refusal::Service)?;
    check_programs(services.as_ref())?;
    Ok(services)
}

/// No services at all.
pub(crate) fn none() -> Box<dyn Services> {
    Box::new(Unasked(ServiceState::NotInstalled))
}

/// Services that are taken to be here, for looking at files alone.
pub(crate) fn assumed() -> Box<dyn Services> {
    Box::new(Unasked(ServiceState::Stopped))
}

/// Services of which all are in one state and none is ever asked or told anything.
struct Unasked(ServiceState);

impl Services for Unasked {
    fn state(&self, _: &ServiceName) -> Result<ServiceState, ServiceError> {
        Ok(self.0)
    }
    fn stop(&self, service: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
        Err(ServiceError::NotInstalled { service: service.clone() })
    }
    fn start(&self, service: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
        Err(ServiceError::NotInstalled { service: service.clone() })
    }
    fn start_hint(&self, _: &ServiceName) -> String {
        String::new()
    }
    fn programs(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// A cancel that nothing sets.
pub(crate) fn never() -> Cancel {
    Cancel::default()
}
