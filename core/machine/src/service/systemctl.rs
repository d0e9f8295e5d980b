//! Services that are systemd's units, reached by `systemctl`.
//!
//! Each order is given once, and `systemctl` waits for the manager's job: its own words about a job that fails say
//! more than the unit's state does. The job is the manager's, so ending a `systemctl` that waits too long changes
//! nothing about it. What counts in the end is what `systemctl show` says. As root, `systemctl` speaks to the manager
//! itself and needs no bus, so all this works early in boot too.

use super::{
    Companion, Hold, ServiceError, ServiceState, Services, Verb, hold,
    unit::{self, Shown, Stage, UnitName},
};
use crate::{
    Patience,
    command::{self, Ended},
    patience::{Look, Wait},
};
use backout_protocol::{ServiceName, plan::Tie, profile::Timeouts};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const FIRST_POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_millis(100);
/// What a question gets at least, however little is left of the whole wait.
const LEAST_STATUS: Duration = Duration::from_secs(1);
/// The manager answers nothing else while it reads its configuration; systemd itself gives it 90 s.
const RELOAD: Duration = Duration::from_secs(90);
const JOURNAL: Duration = Duration::from_secs(2);
/// There where systemd is the manager of this machine; `sd_booted(3)` looks at the same.
const BOOTED: &str = "/run/systemd/system";
const PROGRAMS: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];
const JOURNALCTL: [&str; 2] = ["/usr/bin/journalctl", "/bin/journalctl"];
/// Nothing of ours: `SYSTEMD_…` and `SYSTEMCTL_…` variables would change what is done and how it is told.
const ENVIRONMENT: [(&str, &str); 4] =
    [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("SYSTEMD_COLORS", "0"), ("SYSTEMD_PAGER", "")];
/// Where unit files and their drop-ins are.
const CONFIGURATION: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Services that are systemd's units.
#[derive(Debug, Clone)]
pub struct Systemctl {
    program: &'static str,
    journal: Option<&'static str>,
    units: BTreeMap<ServiceName, UnitName>,
    status_limit: Duration,
}

/// Its program, if systemd runs this machine.
pub(crate) fn program() -> Option<&'static str> {
    first(PROGRAMS).filter(|_| Path::new(BOOTED).is_dir())
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
        })
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

impl Call<'_, '_> {
    fn service(&self) -> ServiceName {
        self.service.clone()
    }

    fn unit_text(&self) -> String {
        self.unit.as_str().to_owned()
    }

    /// Asks for some units. Those that systemd does not know are answered for too.
    fn show(&self, units: &[&str], rest: Patience<'_>) -> Result<Vec<Shown>, ServiceError> {
        let argv = self.systemctl.argv(&[&["show", "-p", unit::PROPERTIES, "--"], units].concat());
        let limit = self.systemctl.status_limit.min(rest.limit);
        let (ended, answer) = match command::ask(&argv, &ENVIRONMENT, &Patience { limit, ..rest }) {
            Ok(it) => it,
            Err(source) => return Err(self.spawn(&argv, source)),
        };
        let said = match ended {
            Ended::Exited { code: Some(0), said } => said,
            Ended::Exited { code, said } => {
                let (service, unit) = (self.service(), self.unit_text());
                return Err(ServiceError::Unanswered { service, unit, code, said });
            }
            Ended::TimedOut { said } => {
                let (service, seconds) = (self.service(), limit.as_secs());
                return Err(ServiceError::StatusTimedOut { service, seconds, said });
            }
            Ended::Cancelled { .. } => return Err(self.cancelled(Verb::Status)),
        };
        let nonsense = |part: String| {
            let said = if part.is_empty() { said.clone() } else { part };
            ServiceError::Unclear { service: self.service(), unit: self.unit_text(), said }
        };
        let shown = std::str::from_utf8(&answer)
            .map_err(|e| nonsense(e.to_string()))
            .and_then(|text| unit::read(text).map_err(nonsense))?;
        if shown.len() == units.len() { Ok(shown) } else { Err(nonsense(String::new())) }
    }

