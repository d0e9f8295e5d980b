//! Services that are systemd's units, reached by `systemctl`.
//!
//! Each order is given once, and `systemctl` waits for the manager's job: its own words about a job that fails say
//! more than the unit's state does. The job is the manager's, so ending a `systemctl` that waits too long changes
//! nothing about it. What counts in the end is what `systemctl show` says. As root, `systemctl` speaks to the manager
//! itself and needs no bus, so all this works early in boot too.

mod ask;
mod companions;
mod configuration;
mod enabling;
mod orders;

use super::{Companion, Hold, ServiceError, ServiceState, Services, hold, unit::UnitName};
use crate::{
    Patience,
    command::{self, Ended},
};
use backout_protocol::{Configuration, HostPath, ServiceName, configuration::Part, profile::Timeouts};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What a question gets at least, however little is left of the whole wait.
const LEAST_STATUS: Duration = Duration::from_secs(1);
/// The manager answers nothing else while it reads its configuration; systemd itself gives it 90 s.
const RELOAD: Duration = Duration::from_secs(90);
/// There where systemd is the manager of this machine; `sd_booted(3)` looks at the same.
const BOOTED: &str = "/run/systemd/system";
const PROGRAMS: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];
const JOURNALCTL: [&str; 2] = ["/usr/bin/journalctl", "/bin/journalctl"];
/// Services that are systemd's units.
#[derive(Debug)]
pub struct Systemctl {
    program: &'static str,
    journal: Option<&'static str>,
    units: BTreeMap<ServiceName, UnitName>,
    status_limit: Duration,
    /// What each `systemctl stop` holds open: it may outlive us before the manager has heard of it.
    stops: Mutex<Option<File>>,
}

/// Its program, if systemd runs this machine.
pub(crate) fn program() -> Option<&'static str> {
    first(PROGRAMS).filter(|_| systemd_runs())
}

/// Whether systemd runs this machine.
pub(crate) fn systemd_runs() -> bool {
    Path::new(BOOTED).is_dir()
}

