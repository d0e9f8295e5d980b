//! Services of the Windows service manager, by display name.
//!
//! A service is told once and then looked at. It counts as stopped when the manager says so and its process is gone:
//! a process that lingers still holds its files. One that the manager calls running and whose process is dead counts
//! as stopped: some managers take a while to notice.

mod configuration;
pub(crate) mod handle;
pub(crate) mod needs;
pub(crate) mod settings;

use super::{Companion, Needs, ServiceError, ServiceState, Services, Verb};
use crate::{
    Patience,
    patience::{Look, Wait},
    process::Watched,
};
use backout_protocol::{
    Configuration, HostPath, ServiceName, configuration::Part, plan::Tie, profile::Timeouts,
};
use handle::{Manager, Service, Status};
use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};
use windows_sys::Win32::{
    Foundation::{
        ERROR_DEPENDENT_SERVICES_RUNNING, ERROR_INTERNAL_ERROR, ERROR_SERVICE_ALREADY_RUNNING,
        ERROR_SERVICE_CANNOT_ACCEPT_CTRL, ERROR_SERVICE_DISABLED, ERROR_SERVICE_NOT_ACTIVE,
        ERROR_SERVICE_REQUEST_TIMEOUT, ERROR_SERVICE_SPECIFIC_ERROR,
    },
    System::Services::{
        SERVICE_ENUMERATE_DEPENDENTS, SERVICE_QUERY_CONFIG, SERVICE_QUERY_STATUS, SERVICE_RUNNING,
        SERVICE_START, SERVICE_START_PENDING, SERVICE_STOP, SERVICE_STOP_PENDING, SERVICE_STOPPED,
    },
};

const FIRST_POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_millis(250);
/// A service's own estimate of its next move is believed no further than this.
const LONGEST_HINT: Duration = Duration::from_secs(60);

/// The services that the system's own manager keeps.
#[derive(Debug, Clone, Copy)]
pub struct Scm {
    timeouts: Timeouts,
}

impl Scm {
    /// Takes the time-outs. The manager is asked nothing yet.
    pub fn new(timeouts: Timeouts) -> Self {
        Self { timeouts }
    }

    fn open(&self, service: &ServiceName, verb: Verb, access: u32) -> Result<Service, ServiceError> {
        match self.find(service, verb, access)? {
            Some(found) => Ok(found),
            None => Err(ServiceError::NotInstalled { service: service.clone() }),
        }
    }

    fn find(&self, service: &ServiceName, verb: Verb, access: u32) -> Result<Option<Service>, ServiceError> {
        Manager::open()
            .and_then(|manager| manager.service(service, access | SERVICE_QUERY_STATUS))
            .map_err(|source| unreachable(service, verb, source))
    }
}

fn unreachable(service: &ServiceName, verb: Verb, source: io::Error) -> ServiceError {
    ServiceError::Manager { service: service.clone(), verb, source }
}

/// One service while it is told something.
struct Told<'a> {
    name: &'a ServiceName,
    verb: Verb,
    handle: Service,
    seconds: u64,
    wait: Wait<'a>,
    moved: Moved,
}

/// How far a service has come by its own account. One that reports a move may take as long to the next as it said,
/// beyond the limit, but not beyond twice the limit.
struct Moved {
    state: u32,
    checkpoint: u32,
    until: Instant,
    last: Option<Instant>,
}

impl<'a> Told<'a> {
    fn new(name: &'a ServiceName, verb: Verb, handle: Service, patience: &Patience<'a>) -> Self {
        let now = Instant::now();
        let last = patience.limit.checked_mul(2).and_then(|twice| now.checked_add(twice));
        let moved = Moved { state: 0, checkpoint: 0, until: now, last };
        let wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        Self { name, verb, handle, seconds: patience.limit.as_secs(), wait, moved }
    }

    fn status(&mut self) -> Result<Status, ServiceError> {
        let status = self.handle.status().map_err(|source| unreachable(self.name, self.verb, source))?;
        let moved = &mut self.moved;
        if (moved.state, moved.checkpoint) != (status.state, status.checkpoint) {
            (moved.state, moved.checkpoint) = (status.state, status.checkpoint);
            moved.until = Instant::now() + status.hint.min(LONGEST_HINT);
        }
        Ok(status)
    }

