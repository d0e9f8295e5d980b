//! The recovery at boot as a service of the system's manager, where that does not run plain programs.
//!
//! The service itself only waits and tells the manager. Each part is a call of this program like any other, with its
//! parent that settles what its worker leaves.

use crate::{
    answer::Answer,
    args::{Cli, Verb},
    exit_code,
    messages::boot as words,
    session::Session,
};
use backout_engine::hold;
use backout_machine::startup::{self, Recovery};
use backout_protocol::Outcome;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// Is the service, if that is what this call is to be.
pub(crate) fn run(cli: &Cli) -> Option<Answer> {
    if !matches!(cli.verb, Verb::Recover { as_service: true, .. }) {
        return None;
    }
    let state = Session::new(cli.global.clone()).state;
    let served = startup::serve(Box::new(AtBoot { state }));
    Some(match served {
        Ok(()) => {
            Answer::plain(exit_code::DONE, Outcome::NothingToDo, String::new(), serde_json::Value::Null)
        }
        Err(e) => Answer::error(exit_code::REFUSED, Outcome::Refused, words::no_service(&e.to_string())),
    })
}

/// Both parts, for one state folder.
struct AtBoot {
    state: PathBuf,
}

impl AtBoot {
    /// Carries one part out and says its exit code.
    fn part(&self, part: &str) -> u8 {
        let call = || {
            let mut call = Command::new(std::env::current_exe()?);
            call.arg("recover").arg(format!("--boot={part}")).arg("--state-dir").arg(&self.state);
            call.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
        };
        match call() {
            Ok(status) => status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(exit_code::BUG),
            Err(e) => {
                log::error!("this program cannot be run: {e}");
                exit_code::BUG
            }
        }
    }
}

impl Recovery for AtBoot {
    fn files(&self) -> Result<(), u8> {
        match self.part("files") {
            // What waits for a reboot is old until then, all of it.
            exit_code::DONE | exit_code::REBOOT => Ok(()),
            // A run under way has the lock, and somebody starts one of its services: they wait until it is settled.
            exit_code::LOCKED if !hold::is_unsettled(&self.state) => Ok(()),
            code => Err(code),
        }
    }

    fn services(&self) -> Result<(), u8> {
        match self.part("services") {
            exit_code::DONE | exit_code::REBOOT | exit_code::LOCKED => Ok(()),
            code => Err(code),
        }
    }
}