    fn look(&self, rest: Patience<'_>) -> Result<Shown, ServiceError> {
        let mut shown = self.show(&[self.unit.as_str()], rest)?;
        shown.pop().ok_or_else(|| ServiceError::Unclear {
            service: self.service(),
            unit: self.unit_text(),
            said: String::new(),
        })
    }

    fn state(&self) -> Result<ServiceState, ServiceError> {
        let patience = Patience::firm(self.systemctl.status_limit);
        let mut wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        loop {
            let shown = self.look(wait.rest(LEAST_STATUS))?;
            let state = match shown.stage {
                Stage::Up | Stage::Starting => ServiceState::Running,
                Stage::Waiting => ServiceState::Restarting,
                Stage::Down | Stage::Failed if shown.job => ServiceState::Restarting,
                Stage::Down | Stage::Failed if shown.absent() => ServiceState::NotInstalled,
                Stage::Down | Stage::Failed => ServiceState::Stopped,
                // What it will be in a moment is the answer: who took it for running would not start it again.
                Stage::Stopping if wait.pause() == Look::Again => continue,
                Stage::Stopping => {
                    let (service, unit) = (self.service(), self.unit_text());
                    return Err(ServiceError::StillStopping { service, unit, words: self.held_up(&shown) });
                }
            };
            if state.was() == backout_protocol::plan::Was::Running && !shown.startable() {
                let (service, unit, load) = (self.service(), self.unit_text(), shown.load);
                return Err(ServiceError::Unstartable { service, unit, load });
            }
            return Ok(state);
        }
    }

    fn stop(&self, patience: &Patience<'_>) -> Result<(), ServiceError> {
        let mut wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        let (code, said) = self.order(Verb::Stop, "stop", patience)?;
        loop {
            let seen = match self.look(wait.rest(LEAST_STATUS)) {
                Ok(shown) if shown.settled_down() && !shown.processes && remaining(&shown).is_empty() => {
                    return Ok(());
                }
                // It was refused, and nothing is going to change.
                Ok(shown) if code != Some(0) && shown.stage == Stage::Up && !shown.job => {
                    return Err(ServiceError::Refused {
                        service: self.service(),
                        verb: Verb::Stop,
                        code,
                        said,
                    });
                }
                Ok(shown) => self.held_up(&shown),
                Err(error @ ServiceError::Cancelled { .. }) => return Err(error),
                Err(error) => error.to_string(),
            };
            self.pause(&mut wait, Verb::Stop, patience, &said, seen)?;
        }
    }

    fn start(&self, patience: &Patience<'_>) -> Result<(), ServiceError> {
        let mut wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        // Starts that failed before count against the unit's limit; ours must not be the one that is refused for it.
        self.forget_failures();
        // A start job for a unit between two lives is kept back until systemd starts it by itself, which may be long.
        let word = match self.look(wait.rest(LEAST_STATUS)) {
            Ok(shown) if shown.stage == Stage::Waiting => "restart",
            _ => "start",
        };
        let (code, said) = self.order(Verb::Start, word, patience)?;
        loop {
            let seen = match self.look(wait.rest(LEAST_STATUS)) {
                Ok(shown) if shown.stage == Stage::Up => return Ok(()),
                Ok(shown) if shown.settled_down() => return self.fell(shown, code, said),
                Ok(shown) => self.with_journal(shown.how()),
                Err(error @ ServiceError::Cancelled { .. }) => return Err(error),
                Err(error) => error.to_string(),
            };
            self.pause(&mut wait, Verb::Start, patience, &said, seen)?;
        }
    }

    /// It was told to start, is down, and will stay so.
    fn fell(&self, shown: Shown, code: Option<i32>, said: String) -> Result<(), ServiceError> {
        let (service, unit) = (self.service(), self.unit_text());
        let how = |how: String| self.with_journal(how);
        match (code, shown.stage) {
            (Some(0), Stage::Down) if shown.met == Some(false) => {
                Err(ServiceError::Skipped { service, unit })
            }
            // It has done what it is for. Whether a condition kept it from that may be forgotten by now.
            (Some(0), Stage::Down) if shown.oneshot && shown.result == "Result=success" => Ok(()),
            (Some(0), Stage::Down) if shown.met.is_none() => {
                let how = how(format!("{}: it ended at once, or a condition of it is not met", shown.how()));
                Err(ServiceError::Fell { service, unit, how })
            }
            (Some(0), _) | (_, Stage::Failed) => {
                Err(ServiceError::Fell { service, unit, how: how(shown.how()) })
            }
            _ => Err(ServiceError::Refused { service, verb: Verb::Start, code, said }),
        }
    }

