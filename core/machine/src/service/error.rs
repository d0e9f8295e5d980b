//! What can go wrong with a service.

use super::Verb;
use crate::command::{exit, quote};
use backout_protocol::ServiceName;
use std::io;

/// A service that did not do as told, or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Its command could not be run.
    #[error("the service `{service}` cannot be reached: `{argv}` cannot be run")]
    Spawn {
        /// The service.
        service: ServiceName,
        /// Program and arguments as a person types them.
        argv: String,
        /// Why.
        source: io::Error,
    },
    /// Its command ended with a failure.
    #[error("the service `{service}` refused to {verb} ({}){}", exit(*.code), quote(.said))]
    Refused {
        /// The service.
        service: ServiceName,
        /// What it was told.
        verb: Verb,
        /// The exit code; `None`: ended by a signal.
        code: Option<i32>,
        /// The end of what the command printed.
        said: String,
    },
    /// It was told, and was not seen to have done so in time.
    #[error("the service `{service}` did not {verb} within {seconds} s{}", quote(.said))]
    TimedOut {
        /// The service.
        service: ServiceName,
        /// What it was told.
        verb: Verb,
        /// How long it had.
        seconds: u64,
        /// The end of what the command printed.
        said: String,
    },
    /// Its status command says neither running nor stopped.
    #[error(
        "the status of the service `{service}` is neither 0 (running) nor 3 (stopped): {}{}", exit(*.code), quote(.said)
    )]
    Nonsense {
        /// The service.
        service: ServiceName,
        /// The exit code; `None`: ended by a signal.
        code: Option<i32>,
        /// The end of what the command printed.
        said: String,
    },
    /// Its status command did not end in time.
    #[error("the status command of the service `{service}` did not end within {seconds} s{}", quote(.said))]
    StatusTimedOut {
        /// The service.
        service: ServiceName,
        /// How long it had.
        seconds: u64,
        /// The end of what the command printed.
        said: String,
    },
    /// The wait was called off. What the service is doing now is not known.
    #[error("called off while waiting for the service `{service}` to {verb}")]
    Cancelled {
        /// The service.
        service: ServiceName,
        /// What it was told.
        verb: Verb,
    },
    /// The system's own service manager is not one that this version speaks to.
    #[error(
        "no service manager that this version speaks to (systemd) runs this machine\nname the commands of each service in a site file"
    )]
    NoManager,
    /// What the site names as its unit cannot be one.
    #[error("`{unit}`, which the site names as the unit of the service `{service}`, cannot be one")]
    NotAUnit {
        /// The service.
        service: ServiceName,
        /// As it stands in the site.
        unit: String,
    },
    /// It runs, and its unit is masked: once stopped it could not be started again.
    #[error(
        "the service `{service}` runs, but its unit `{unit}` is masked: once stopped it could not be started again"
    )]
    Masked {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
    },
    /// The manager does not say what it is doing.
    #[error("what the service `{service}` is doing cannot be told{}", quote(.said))]
    Unclear {
        /// The service.
        service: ServiceName,
        /// What the manager said.
        said: String,
    },
    /// The manager does not read its configuration again.
    #[error("the service manager does not read its configuration again{}", quote(.said))]
    Reload {
        /// What it said.
        said: String,
    },
    /// There is no such service.
    #[error("the service `{service}` is not installed")]
    NotInstalled {
        /// The service.
        service: ServiceName,
    },
    /// A command's program is not named by an absolute path.
    #[error(
        "the {verb} command of the service `{service}` names its program `{program}`, which is no absolute path"
    )]
    NotAbsolute {
        /// The service.
        service: ServiceName,
        /// Which command.
        verb: Verb,
        /// As it stands in the site file.
        program: String,
    },
}
