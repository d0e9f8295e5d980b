//! Services that systemd manages, reached through `systemctl`: it speaks to the manager's own socket, so it works early
//! in a boot and without a message bus.

use super::{
    Companion, Hold, ServiceError, ServiceState, Services, Verb,
    unit::{PROPERTIES, Shown, unit_name},
};
use crate::{
    Patience,
    command::{self, Ended, Reach},
    patience::{Look, Wait},
    startup,
};
use backout_protocol::{ServiceName, profile::Timeouts};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

const FIRST_POLL: Duration = Duration::from_millis(10);
const LONGEST_POLL: Duration = Duration::from_millis(100);
/// What asking gets at least, however little is left of the whole wait.
const LEAST_STATUS: Duration = Duration::from_secs(1);
/// A manager that has not read its configuration again by then is not going to.
const RELOAD: Duration = Duration::from_secs(90);
/// Where the machine's owner changes units. A drop-in here is read behind those of the product.
const OWNERS: &str = "/etc/systemd/system";
/// Read last: another drop-in that empties the list of conditions would take ours away if it came behind it.
const DROP_IN: &str = "zz-backout-hold.conf";
/// Folders that systemd reads units from.
const CONFIGURATION: [&str; 5] = [
    OWNERS,
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Services that systemd manages.
#[derive(Debug, Clone)]
pub struct Systemctl {
    program: PathBuf,
    units: BTreeMap<ServiceName, String>,
    status_limit: Duration,
}

impl Systemctl {
    /// The services of the systemd that runs this machine, with the unit of each that is not named like it.
    ///
    /// # Errors
    /// [`ServiceError::NoManager`], [`ServiceError::NotAUnit`].
    pub fn new(units: &BTreeMap<ServiceName, String>, timeouts: Timeouts) -> Result<Self, ServiceError> {
        let program = super::systemctl().ok_or(ServiceError::NoManager)?;
        if !startup::is_there() {
            return Err(ServiceError::NoManager);
        }
        let checked = units.iter().map(|(service, unit)| {
            let name = unit_name(unit)
                .ok_or_else(|| ServiceError::NotAUnit { service: service.clone(), unit: unit.clone() })?;
            Ok((service.clone(), name))
        });
        Ok(Self {
            program,
            units: checked.collect::<Result<_, ServiceError>>()?,
            status_limit: Duration::from_secs(timeouts.status.into()),
        })
    }

    /// Its unit; `None`: it has none, so it is not installed.
    fn unit(&self, service: &ServiceName) -> Option<String> {
        self.units.get(service).cloned().or_else(|| unit_name(service.as_str()))
    }

    fn known(&self, service: &ServiceName) -> Result<String, ServiceError> {
        self.unit(service).ok_or_else(|| ServiceError::NotInstalled { service: service.clone() })
    }

    fn argv(&self, arguments: &[&str]) -> Vec<String> {
        let mut argv = vec![self.program.display().to_string(), "--no-ask-password".to_owned()];
        argv.extend(arguments.iter().map(|a| (*a).to_owned()));
        argv
    }

    /// Asks what a unit is doing.
    fn show(&self, service: &ServiceName, unit: &str, rest: Patience<'_>) -> Result<Shown, ServiceError> {
        let service = service.clone();
        let argv = self.argv(&["show", "--no-pager", "--property", PROPERTIES, "--", unit]);
        let limit = self.status_limit.min(rest.limit);
        match command::run(&argv, &Patience { limit, ..rest }, Reach::Group) {
            Ok(Ended::Exited { code: Some(0), said }) => {
                Shown::read(&said).ok_or(ServiceError::Unclear { service, said })
            }
            Ok(Ended::Exited { code, said }) => {
                Err(ServiceError::Unclear { service, said: format!("{}: {said}", command::exit(code)) })
            }
            Ok(Ended::TimedOut { said }) => {
                Err(ServiceError::StatusTimedOut { service, seconds: limit.as_secs(), said })
            }
            Ok(Ended::Cancelled { .. }) => Err(ServiceError::Cancelled { service, verb: Verb::Status }),
            Err(source) => Err(ServiceError::Spawn { service, argv: command::typed(&argv), source }),
        }
    }

    /// Gives one order and waits for the manager's answer.
    fn order(
        &self,
        service: &ServiceName,
        verb: Verb,
        argv: &[String],
        patience: &Patience<'_>,
    ) -> Result<(), ServiceError> {
        let service = service.clone();
        match command::run(argv, patience, Reach::Group) {
            Ok(Ended::Exited { code: Some(0), .. }) => Ok(()),
            Ok(Ended::Exited { code, said }) => Err(ServiceError::Refused { service, verb, code, said }),
            Ok(Ended::TimedOut { said }) => {
                let seconds = patience.limit.as_secs();
                Err(ServiceError::TimedOut { service, verb, seconds, said })
            }
            Ok(Ended::Cancelled { .. }) => Err(ServiceError::Cancelled { service, verb }),
            Err(source) => Err(ServiceError::Spawn { service, argv: command::typed(argv), source }),
        }
    }

    /// Asks until the unit is in the wanted state.
    fn see(
        &self,
        service: &ServiceName,
        unit: &str,
        verb: Verb,
        limit: Duration,
        mut wait: Wait<'_>,
    ) -> Result<(), ServiceError> {
        let wanted = match verb {
            Verb::Start => ServiceState::Running,
            Verb::Stop | Verb::Status => ServiceState::Stopped,
        };
        loop {
            let shown = self.show(service, unit, wait.rest(LEAST_STATUS))?;
            let state = shown.state();
            let gone = verb == Verb::Stop && state == Some(ServiceState::NotInstalled);
            if state == Some(wanted) || gone {
                return Ok(());
            }
            let refused = |said: String| {
                Err(ServiceError::Refused { service: service.clone(), verb, code: None, said })
            };
            if verb == Verb::Start && state == Some(ServiceState::Stopped) {
                // The order is carried out by now: what has not come up does not come up.
                let unmet = shown.get("ConditionResult") == "no";
                return refused(if unmet {
                    format!("a condition of its unit `{unit}` is not met")
                } else {
                    format!("its unit `{unit}` is {} ({})", shown.get("ActiveState"), shown.get("Result"))
                });
            }
            match wait.pause() {
                Look::Again => {}
                Look::TimeUp => {
                    let said = format!("its unit `{unit}` is {}", shown.get("ActiveState"));
                    let seconds = limit.as_secs();
                    return Err(ServiceError::TimedOut { service: service.clone(), verb, seconds, said });
                }
                Look::Cancelled => return Err(ServiceError::Cancelled { service: service.clone(), verb }),
            }
        }
    }
}

impl Services for Systemctl {
    fn state(&self, service: &ServiceName) -> Result<ServiceState, ServiceError> {
        let Some(unit) = self.unit(service) else { return Ok(ServiceState::NotInstalled) };
        let shown = self.show(service, &unit, Patience::firm(Duration::MAX))?;
        if shown.runs_masked() {
            return Err(ServiceError::Masked { service: service.clone(), unit });
        }
        let said = || format!("its unit `{unit}` is {}", shown.get("ActiveState"));
        shown.state().ok_or_else(|| ServiceError::Unclear { service: service.clone(), said: said() })
    }

    fn stop(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        let unit = self.known(service)?;
        let wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        self.order(service, Verb::Stop, &self.argv(&["stop", "--", &unit]), patience)?;
        self.see(service, &unit, Verb::Stop, patience.limit, wait)
    }

    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        let unit = self.known(service)?;
        let wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        let shown = self.show(service, &unit, wait.rest(LEAST_STATUS))?;
        if shown.get("ActiveState") == "failed" {
            // One that has failed too often lately would be refused although everything is well again.
            self.order(service, Verb::Start, &self.argv(&["reset-failed", "--", &unit]), patience)?;
        }
        self.order(service, Verb::Start, &self.argv(&["start", "--", &unit]), patience)?;
        self.see(service, &unit, Verb::Start, patience.limit, wait)
    }

    fn start_hint(&self, service: &ServiceName) -> String {
        match self.unit(service) {
            Some(unit) => format!("systemctl start {unit}"),
            None => format!("(the service `{service}` has no unit)"),
        }
    }

    fn programs(&self) -> Vec<PathBuf> {
        vec![self.program.clone()]
    }

    fn companions(&self, service: &ServiceName) -> Result<Vec<Companion>, ServiceError> {
        let mut found: Vec<Companion> = Vec::new();
        let mut todo: Vec<ServiceName> = vec![service.clone()];
        while let Some(next) = todo.pop() {
            let Some(unit) = self.unit(&next) else { continue };
            for companion in self.show(&next, &unit, Patience::firm(Duration::MAX))?.companions() {
                let own = self.unit(service).is_some_and(|own| own == companion.name.as_str());
                if !own && !found.iter().any(|c| c.name == companion.name) {
                    todo.push(companion.name.clone());
                    found.push(companion);
                }
            }
        }
        Ok(found)
    }

    fn holds(&self, services: &[ServiceName], unsettled: &Path) -> Vec<Hold> {
        let hold = |unit: String| Hold {
            path: Path::new(OWNERS).join(format!("{unit}.d")).join(DROP_IN),
            text: startup::hold_text(unsettled),
        };
        let mut units: Vec<String> = services.iter().filter_map(|s| self.unit(s)).collect();
        units.sort();
        units.dedup();
        units.into_iter().map(hold).collect()
    }

    fn reload(&self) -> Result<(), ServiceError> {
        let argv = self.argv(&["daemon-reload"]);
        match command::run(&argv, &Patience::firm(RELOAD), Reach::Group) {
            Ok(Ended::Exited { code: Some(0), .. }) => Ok(()),
            Ok(Ended::Exited { said, .. } | Ended::TimedOut { said } | Ended::Cancelled { said }) => {
                Err(ServiceError::Reload { said })
            }
            Err(e) => Err(ServiceError::Reload { said: e.to_string() }),
        }
    }

    fn is_configuration(&self, path: &Path) -> bool {
        CONFIGURATION.iter().any(|folder| path.starts_with(folder))
    }
}