    /// Tells the unit to stop or start, once, and waits for `systemctl`.
    fn order(
        &self,
        verb: Verb,
        word: &str,
        patience: &Patience<'_>,
    ) -> Result<(Option<i32>, String), ServiceError> {
        let argv = self.systemctl.argv(&[word, "--", self.unit.as_str()]);
        match command::ask(&argv, &ENVIRONMENT, patience) {
            Ok((Ended::Exited { code, said }, _)) => Ok((code, said)),
            Ok((Ended::TimedOut { said }, _)) => {
                let now = match self.look(Patience::firm(LEAST_STATUS)) {
                    Ok(shown) if verb == Verb::Stop => self.held_up(&shown),
                    Ok(shown) => self.with_journal(shown.how()),
                    Err(error) => error.to_string(),
                };
                Err(self.timed_out(verb, patience, &said, now))
            }
            Ok((Ended::Cancelled { .. }, _)) => Err(self.cancelled(verb)),
            Err(source) => Err(self.spawn(&argv, source)),
        }
    }

    fn forget_failures(&self) {
        let argv = self.systemctl.argv(&["--quiet", "reset-failed", "--", self.unit.as_str()]);
        let limit = Patience::firm(self.systemctl.status_limit);
        // A unit that is not loaded has no failures; whatever else is wrong, the start will tell.
        if let Err(error) = command::ask(&argv, &ENVIRONMENT, &limit) {
            log::debug!("{} could not be run: {error}", command::typed(&argv));
        }
    }

    fn pause(
        &self,
        wait: &mut Wait<'_>,
        verb: Verb,
        patience: &Patience<'_>,
        said: &str,
        seen: String,
    ) -> Result<(), ServiceError> {
        match wait.pause() {
            Look::Again => Ok(()),
            Look::TimeUp => Err(self.timed_out(verb, patience, said, seen)),
            Look::Cancelled => Err(self.cancelled(verb)),
        }
    }

    /// What keeps it from being down.
    fn held_up(&self, shown: &Shown) -> String {
        let pids: Vec<String> = remaining(shown).iter().map(u32::to_string).collect();
        if pids.is_empty() {
            shown.words.clone()
        } else {
            format!("{}, processes of its control group: {}", shown.words, pids.join(" "))
        }
    }

    /// How it ended, with the end of its log where that is to be had quickly.
    fn with_journal(&self, how: String) -> String {
        let Some(journal) = self.systemctl.journal else { return how };
        let unit = self.unit.as_str();
        let argv = [journal, "--quiet", "--no-pager", "--boot", "--output=cat", "--lines=3", "--unit", unit];
        let argv = argv.map(str::to_owned);
        match command::ask(&argv, &ENVIRONMENT, &Patience::firm(JOURNAL)) {
            Ok((Ended::Exited { code: Some(0), .. }, lines)) if !lines.is_empty() => {
                format!("{how}\n{}", String::from_utf8_lossy(&lines).trim_end())
            }
            _ => how,
        }
    }

    fn timed_out(&self, verb: Verb, patience: &Patience<'_>, said: &str, now: String) -> ServiceError {
        let said = if said.is_empty() { now } else { format!("{said}\n{now}") };
        ServiceError::TimedOut { service: self.service(), verb, seconds: patience.limit.as_secs(), said }
    }

    fn cancelled(&self, verb: Verb) -> ServiceError {
        ServiceError::Cancelled { service: self.service(), verb }
    }

    fn spawn(&self, argv: &[String], source: std::io::Error) -> ServiceError {
        ServiceError::Spawn { service: self.service(), argv: command::typed(argv), source }
    }

