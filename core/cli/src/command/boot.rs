//! `backout boot install|remove|status`: the recovery at boot.

use crate::{
    answer::Answer,
    args::BootVerb,
    exit_code,
    messages::boot as words,
    session::{Session, Stop, stop},
};
use backout_engine::{
    Refusal,
    boot::{self, BootRecovery},
};
use backout_protocol::Outcome;
use serde_json::json;
use std::path::PathBuf;

pub(crate) fn run(session: &Session, verb: BootVerb) -> Result<Answer, Stop> {
    let exe = exe()?;
    match verb {
        BootVerb::Install { dry_run: true } => {
            let would = boot::may_install(&exe, &session.state).map_err(stop)?;
            Ok(dry(would, if would { words::would_install() } else { words::installed(false) }))
        }
        BootVerb::Install { dry_run: false } => {
            // Waits for it as long as the call says; the installation takes it again for a moment.
            drop(session.lock()?);
            let changed = boot::install(&exe, &session.state).map_err(stop)?;
            Ok(changing(changed, words::installed(changed)))
        }
        BootVerb::Remove { dry_run: true } => {
            let would = boot::may_remove(&exe, &session.state).map_err(stop)?;
            Ok(dry(would, if would { words::would_remove() } else { words::removed(false) }))
        }
        BootVerb::Remove { dry_run: false } => {
            let changed = boot::remove(&exe, &session.state).map_err(stop)?;
            Ok(changing(changed, words::removed(changed)))
        }
        BootVerb::Status => {
            let found = boot::status(&exe, &session.state).map_err(stop)?;
            let (text, word) = (words::status(&found), words::word(&found));
            let code = if found == BootRecovery::Installed { exit_code::DONE } else { exit_code::DIFFERENT };
            Ok(Answer::plain(code, Outcome::Done, text, json!({ "boot_recovery": word })))
        }
    }
}

fn changing(changed: bool, text: String) -> Answer {
    let outcome = if changed { Outcome::Done } else { Outcome::NothingToDo };
    let mut answer = Answer::plain(exit_code::DONE, outcome, text, json!(null));
    answer.result.changed = changed;
    answer
}

/// What would be done, of which nothing is.
fn dry(would: bool, text: String) -> Answer {
    let outcome = if would { Outcome::Done } else { Outcome::NothingToDo };
    Answer::plain(exit_code::DONE, outcome, text, json!({ "dry_run": true }))
}

/// This program, as the next boot is to find it.
fn exe() -> Result<PathBuf, Stop> {
    let here = std::env::current_exe().and_then(std::fs::canonicalize);
    here.map_err(|e| stop(Refusal::BootManager { why: format!("this program cannot be found: {e}") }))
}
