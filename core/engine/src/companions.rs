//! What the system's manager stops with a run's services, or starts them by: held down during the window like the
//! services themselves.

use crate::quiesce::{Were, ran};
use backout_machine::service::{ServiceError, Services};
use backout_protocol::{
    ServiceName,
    plan::{PlannedService, Tie, Was},
};

/// A service that runs, goes down with one of these or starts it, and is not among them.
///
/// # Errors
/// One of them cannot be asked.
pub(crate) fn joined(
    planned: &[PlannedService],
    services: &dyn Services,
) -> Result<Option<ServiceName>, ServiceError> {
    for service in planned {
        for companion in services.companions(&service.name)? {
            let known = planned.iter().any(|s| s.name == companion.name);
            if !known && services.state(&companion.name)?.was().ran() {
                return Ok(Some(companion.name));
            }
        }
    }
    Ok(None)
}

/// The services that a run names, as they are now: those that run start again.
///
/// # Errors
/// One of them cannot be asked.
pub(crate) fn named(
    planned: &[PlannedService],
    services: &dyn Services,
) -> Result<Vec<PlannedService>, ServiceError> {
    let now = |s: &PlannedService| {
        let was = services.state(&s.name)?.was();
        Ok(PlannedService { name: s.name.clone(), was, start: was.ran(), tie: s.tie })
    };
    planned.iter().filter(|s| s.tie == Tie::Named).map(now).collect()
}

/// The run's services with their companions that run now, in stop order: what could start a service goes down first,
/// then what needs it, then it.
pub(crate) fn with_companions(
    named: Vec<PlannedService>,
    services: &dyn Services,
) -> Result<Vec<PlannedService>, ServiceError> {
    let mut all = named;
    for at in 0..all.len() {
        for companion in services.companions(&all[at].name)? {
            let known = all.iter().any(|s| s.name == companion.name);
            if known {
                continue;
            }
            let was = services.state(&companion.name)?.was();
            if was.ran() {
                let (name, tie) = (companion.name, companion.tie);
                all.push(PlannedService { name, was, start: true, tie });
            }
        }
    }
    sort(&mut all);
    Ok(all)
}

/// Into stop order.
fn sort(all: &mut [PlannedService]) {
    all.sort_by_key(|s| match s.tie {
        Tie::Socket | Tie::Trigger => 0,
        Tie::Dependent => 1,
        Tie::Named => 2,
    });
}

/// For a way back to what the services `were` among those `known` then: companions that ran and do not now, perhaps as their
/// units are gone, run again; those that have come up since do not, as theirs may go with them.
pub(crate) fn as_they_were(
    planned: &mut Vec<PlannedService>,
    known: &[PlannedService],
    were: &mut Were,
    services: &dyn Services,
) -> Result<(), ServiceError> {
    for service in known.iter().filter(|s| s.tie != Tie::Named && ran(were)(&s.name)) {
        if !planned.iter().any(|s| s.name == service.name) {
            let was = services.state(&service.name)?.was();
            planned.push(PlannedService { was, start: true, ..service.clone() });
        }
    }
    sort(planned);
    for service in planned.iter().filter(|s| s.tie != Tie::Named) {
        if !were.iter().any(|(name, _)| *name == service.name) {
            were.push((service.name.clone(), Was::Stopped));
        }
    }
    Ok(())
}
