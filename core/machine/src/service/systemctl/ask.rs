//! Asking systemd about units, and telling what it says.

use super::{Call, LEAST_STATUS};
use crate::{
    Patience,
    command::{self, Ended},
    control_group,
    patience::Look,
    service::{
        ServiceError, Verb,
        unit::{self, Shown},
    },
};
use backout_protocol::ServiceName;
use std::{fs, io, time::Duration};

const JOURNAL: Duration = Duration::from_secs(2);
/// Nothing of ours: `SYSTEMD_…` and `SYSTEMCTL_…` variables would change what is done and how it is told.
const ENVIRONMENT: [(&str, &str); 4] =
    [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("SYSTEMD_COLORS", "0"), ("SYSTEMD_PAGER", "")];
/// For how long a manager may be out of reach: it replaces itself when it is updated.
const AWAY: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
/// What `systemctl` says then.
const OUT_OF_REACH: [&str; 5] = [
    "Failed to connect to",
    "Transport endpoint is not connected",
    "Connection reset by peer",
    "Connection refused",
    "Broken pipe",
];

/// Runs `systemctl`, again if the manager was out of reach: whatever is asked for may be asked for twice. It has `held`
/// open until it ends.
pub(super) fn ask(
    held: Option<&fs::File>,
    argv: &[String],
    patience: &Patience<'_>,
) -> io::Result<(Ended, Vec<u8>)> {
    let wait = patience.begin(POLL, POLL);
    let mut away = Patience { limit: AWAY.min(patience.limit), ..*patience }.begin(POLL, POLL);
    loop {
        let (ended, answer) = command::ask(held, argv, &ENVIRONMENT, &wait.rest(LEAST_STATUS))?;
        match &ended {
            Ended::Exited { code, said }
                if *code != Some(0)
                    && OUT_OF_REACH.iter().any(|words| said.contains(words))
                    && away.pause() == Look::Again => {}
            _ => return Ok((ended, answer)),
        }
    }
}

impl Call<'_, '_> {
    pub(super) fn service(&self) -> ServiceName {
        self.service.clone()
    }

    pub(super) fn unit_text(&self) -> String {
        self.unit.as_str().to_owned()
    }

    /// Asks for some units. Those that systemd does not know are answered for too.
    pub(super) fn show(&self, units: &[&str], rest: Patience<'_>) -> Result<Vec<Shown>, ServiceError> {
        let argv = self.systemctl.argv(&[&["show", "-p", unit::PROPERTIES, "--"], units].concat());
        let limit = self.systemctl.status_limit.min(rest.limit);
        let (ended, answer) = match ask(None, &argv, &Patience { limit, ..rest }) {
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

    pub(super) fn look(&self, rest: Patience<'_>) -> Result<Shown, ServiceError> {
        let mut shown = self.show(&[self.unit.as_str()], rest)?;
        shown.pop().ok_or_else(|| ServiceError::Unclear {
            service: self.service(),
            unit: self.unit_text(),
            said: String::new(),
        })
    }

    /// What keeps it from being down.
    pub(super) fn held_up(&self, shown: &Shown) -> String {
        let pids: Vec<String> = remaining(shown).iter().map(u32::to_string).collect();
        if pids.is_empty() {
            shown.words.clone()
        } else {
            format!("{}, processes of its control group: {}", shown.words, pids.join(" "))
        }
    }

    /// How it ended, with the end of its log where that is to be had quickly.
    pub(super) fn with_journal(&self, how: String) -> String {
        let Some(journal) = self.systemctl.journal else { return how };
        let unit = self.unit.as_str();
        let argv = [journal, "--quiet", "--no-pager", "--boot", "--output=cat", "--lines=3", "--unit", unit];
        let argv = argv.map(str::to_owned);
        match command::ask(None, &argv, &ENVIRONMENT, &Patience::firm(JOURNAL)) {
            Ok((Ended::Exited { code: Some(0), .. }, lines)) if !lines.is_empty() => {
                format!("{how}\n{}", String::from_utf8_lossy(&lines).trim_end())
            }
            _ => how,
        }
    }

    pub(super) fn timed_out(
        &self,
        verb: Verb,
        patience: &Patience<'_>,
        said: &str,
        now: String,
    ) -> ServiceError {
        let said = if said.is_empty() { now } else { format!("{said}\n{now}") };
        ServiceError::TimedOut { service: self.service(), verb, seconds: patience.limit.as_secs(), said }
    }

    pub(super) fn cancelled(&self, verb: Verb) -> ServiceError {
        ServiceError::Cancelled { service: self.service(), verb }
    }

    pub(super) fn spawn(&self, argv: &[String], source: std::io::Error) -> ServiceError {
        ServiceError::Spawn { service: self.service(), argv: command::typed(argv), source }
    }
}

/// The processes that are left in a unit's control group, and in those below it.
pub(super) fn remaining(shown: &Shown) -> Vec<u32> {
    let folder = shown.group.as_deref().and_then(control_group::folder);
    folder.map(control_group::processes).unwrap_or_default()
}
