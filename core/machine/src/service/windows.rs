//! Windows: the system's own manager knows services by display name.

pub(crate) mod scm;

pub use scm::Scm;

use super::{Companion, Needs, ServiceError, ServiceState, Services, Verb};
use backout_protocol::{ServiceName, profile::Timeouts};
use std::collections::BTreeMap;

/// The services of the system's own manager, which has no units.
pub(super) fn system(
    _units: &BTreeMap<ServiceName, String>,
    timeouts: &Timeouts,
) -> Result<Box<dyn Services>, ServiceError> {
    Ok(Box::new(Scm::new(*timeouts)))
}
