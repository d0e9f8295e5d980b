//! A site file: this machine's answers. CONTRACT; every field is optional.

use crate::{HostPath, ServiceName, profile::Probe, profile::Timeouts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// This machine's answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Values of the profile's variables.
    pub vars: BTreeMap<String, HostPath>,
    /// How services are reached.
    pub services: ServiceAccess,
    /// With [`ServiceAccess::System`] on Linux: the unit of each service. A service that is not named here is looked for
    /// under its own name.
    pub units: BTreeMap<ServiceName, String>,
    /// Other waiting times than the profile's.
    pub timeouts: SiteTimeouts,
    /// Probes beside the profile's.
    pub health: Vec<Probe>,
    /// The program that runs when a service does, where the profile gives none or another; see
    /// [`ServiceUse::image`](crate::profile::ServiceUse::image).
    pub images: BTreeMap<ServiceName, String>,
}

/// How services are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAccess {
    /// The system's own service manager.
    #[default]
    System,
    /// A command each to start, stop and ask. A service without an entry is not installed.
    Commands(BTreeMap<ServiceName, CommandSet>),
}

/// The commands of one service: program (an absolute path) and arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSet {
    /// Starts it and returns.
    pub start: Vec<String>,
    /// Stops it and returns.
    pub stop: Vec<String>,
    /// Exits 0 if it is running, 3 if it is stopped.
    pub status: Vec<String>,
}

/// Waiting times that a site changes, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteTimeouts {
    /// See [`Timeouts::stop`].
    pub stop: Option<u32>,
    /// See [`Timeouts::start`].
    pub start: Option<u32>,
    /// See [`Timeouts::status`].
    pub status: Option<u32>,
    /// See [`Timeouts::exit`].
    pub exit: Option<u32>,
    /// See [`Timeouts::settle`].
    pub settle: Option<u32>,
}

impl SiteTimeouts {
    /// The profile's times with these put over them.
    pub fn over(self, profile: Timeouts) -> Timeouts {
        Timeouts {
            stop: self.stop.unwrap_or(profile.stop),
            start: self.start.unwrap_or(profile.start),
            status: self.status.unwrap_or(profile.status),
            exit: self.exit.unwrap_or(profile.exit),
            settle: self.settle.unwrap_or(profile.settle),
        }
    }
}