    /// Pauses once. At the limit `words` say what was still missing.
    fn pause(&mut self, words: &str) -> Result<(), ServiceError> {
        match self.wait.pause() {
            Look::Again => Ok(()),
            Look::TimeUp if self.may_go_on() => {
                std::thread::sleep(LONGEST_POLL);
                Ok(())
            }
            Look::TimeUp => Err(ServiceError::TimedOut {
                service: self.name.clone(),
                verb: self.verb,
                seconds: self.seconds,
                said: words.to_owned(),
            }),
            Look::Cancelled => Err(ServiceError::Cancelled { service: self.name.clone(), verb: self.verb }),
        }
    }

    fn may_go_on(&self) -> bool {
        let now = Instant::now();
        let pending = [SERVICE_START_PENDING, SERVICE_STOP_PENDING].contains(&self.moved.state);
        pending && now < self.moved.until && self.moved.last.is_some_and(|last| now < last)
    }

    fn refused(&self, source: io::Error) -> ServiceError {
        unreachable(self.name, self.verb, source)
    }

    /// Sends STOP once. A control that the manager did not pass on was not sent.
    fn send_stop(&mut self) -> Result<(), ServiceError> {
        loop {
            let Err(error) = self.handle.send_stop() else { return Ok(()) };
            match code(&error) {
                // It was passed on and not answered: what became of it is seen.
                ERROR_SERVICE_REQUEST_TIMEOUT | ERROR_SERVICE_NOT_ACTIVE => return Ok(()),
                ERROR_SERVICE_CANNOT_ACCEPT_CTRL => {
                    if self.status()?.state == SERVICE_STOP_PENDING {
                        return Ok(());
                    }
                    self.pause("it takes no controls yet")?;
                }
                ERROR_DEPENDENT_SERVICES_RUNNING => {
                    let dependents = self.handle.active_dependents().unwrap_or_default();
                    return Err(ServiceError::DependentsRun { service: self.name.clone(), dependents });
                }
                _ => return Err(self.refused(error)),
            }
        }
    }

    /// Sends START. A manager that calls it an error of its own has started nothing: it is told once more.
    fn send_start(&mut self) -> Result<(), ServiceError> {
        let mut again = true;
        loop {
            let Err(error) = self.handle.send_start() else { return Ok(()) };
            match code(&error) {
                ERROR_SERVICE_ALREADY_RUNNING => return Ok(()),
                ERROR_SERVICE_DISABLED => {
                    return Err(ServiceError::Disabled { service: self.name.clone() });
                }
                ERROR_INTERNAL_ERROR if again => {
                    again = false;
                    log::info!("the service manager could not start {}: {error}; once more", self.name);
                    self.pause("the service manager fails to start it")?;
                }
                _ => return Err(self.refused(error)),
            }
        }
    }

    /// Waits until it is stopped and its process gone.
    fn see_stopped(&mut self, process: Option<&Watched>) -> Result<(), ServiceError> {
        loop {
            let status = self.status()?;
            let stopped = status.state == SERVICE_STOPPED;
            match process {
                Some(process) if process.is_gone() => return Ok(()),
                // A process that it shares with others goes on.
                None if stopped || status.is_dead() => return Ok(()),
                Some(_) if stopped && !status.own_process() => return Ok(()),
                Some(_) | None => {}
            }
            let words = format!("the service manager calls it {}", status.words());
            self.pause(&words).map_err(|e| match (e, process) {
                (ServiceError::TimedOut { service, .. }, Some(process)) if stopped => {
                    ServiceError::Lingers { service, process: process.process.clone() }
                }
                (e, _) => e,
            })?;
        }
    }

    /// Waits until it runs; one that ends meanwhile did not start.
    fn see_running(&mut self) -> Result<(), ServiceError> {
        loop {
            let status = self.status()?;
            match status.state {
                SERVICE_RUNNING if !status.is_dead() => return Ok(()),
                SERVICE_STOPPED => {
                    let code = if status.exit == ERROR_SERVICE_SPECIFIC_ERROR {
                        status.own_exit
                    } else {
                        status.exit
                    };
                    let said = match code == status.own_exit && code != status.exit {
                        true => format!("an error of its own, {code}"),
                        false => io::Error::from_raw_os_error(code.cast_signed()).to_string(),
                    };
                    let (service, code) = (self.name.clone(), Some(code.cast_signed()));
                    return Err(ServiceError::Refused { service, verb: self.verb, code, said });
                }
                _ => {}
            }
            self.pause(&format!("the service manager calls it {}", status.words()))?;
        }
    }
}

