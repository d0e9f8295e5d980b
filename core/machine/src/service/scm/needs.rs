//! Holding services back: each needs the recovery at boot, as long as its run is not settled.
//!
//! The manager starts the recovery before a service that needs it, and does not start the service if the recovery
//! ends with an error, or is not there at all. So it holds at boot and at any time.

use super::{
    handle::{Manager, Service},
    settings,
};
use crate::{
    service::{Needs, ServiceError},
    startup::SERVICE,
};
use backout_protocol::ServiceName;
use std::io;
use windows_sys::Win32::System::Services::{SERVICE_CHANGE_CONFIG, SERVICE_QUERY_CONFIG};

/// Whether this list has the recovery at boot in it.
pub(super) fn waits(needs: &[String]) -> bool {
    needs.iter().any(|one| one.eq_ignore_ascii_case(SERVICE))
}

/// The list with the recovery at boot behind what it holds already.
pub(super) fn held(needs: &[String]) -> Vec<String> {
    let mut held = needs.to_vec();
    if !waits(needs) {
        held.push(SERVICE.to_owned());
    }
    held
}

/// The list without the recovery at boot; others stay, in their order.
pub(super) fn freed(needs: &[String]) -> Vec<String> {
    needs.iter().filter(|one| !one.eq_ignore_ascii_case(SERVICE)).cloned().collect()
}

fn fail(service: &ServiceName) -> impl Fn(io::Error) -> ServiceError + '_ {
    |source| ServiceError::Needs { service: service.clone(), source }
}

fn open(service: &ServiceName) -> Result<Option<Service>, ServiceError> {
    let opened =
        Manager::open().and_then(|m| m.service(service, SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG));
    opened.map_err(fail(service))
}

/// What each needs now. Opened for a change as well, so that one which may not be changed is seen in time.
pub(super) fn read(services: &[ServiceName]) -> Result<Vec<Needs>, ServiceError> {
    let mut all = Vec::new();
    for name in services {
        let Some(service) = open(name)? else { continue };
        let on = service.needs().map_err(fail(name))?;
        // What an earlier run left is not what the service was installed with.
        all.push((name.clone(), freed(&on)));
    }
    Ok(all)
}

/// Durable once this returns. If we die in here, some wait for the recovery and some do not: no file is touched yet.
pub(super) fn hold_back(needs: &[Needs]) -> Result<(), ServiceError> {
    change(needs, |_, now| held(now))
}

/// Durable once this returns. One whose list is as backout left it gets the one it had, whole; from a list that
/// somebody else has changed meanwhile only the recovery is taken.
pub(super) fn let_go(needs: &[Needs]) -> Result<(), ServiceError> {
    change(needs, |before, now| if *now == held(before) { before.to_vec() } else { freed(now) })
}

fn change(needs: &[Needs], wanted: impl Fn(&[String], &[String]) -> Vec<String>) -> Result<(), ServiceError> {
    let mut changed = None;
    for (name, before) in needs {
        let Some(service) = open(name)? else { continue };
        let now = service.needs().map_err(fail(name))?;
        let wanted = wanted(before, &now);
        if wanted != now {
            service.set_needs(&wanted).map_err(fail(name))?;
            changed = Some(name);
        }
    }
    changed.map_or(Ok(()), |name| settings::flush().map_err(fail(name)))
}

/// Frees a service, by the name of its key, from what no run knows any more.
pub(crate) fn free(key: &str) -> io::Result<()> {
    let access = SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG;
    let Some(service) = Manager::open()?.by_key(key, access)? else { return Ok(()) };
    let now = service.needs()?;
    if waits(&now) { service.set_needs(&freed(&now)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recovery_comes_last_and_goes_alone() {
        let before = ["RpcSs".to_owned(), "+TDI".to_owned()];
        let with = held(&before);
        assert_eq!(with, ["RpcSs", "+TDI", SERVICE]);
        assert_eq!(held(&with), with);
        assert_eq!(freed(&with), before);
        assert!(waits(&["BACKOUT-recovery".to_owned()]));
    }
}