fn first(paths: [&'static str; 2]) -> Option<&'static str> {
    paths.into_iter().find(|path| Path::new(path).exists())
}

impl Systemctl {
    /// Takes the units. Fails with [`ServiceError::NoManager`] where systemd does not manage this machine, and with
    /// [`ServiceError::BadUnit`] on a unit that cannot be one.
    pub fn new(units: &BTreeMap<ServiceName, String>, timeouts: Timeouts) -> Result<Self, ServiceError> {
        let program = program().ok_or(ServiceError::NoManager)?;
        let units = units.iter().map(|(service, unit)| match UnitName::parse(unit) {
            Ok(name) => Ok((service.clone(), name)),
            Err(why) => Err(ServiceError::BadUnit { service: service.clone(), unit: unit.clone(), why }),
        });
        let status_limit = Duration::from_secs(timeouts.status.into());
        Ok(Self {
            program,
            journal: first(JOURNALCTL),
            units: units.collect::<Result<_, _>>()?,
            status_limit,
            stops: Mutex::new(None),
        })
    }

    /// A file is whole whoever panicked while holding it.
    fn stops(&self) -> MutexGuard<'_, Option<File>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The unit of a service; `None` if its name is not one a unit can have.
    fn unit(&self, service: &ServiceName) -> Option<UnitName> {
        self.units.get(service).cloned().or_else(|| UnitName::parse(service.as_str()).ok())
    }

    fn call<'a>(&self, service: &'a ServiceName) -> Result<Call<'_, 'a>, ServiceError> {
        let unit =
            self.unit(service).ok_or_else(|| ServiceError::NotInstalled { service: service.clone() })?;
        Ok(Call { systemctl: self, service, unit })
    }

    fn argv(&self, arguments: &[&str]) -> Vec<String> {
        let always = [self.program, "--system", "--no-ask-password", "--no-pager"];
        always.iter().chain(arguments).map(|&a| a.to_owned()).collect()
    }
}

/// What is done with one service.
struct Call<'m, 's> {
    systemctl: &'m Systemctl,
    service: &'s ServiceName,
    unit: UnitName,
}

impl Services for Systemctl {
    fn state(&self, service: &ServiceName) -> Result<ServiceState, ServiceError> {
        match self.call(service) {
            Ok(call) => call.state(),
            Err(_) => Ok(ServiceState::NotInstalled),
        }
    }

    fn stop(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.call(service)?.stop(patience)
    }

    fn mark_stops(&self, held: Option<File>) {
        *self.stops() = held;
    }

    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.call(service)?.start(patience)
    }

    fn set_going(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.call(service)?.set_going(patience)
    }

    fn start_hint(&self, service: &ServiceName) -> String {
        match self.unit(service) {
            Some(unit) => format!("systemctl start {}", command::typed(&[unit.as_str().to_owned()])),
            None => format!("(no unit can be called `{service}`: name it in the site file under `units`)"),
        }
    }

    fn configuration(
        &self,
        service: &ServiceName,
        _known: Option<&Configuration>,
    ) -> Result<Option<Configuration>, ServiceError> {
        self.kept(service)
    }

    fn settable(&self, part: Part, now: &Configuration, then: &Configuration, roots: &[HostPath]) -> bool {
        enabling::settable(part, now, then, roots) && [now, then].into_iter().all(enabling::is_told_alone)
    }

    fn is_of_files(&self, part: Part, now: &Configuration, then: &Configuration, roots: &[HostPath]) -> bool {
        enabling::is_of_files(part, now, then, roots)
    }

    fn configure(
        &self,
        service: &ServiceName,
        to: &Configuration,
        parts: &[Part],
    ) -> Result<(), ServiceError> {
        match to {
            Configuration::Unit(unit) if parts.contains(&Part::Enabled) => self.enable(service, unit),
            Configuration::Unit(_) | Configuration::Scm(_) => Ok(()),
        }
    }

    fn companions(&self, service: &ServiceName) -> Result<Vec<Companion>, ServiceError> {
        match self.call(service) {
            Ok(call) => call.companions(),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn holds(&self, services: &[ServiceName], unsettled: &Path) -> Result<Vec<Hold>, ServiceError> {
        let units: BTreeSet<UnitName> = services.iter().filter_map(|service| self.unit(service)).collect();
        let text = hold::text(unsettled).map_err(|e| ServiceError::Unholdable { why: e.to_string() })?;
        Ok(units.iter().map(|unit| hold::of(unit, &text)).collect())
    }

    fn reload(&self) -> Result<(), ServiceError> {
        let argv = self.argv(&["daemon-reload"]);
        let (code, said) = match ask::ask(None, &argv, &Patience::firm(RELOAD)) {
            Ok((Ended::Exited { code: Some(0), .. }, _)) => return Ok(()),
            Ok((Ended::Exited { code, said }, _)) => (code, said),
            Ok((Ended::TimedOut { said } | Ended::Cancelled { said }, _)) => {
                (None, format!("no answer within {} s {said}", RELOAD.as_secs()))
            }
            Err(source) => (None, source.to_string()),
        };
        Err(ServiceError::Reload { argv: command::typed(&argv), code, said })
    }

    fn is_configuration(&self, path: &Path) -> bool {
        configuration::is(path)
    }

    fn programs(&self) -> Vec<PathBuf> {
        [Some(self.program), self.journal].into_iter().flatten().map(PathBuf::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_programs_are_known_and_a_name_that_no_unit_can_have_is_told() {
        let m = Systemctl {
            program: PROGRAMS[0],
            journal: None,
            units: BTreeMap::new(),
            status_limit: LEAST_STATUS,
            stops: Mutex::new(None),
        };
        assert_eq!(m.programs(), [PathBuf::from("/usr/bin/systemctl")]);
        let no = m.start_hint(&"Trend ServerProtect".parse().unwrap());
        assert!(no.contains("under `units`"), "{no}");
    }
}
