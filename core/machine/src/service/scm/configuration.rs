//! How the manager keeps a service, read whole and put back part by part.

use super::{
    handle::{Manager, Service, wide},
    needs,
    settings::{self, Change, list},
};
use crate::service::ServiceError;
use backout_protocol::{
    Configuration, ServiceName,
    configuration::{Part, Scm},
};
use std::io;
use windows_sys::Win32::System::Services::{SERVICE_AUTO_START, SERVICE_CHANGE_CONFIG, SERVICE_QUERY_CONFIG};

/// Accounts without a password, by the ends of their names: what has one cannot be given back, as nobody knows it.
const WITHOUT_PASSWORD: [&str; 3] = ["localsystem", "localservice", "networkservice"];

fn failed(service: &ServiceName) -> impl Fn(io::Error) -> ServiceError + '_ {
    |source| ServiceError::Configuration { service: service.clone(), source }
}

/// One whose display name was changed is found by its key.
fn open(service: &ServiceName, key: Option<&str>, access: u32) -> io::Result<Option<Service>> {
    let manager = Manager::open()?;
    match (manager.service(service, access)?, key) {
        (None, Some(key)) => manager.by_key(key, access),
        (found, _) => Ok(found),
    }
}

/// How a service is kept; `None`: it is not there. That it waits for a recovery is no part of it.
pub(super) fn read(
    service: &ServiceName,
    known: Option<&Configuration>,
) -> Result<Option<Configuration>, ServiceError> {
    let key = match known {
        Some(Configuration::Scm(scm)) => Some(scm.key.as_str()),
        _ => None,
    };
    let found = open(service, key, SERVICE_QUERY_CONFIG).and_then(|found| found.as_ref().map(of).transpose());
    found.map_err(failed(service))
}

fn of(service: &Service) -> io::Result<Configuration> {
    let kept = service.settings()?;
    Ok(Configuration::Scm(Scm {
        key: service.key.clone(),
        shown: kept.shown,
        kind: kept.kind,
        start: kept.start,
        delayed: service.is_delayed()?,
        error: kept.error,
        image: kept.command,
        account: kept.account,
        needs: needs::freed(&service.needs()?),
    }))
}

/// Whether this part can be put back.
pub(super) fn settable(part: Part, now: &Configuration, then: &Configuration) -> bool {
    let (Configuration::Scm(now), Configuration::Scm(then)) = (now, then) else { return false };
    match part {
        Part::Account => [&now.account, &then.account].into_iter().all(|account| has_no_password(account)),
        Part::Shown | Part::Kind | Part::Start | Part::Error | Part::Image | Part::Needs => true,
        Part::Enabled | Part::File | Part::DropIns => false,
    }
}

fn has_no_password(account: &str) -> bool {
    let own = account.to_lowercase().replace(' ', "");
    let name = own.strip_prefix(r"ntauthority\").or(own.strip_prefix(r".\")).unwrap_or(&own);
    WITHOUT_PASSWORD.contains(&name)
}

/// Makes these parts of a service so; durable once this returns. One that waits for a recovery waits on.
pub(super) fn write(service: &ServiceName, to: &Configuration, parts: &[Part]) -> Result<(), ServiceError> {
    let Configuration::Scm(to) = to else { return Ok(()) };
    let fail = failed(service);
    let access = SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG;
    let found = open(service, Some(&to.key), access).map_err(&fail)?;
    let found = found.ok_or_else(|| ServiceError::NotInstalled { service: service.clone() })?;
    let has = |part: Part| parts.contains(&part);
    let needed = |needs: &[String]| -> io::Result<Vec<u16>> {
        let waits = needs::waits(&found.needs()?);
        Ok(list(&if waits { needs::held(needs) } else { needs.to_vec() }))
    };
    let change = Change {
        kind: has(Part::Kind).then_some(to.kind),
        start: has(Part::Start).then_some(to.start),
        error: has(Part::Error).then_some(to.error),
        command: has(Part::Image).then(|| wide(&to.image)),
        needs: has(Part::Needs).then(|| needed(&to.needs)).transpose().map_err(&fail)?,
        account: has(Part::Account).then(|| wide(&to.account)),
        shown: has(Part::Shown).then(|| wide(&to.shown)),
    };
    found.change(&change).map_err(&fail)?;
    if has(Part::Start) && to.start == SERVICE_AUTO_START && found.is_delayed().map_err(&fail)? != to.delayed
    {
        found.set_delayed(to.delayed).map_err(&fail)?;
    }
    settings::flush().map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_without_a_password_are_known_by_every_name() {
        for own in
            ["LocalSystem", r"NT AUTHORITY\LocalService", r"NT Authority\Network Service", r".\LocalSystem"]
        {
            assert!(has_no_password(own), "{own}");
        }
        for other in [r".\spadmin", r"DOMAIN\LocalSystem", ""] {
            assert!(!has_no_password(other), "{other}");
        }
    }
}
