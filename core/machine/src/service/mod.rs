//! Services by display name: what they are doing, and making them stop and start.

mod commands;
mod error;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

pub use crate::Patience;
pub use commands::Commands;
pub use error::ServiceError;
pub use os::*;

use backout_protocol::{
    Configuration, HostPath, ServiceName,
    configuration::Part,
    plan::{Tie, Was},
    profile::Timeouts,
    site::ServiceAccess,
};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    path::{Path, PathBuf},
};

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// There is no such service on this machine.
    NotInstalled,
    /// It runs.
    Running,
    /// It has been told to start and is not up yet; processes of it may live. It ran, as far as a plan is concerned;
    /// whether it will be well is not known yet.
    Starting,
    /// It does not run, and the manager will start it again by itself in a moment. It ran, as far as a plan is
    /// concerned; it is not well, as far as a health check is.
    Restarting,
    /// It is there and does not run.
    Stopped,
}

impl ServiceState {
    /// What a run that begins now remembers of it. A service that is not installed counts as stopped.
    pub fn was(self) -> Was {
        match self {
            ServiceState::Running | ServiceState::Starting => Was::Running,
            ServiceState::Restarting => Was::Restarting,
            ServiceState::Stopped | ServiceState::NotInstalled => Was::Stopped,
        }
    }
}

/// What a service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// To stop.
    Stop,
    /// To start.
    Start,
    /// To say what it is doing.
    Status,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Stop => "stop",
            Verb::Start => "start",
            Verb::Status => "status",
        })
    }
}

/// Something that comes and goes with a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// What [`Services`] knows it by.
    pub name: ServiceName,
    /// What it has to do with the service.
    pub tie: Tie,
}

/// A file that keeps services from being started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its absolute path. Its folder may be missing.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A service, and what it needs before it starts, in its manager's own names and order.
pub type Needs = (ServiceName, Vec<String>);

/// The services of this machine, however they are reached.
pub trait Services: Send + Sync {
    /// Asks what a service is doing.
    fn state(&self, service: &ServiceName) -> Result<ServiceState, ServiceError>;

    /// Tells a service to stop, once, and waits until it is seen stopped.
    ///
    /// A failure says nothing about what the service is doing now: it may still be stopping.
    fn stop(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError>;

    /// Makes every stop command from now on hold this file open until it has ended; `None`: none any more, and the file
    /// is closed here. Who tells a manager without a command has no use for it.
    fn mark_stops(&self, _held: Option<File>) {}

    /// Tells a service to start, once, and waits until it is seen running.
    ///
    /// A failure says nothing about what the service is doing now: it may still be starting.
    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError>;

    /// Tells it to start and does not wait for it: a manager that has started it over and over does so again.
    ///
    /// # Errors
    /// It could not be told.
    fn set_going(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.start(service, patience)
    }

    /// The command with which a person starts it.
    fn start_hint(&self, service: &ServiceName) -> String;

    /// How the manager keeps this service; `None`: it is not there, or its manager keeps nothing of it. `known`: how it was kept
    /// once, by which one is found that has another name now.
    ///
    /// # Errors
    /// The manager does not tell.
    fn configuration(
        &self,
        _service: &ServiceName,
        _known: Option<&Configuration>,
    ) -> Result<Option<Configuration>, ServiceError> {
        Ok(None)
    }

    /// Whether [`Services::configure`] can make this part what it was `then`, and `now` again. `roots`: folders whose files go
    /// back beside it, which may be where the manager keeps that part.
    fn settable(
        &self,
        _part: Part,
        _now: &Configuration,
        _then: &Configuration,
        _roots: &[HostPath],
    ) -> bool {
        false
    }

    /// Whether this part is told by files that all lie in these folders: it is what it was once they are.
    fn is_of_files(
        &self,
        _part: Part,
        _now: &Configuration,
        _then: &Configuration,
        _roots: &[HostPath],
    ) -> bool {
        false
    }

    /// Makes these parts of a service so, from wherever they are; durable once this returns. Nothing else of it changes.
    ///
    /// # Errors
    /// The manager does not do it.
    fn configure(
        &self,
        service: &ServiceName,
        _to: &Configuration,
        _parts: &[Part],
    ) -> Result<(), ServiceError> {
        Err(ServiceError::NotInstalled { service: service.clone() })
    }

    /// What else the manager stops with this service or starts it by. Empty where there is no such thing.
    fn companions(&self, _service: &ServiceName) -> Result<Vec<Companion>, ServiceError> {
        Ok(Vec::new())
    }

    /// Files that keep the manager from starting these services, at boot or at any time, while `unsettled` exists. They
    /// count once they are written and [`Services::reload`] was called, or the machine has booted. Empty where the
    /// manager starts nothing, or cannot be kept from it.
    ///
    /// # Errors
    /// [`ServiceError::Unholdable`].
    fn holds(&self, _services: &[ServiceName], _unsettled: &Path) -> Result<Vec<Hold>, ServiceError> {
        Ok(Vec::new())
    }

    /// What these services need before they start, where they are held back by making them need the recovery at boot.
    /// Empty where the manager knows another way. Fails where one could not be held back.
    fn needs(&self, _services: &[ServiceName]) -> Result<Vec<Needs>, ServiceError> {
        Ok(Vec::new())
    }

    /// Makes these services need the recovery at boot, besides what they need; durable once this returns.
    fn hold_back(&self, _needs: &[Needs]) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Takes back what [`Services::hold_back`] did, whole or in part: each needs again what it did. What somebody else has
    /// made it need meanwhile stays.
    fn let_go(&self, _needs: &[Needs]) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Makes the manager read its configuration again.
    fn reload(&self) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Whether the manager reads this file or link, so that [`Services::reload`] is due when it has changed.
    fn is_configuration(&self, _path: &Path) -> bool {
        false
    }

    /// Every program and script that any of this would run, for the check whether they are to be trusted.
    fn programs(&self) -> Vec<PathBuf>;
}

/// Opens the way to the services that the site names. Asks none of them anything yet.
///
/// Fails with [`ServiceError::NoManager`] where the system's own manager is asked for and backout does not speak to
/// it, with [`ServiceError::BadUnit`] on a unit that systemd cannot have, and with [`ServiceError::NotAbsolute`] on a
/// command whose program is not an absolute path.
pub fn open(
    access: &ServiceAccess,
    units: &BTreeMap<ServiceName, String>,
    timeouts: &Timeouts,
) -> Result<Box<dyn Services>, ServiceError> {
    match access {
        ServiceAccess::System => os::system(units, timeouts),
        ServiceAccess::Commands(sets) => Ok(Box::new(Commands::new(sets.clone(), *timeouts)?)),
    }
}