    /// Everything that stops with the unit, and everything that starts one of these by itself.
    fn companions(&self) -> Result<Vec<Companion>, ServiceError> {
        let limit = Patience::firm(self.systemctl.status_limit);
        let root = self.look(limit)?;
        let mut seen: BTreeSet<String> = root.names.iter().cloned().chain([root.id.clone()]).collect();
        let mut found: Vec<(String, Vec<String>, Tie)> = Vec::new();
        let mut level = vec![root];
        while !level.is_empty() {
            let mut next: Vec<(String, Tie)> = Vec::new();
            for shown in &level {
                let by = |unit: &String| if unit.ends_with(".socket") { Tie::Socket } else { Tie::Trigger };
                // A socket may be listed among the dependents of another unit too; that it opens its own says more.
                for unit in &shown.triggers {
                    match found.iter_mut().find(|(id, ..)| id == unit) {
                        Some((_, _, tie)) => *tie = by(unit),
                        None => next.push((unit.clone(), by(unit))),
                    }
                }
                next.extend(shown.dependents.iter().map(|unit| (unit.clone(), Tie::Dependent)));
            }
            next.retain(|(unit, _)| seen.insert(unit.clone()));
            level = if next.is_empty() {
                Vec::new()
            } else {
                self.show(&next.iter().map(|(unit, _)| unit.as_str()).collect::<Vec<_>>(), limit)?
            };
            // Targets and the like are passed through: a stop runs on behind them.
            for (shown, (_, tie)) in level.iter().zip(next) {
                seen.insert(shown.id.clone());
                let known = found.iter().any(|(id, ..)| *id == shown.id);
                let idle = !shown.startable() && shown.settled_down();
                if unit::is_companion(&shown.id) && !known && !idle {
                    found.push((shown.id.clone(), shown.names.clone(), tie));
                }
            }
        }
        // A unit that the site knows as a service of its own is called as that one is.
        let name = |id: String, names: &[String]| {
            let known =
                self.systemctl.units.iter().find(|(_, unit)| names.iter().any(|n| n == unit.as_str()));
            known.map(|(service, _)| service.clone()).or_else(|| id.parse().ok())
        };
        let companion =
            |(id, names, tie): (String, Vec<String>, Tie)| Some(Companion { name: name(id, &names)?, tie });
        Ok(found.into_iter().filter_map(companion).collect())
    }
}

/// The processes that are left in a unit's control group, and in those below it.
fn remaining(shown: &Shown) -> Vec<u32> {
    let Some(group) = &shown.group else { return Vec::new() };
    let below = group.trim_start_matches('/');
    // One hierarchy, or the one that systemd keeps beside those of old.
    let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
    let Some(folder) =
        places.iter().map(|p| Path::new(p).join(below)).find(|p| p.join("cgroup.procs").exists())
    else {
        return Vec::new();
    };
    let mut pids = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        pids.extend(procs.lines().filter_map(|line| line.parse::<u32>().ok()));
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let inner = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        folders.extend(inner.map(|e| e.path()));
    }
    pids
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

    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.call(service)?.start(patience)
    }

    fn start_hint(&self, service: &ServiceName) -> String {
        match self.unit(service) {
            Some(unit) => format!("systemctl start {}", command::typed(&[unit.as_str().to_owned()])),
            None => format!("(no unit can be called `{service}`: name it in the site file under `units`)"),
        }
    }

    fn companions(&self, service: &ServiceName) -> Result<Vec<Companion>, ServiceError> {
        match self.call(service) {
            Ok(call) => call.companions(),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn holds(&self, services: &[ServiceName], unsettled: &Path) -> Vec<Hold> {
        let units: BTreeSet<UnitName> = services.iter().filter_map(|service| self.unit(service)).collect();
        match hold::text(unsettled) {
            Ok(text) => units.iter().map(|unit| hold::of(unit, &text)).collect(),
            Err(why) => {
                log::warn!("services cannot be held back: {why}");
                Vec::new()
            }
        }
    }

    fn reload(&self) -> Result<(), ServiceError> {
        let argv = self.argv(&["daemon-reload"]);
        let (code, said) = match command::ask(&argv, &ENVIRONMENT, &Patience::firm(RELOAD)) {
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
        CONFIGURATION.iter().any(|folder| path.strip_prefix(folder).is_ok_and(|rest| rest != Path::new("")))
    }

    fn programs(&self) -> Vec<PathBuf> {
        [Some(self.program), self.journal].into_iter().flatten().map(PathBuf::from).collect()
    }
}
