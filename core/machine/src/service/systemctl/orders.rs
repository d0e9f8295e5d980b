//! What a unit is doing, and making it stop and start.

use super::{
    Call, LEAST_STATUS,
    ask::{ask, remaining},
};
use crate::{
    Patience,
    command::{self, Ended},
    patience::{Look, Wait},
    service::{
        ServiceError, ServiceState, Verb,
        unit::{Shown, Stage},
    },
};
use std::time::Duration;

const FIRST_POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_millis(100);

impl Call<'_, '_> {
    pub(super) fn state(&self) -> Result<ServiceState, ServiceError> {
        let patience = Patience::firm(self.systemctl.status_limit);
        let mut wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        loop {
            let shown = self.look(wait.rest(LEAST_STATUS))?;
            let state = match shown.stage {
                Stage::Up => ServiceState::Running,
                // To stop it half-way could be worse than any patch.
                Stage::Starting if shown.oneshot => {
                    return Err(ServiceError::AtWork { service: self.service(), unit: self.unit_text() });
                }
                Stage::Starting => ServiceState::Starting,
                Stage::Waiting => ServiceState::Restarting,
                Stage::Down | Stage::Failed if shown.job => ServiceState::Restarting,
                Stage::Down | Stage::Failed if shown.absent() => ServiceState::NotInstalled,
                Stage::Down | Stage::Failed if !shown.processes && remaining(&shown).is_empty() => {
                    ServiceState::Stopped
                }
                // What it will be in a moment is the answer: who took it for running would not start it again, who took it
                // for stopped would change files under what is left of it.
                Stage::Stopping | Stage::Down | Stage::Failed if wait.pause() == Look::Again => continue,
                Stage::Stopping | Stage::Down | Stage::Failed => {
                    let (service, unit) = (self.service(), self.unit_text());
                    return Err(ServiceError::StillStopping { service, unit, words: self.held_up(&shown) });
                }
            };
            if state.was().ran() && !shown.startable() {
                let (service, unit, load) = (self.service(), self.unit_text(), shown.load);
                return Err(ServiceError::Unstartable { service, unit, load });
            }
            return Ok(state);
        }
    }

    pub(super) fn stop(&self, patience: &Patience<'_>) -> Result<(), ServiceError> {
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

    pub(super) fn set_going(&self, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.forget_failures();
        let argv = self.systemctl.argv(&["--no-block", "start", "--", self.unit.as_str()]);
        let (code, said) = self.told(Verb::Start, &argv, patience)?;
        match code {
            Some(0) => Ok(()),
            code => Err(ServiceError::Refused { service: self.service(), verb: Verb::Start, code, said }),
        }
    }

    pub(super) fn start(&self, patience: &Patience<'_>) -> Result<(), ServiceError> {
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
        self.told(verb, &argv, patience)
    }

    fn told(
        &self,
        verb: Verb,
        argv: &[String],
        patience: &Patience<'_>,
    ) -> Result<(Option<i32>, String), ServiceError> {
        let stops = self.systemctl.stops();
        let held = stops.as_ref().filter(|_| verb == Verb::Stop);
        let ended = ask(held, argv, patience);
        drop(stops);
        match ended {
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
            Err(source) => Err(self.spawn(argv, source)),
        }
    }

    fn forget_failures(&self) {
        let argv = self.systemctl.argv(&["--quiet", "reset-failed", "--", self.unit.as_str()]);
        let limit = Patience::firm(self.systemctl.status_limit);
        // A unit that is not loaded has no failures; whatever else is wrong, the start will tell.
        if let Err(error) = ask(None, &argv, &limit) {
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
}