fn code(error: &io::Error) -> u32 {
    error.raw_os_error().map_or(0, i32::cast_unsigned)
}

impl Services for Scm {
    /// One that is between two states is waited for, as long as a status may take.
    fn state(&self, service: &ServiceName) -> Result<ServiceState, ServiceError> {
        let access = SERVICE_QUERY_CONFIG;
        let Some(handle) = self.find(service, Verb::Status, access)? else {
            return Ok(ServiceState::NotInstalled);
        };
        let patience = Patience::firm(Duration::from_secs(self.timeouts.status.into()));
        let mut told = Told::new(service, Verb::Status, handle, &patience);
        loop {
            let status = told.status()?;
            if status.state == SERVICE_STOPPED || status.is_dead() {
                return Ok(ServiceState::Stopped);
            }
            if status.state != SERVICE_START_PENDING && status.state != SERVICE_STOP_PENDING {
                break;
            }
            // At boot it waits for the recovery, which would wait for it.
            if status.is_waiting() && told.handle.needs().is_ok_and(|all| needs::waits(&all)) {
                return Ok(ServiceState::Restarting);
            }
            told.pause(&format!("the service manager calls it {}", status.words()))?;
        }
        // It runs, or is paused: its process and its files are in use.
        let settings = told.handle.settings().map_err(|source| told.refused(source))?;
        if settings.is_disabled() {
            return Err(ServiceError::Disabled { service: service.clone() });
        }
        Ok(ServiceState::Running)
    }

    fn stop(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        let handle = self.open(service, Verb::Stop, SERVICE_STOP | SERVICE_ENUMERATE_DEPENDENTS)?;
        let mut told = Told::new(service, Verb::Stop, handle, patience);
        let mut status = told.status()?;
        while status.state == SERVICE_START_PENDING && !status.is_dead() {
            told.pause("it is still starting")?;
            status = told.status()?;
        }
        // Taken before it is told: once it is stopped the manager no longer says which process was its.
        let process = status.process();
        if status.state != SERVICE_STOPPED && status.state != SERVICE_STOP_PENDING && !status.is_dead() {
            log::info!("stopping the service {service}");
            told.send_stop()?;
        }
        told.see_stopped(process.as_ref())
    }

    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        let handle = self.open(service, Verb::Start, SERVICE_START)?;
        let mut told = Told::new(service, Verb::Start, handle, patience);
        let mut status = told.status()?;
        while status.state == SERVICE_STOP_PENDING && !status.is_dead() {
            told.pause("it is still stopping")?;
            status = told.status()?;
        }
        if status.state == SERVICE_STOPPED || status.is_dead() {
            log::info!("starting the service {service}");
            told.send_start()?;
        }
        told.see_running()
    }

    fn start_hint(&self, service: &ServiceName) -> String {
        format!("net start \"{service}\"")
    }

    fn configuration(
        &self,
        service: &ServiceName,
        known: Option<&Configuration>,
    ) -> Result<Option<Configuration>, ServiceError> {
        configuration::read(service, known)
    }

    fn settable(&self, part: Part, now: &Configuration, then: &Configuration, _: &[HostPath]) -> bool {
        configuration::settable(part, now, then)
    }

    fn configure(
        &self,
        service: &ServiceName,
        to: &Configuration,
        parts: &[Part],
    ) -> Result<(), ServiceError> {
        configuration::write(service, to, parts)
    }

    /// Those that need it and run. The manager refuses to stop a service before them, and says them in the order in which
    /// they can be stopped.
    fn companions(&self, service: &ServiceName) -> Result<Vec<Companion>, ServiceError> {
        let access = SERVICE_ENUMERATE_DEPENDENTS;
        let Some(handle) = self.find(service, Verb::Status, access)? else { return Ok(Vec::new()) };
        let dependents =
            handle.active_dependents().map_err(|source| unreachable(service, Verb::Status, source))?;
        Ok(dependents.into_iter().map(|name| Companion { name, tie: Tie::Dependent }).collect())
    }

    fn needs(&self, services: &[ServiceName]) -> Result<Vec<Needs>, ServiceError> {
        needs::read(services)
    }

    fn hold_back(&self, needs: &[Needs]) -> Result<(), ServiceError> {
        needs::hold_back(needs)
    }

    fn let_go(&self, needs: &[Needs]) -> Result<(), ServiceError> {
        needs::let_go(needs)
    }

    /// The manager runs what it was told at installation: nothing that is named here.
    fn programs(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}
