//! `backout install`: the package that this program lies in, copied to where only administrators may change it.

use crate::{
    answer::Answer,
    exit_code,
    messages::install as words,
    session::{Session, Stop, stop},
};
use backout_engine::{Refusal, install};
use backout_machine::event_log;
use backout_protocol::Outcome;
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn run(session: &Session, dir: Option<PathBuf>) -> Result<Answer, Stop> {
    let exe = std::env::current_exe().and_then(std::fs::canonicalize);
    let nowhere = |why: String| stop(Refusal::NotAPackage { folder: PathBuf::new().into(), why });
    let exe = exe.map_err(|e| nowhere(format!("this program cannot be found: {e}")))?;
    let from = exe.parent().ok_or_else(|| nowhere("this program lies in no folder".to_owned()))?;
    let to = dir.unwrap_or_else(default_folder);
    if session.state.exists() {
        // Only to wait as long as --lock-timeout says; the engine takes the lock itself.
        drop(session.lock()?);
    }
    let installed = install::install(from, &to, &session.state).map_err(stop)?;
    if let Err(e) = event_log::register() {
        log::warn!("the event log does not know backout: {e}");
    }
    let changed = !(installed.written.is_empty() && installed.removed.is_empty());
    let outcome = if changed { Outcome::Done } else { Outcome::NothingToDo };
    let data = json!({
        "folder": installed.folder, "written": installed.written, "removed": installed.removed, "same": installed.same,
    });
    let mut answer = Answer::plain(exit_code::DONE, outcome, words::text(&installed), data);
    answer.result.changed = changed;
    Ok(answer)
}

#[expect(clippy::disallowed_methods, reason = "the binary is the one that reads the environment")]
fn default_folder() -> PathBuf {
    if cfg!(windows) {
        let programs = std::env::var_os("ProgramFiles").unwrap_or_else(|| r"C:\Program Files".into());
        return Path::new(&programs).join("backout");
    }
    "/usr/local/lib/backout".into()
}
