//! Linux: the system's own manager is systemd.

mod hold;
mod systemctl;
pub(crate) mod unit;

pub use systemctl::Systemctl;
pub(crate) use systemctl::{program as systemctl_program, systemd_runs};

use super::{Companion, Hold, ServiceError, ServiceState, Services};
use backout_protocol::{ServiceName, profile::Timeouts};
use std::collections::BTreeMap;

/// The services of the system's own manager.
pub(super) fn system(
    units: &BTreeMap<ServiceName, String>,
    timeouts: &Timeouts,
) -> Result<Box<dyn Services>, ServiceError> {
    Ok(Box::new(Systemctl::new(units, *timeouts)?))
}
