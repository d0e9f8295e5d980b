//! What can go wrong with a service.

use super::Verb;
use crate::{
    command::{exit, quote},
    process::Process,
};
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
    /// There is no manager of services here that backout speaks to.
    #[error(
        "the system's own service manager is asked for, and none that backout speaks to manages this machine\n\
         name the commands of each service in a site file"
    )]
    NoManager,
    /// A unit that systemd cannot have, or that is not stopped and started as a service is.
    #[error("the service `{service}` cannot be the unit `{unit}`: {why}")]
    BadUnit {
        /// The service.
        service: ServiceName,
        /// As it stands in the site file.
        unit: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It runs, or is about to, and systemd would not start it again.
    #[error(
        "the service `{service}` runs, but once stopped it could not be started again: its unit `{unit}` is {load}"
    )]
    Unstartable {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
        /// What systemd says of it: `masked`, `not-found`, `bad-setting`…
        load: String,
    },
    /// It was told to stop before, and is not down yet.
    #[error("the service `{service}` is still stopping: its unit `{unit}` is {words}")]
    StillStopping {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
        /// Its state in systemd's words.
        words: String,
    },
    /// It was not started, as a condition of its unit is not met.
    #[error("the service `{service}` was not started: a condition of its unit `{unit}` is not met")]
    Skipped {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
    },
    /// It was started and did not stay up.
    #[error("the service `{service}` was started and did not stay up: its unit `{unit}` is {how}")]
    Fell {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
        /// How it ended, in systemd's words, with the end of its log.
        how: String,
    },
    /// systemd does not answer.
    #[error("systemd does not tell about the service `{service}`, its unit `{unit}` ({}){}", exit(*.code), quote(.said))]
    Unanswered {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
        /// The exit code; `None`: ended by a signal.
        code: Option<i32>,
        /// The end of what `systemctl` printed.
        said: String,
    },
    /// systemd's answer makes no sense.
    #[error("systemd's answer about the service `{service}`, its unit `{unit}`, makes no sense{}", quote(.said))]
    Unclear {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
        /// The part that makes none.
        said: String,
    },
    /// The manager did not read its configuration again.
    #[error("the service manager did not read its configuration again: `{argv}` failed ({}){}", exit(*.code), quote(.said))]
    Reload {
        /// Program and arguments as a person types them.
        argv: String,
        /// The exit code; `None`: ended by a signal, or not at all.
        code: Option<i32>,
        /// The end of what it printed.
        said: String,
    },
    /// No configuration of the manager can name the file that would hold services back.
    #[error("services cannot be held back while a run is not settled: {why}")]
    Unholdable {
        /// What is in the way.
        why: String,
    },
    /// Its unit does one thing and ends, and is at it.
    #[error("the unit `{unit}` of the service `{service}` is just at work; it ends by itself")]
    AtWork {
        /// The service.
        service: ServiceName,
        /// Its unit.
        unit: String,
    },
    /// The system's service manager does not do or tell what it is asked for.
    #[error("the service manager does not let the service `{service}` {verb}")]
    Manager {
        /// The service.
        service: ServiceName,
        /// What was asked for.
        verb: Verb,
        /// Why.
        source: io::Error,
    },
    /// The manager does not let it wait for the recovery at boot, or does not tell what it waits for.
    #[error("the service manager does not let the service `{service}` depend on the recovery at boot")]
    Needs {
        /// The service.
        service: ServiceName,
        /// Why.
        source: io::Error,
    },
    /// The manager does not tell how the service is configured, or does not change it.
    #[error("the service manager does not tell or change how the service `{service}` is configured")]
    Configuration {
        /// The service.
        service: ServiceName,
        /// Why.
        source: io::Error,
    },
    /// It runs, or is to run, and the system's service manager would not start it.
    #[error("the service `{service}` cannot be started: its start type is \"disabled\"")]
    Disabled {
        /// The service.
        service: ServiceName,
    },
    /// It cannot be stopped before others.
    #[error("the service `{service}` cannot be stopped while others that need it run: {}", names(.dependents))]
    DependentsRun {
        /// The service.
        service: ServiceName,
        /// The others, in the order in which they can be stopped.
        dependents: Vec<ServiceName>,
    },
    /// It is stopped, and its process goes on.
    #[error("the service `{service}` is stopped, but its process {} (`{}`) is still there", process.pid, process.image)]
    Lingers {
        /// The service.
        service: ServiceName,
        /// Its process.
        process: Process,
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

fn names(services: &[ServiceName]) -> String {
    services.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ")
}
