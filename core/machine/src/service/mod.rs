//! Services by display name: what they are doing, and making them stop and start.

mod commands;
mod error;
#[cfg(windows)]
mod scm;

pub use crate::Patience;
pub use commands::Commands;
pub use error::ServiceError;
#[cfg(windows)]
pub use scm::Scm;

use backout_protocol::{ServiceName, profile::Timeouts, site::ServiceAccess};
use std::{fmt, path::PathBuf};

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// There is no such service on this machine.
    NotInstalled,
    /// It runs.
    Running,
    /// It is there and does not run.
    Stopped,
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

/// The services of this machine, however they are reached.
pub trait Services: Send + Sync {
    /// Asks what a service is doing.
    fn state(&self, service: &ServiceName) -> Result<ServiceState, ServiceError>;

    /// Tells a service to stop, once, and waits until it is seen stopped.
    ///
    /// A failure says nothing about what the service is doing now: it may still be stopping.
    fn stop(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError>;

    /// Tells a service to start, once, and waits until it is seen running.
    ///
    /// A failure says nothing about what the service is doing now: it may still be starting.
    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError>;

    /// The command with which a person starts it.
    fn start_hint(&self, service: &ServiceName) -> String;

    /// Every program and script that any of this would run, for the check whether they are to be trusted.
    fn programs(&self) -> Vec<PathBuf>;
}

/// Opens the way to the services that the site names. Asks none of them anything yet.
///
/// Fails with [`ServiceError::NoManager`] where the system's own manager is asked for and backout does not speak to
/// it, and with [`ServiceError::NotAbsolute`] on a command whose program is not an absolute path.
pub fn open(access: &ServiceAccess, timeouts: &Timeouts) -> Result<Box<dyn Services>, ServiceError> {
    match access {
        ServiceAccess::System => system(timeouts),
        ServiceAccess::Commands(sets) => Ok(Box::new(Commands::new(sets.clone(), *timeouts)?)),
    }
}

#[cfg(windows)]
fn system(timeouts: &Timeouts) -> Result<Box<dyn Services>, ServiceError> {
    Ok(Box::new(Scm::new(*timeouts)))
}

#[cfg(not(windows))]
fn system(_: &Timeouts) -> Result<Box<dyn Services>, ServiceError> {
    Err(ServiceError::NoManager)
}
