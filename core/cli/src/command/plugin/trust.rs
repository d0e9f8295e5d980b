//! `backout plugin trust` and `untrust`: a plugin is pinned to its bytes, or no longer. Runs none of its code.

use super::{Named, refused};
use crate::{
    answer::Answer,
    exit_code,
    messages::plugin as words,
    session::{Session, Stop, wrong},
};
use backout_host::{Pin, Writing};
use backout_protocol::{Digest, Outcome};
use serde_json::json;
use std::path::Path;

pub(crate) fn trust(file: &Path, sha256: Option<&str>, dry_run: bool) -> Result<Answer, Stop> {
    let expected = sha256.map(|hex| hex.to_ascii_lowercase().parse::<Digest>());
    let expected = expected.transpose().map_err(|e| wrong(format!("--sha256: {e}")))?;
    let pin = backout_host::trust(file, expected, writing(dry_run)).map_err(refused)?;
    Ok(told(&pin, dry_run))
}

pub(crate) fn untrust(session: &Session, plugin: &Path, dry_run: bool) -> Result<Answer, Stop> {
    let pin = match Named::of(plugin) {
        Named::Id(id) => session.plugins.untrust(id, writing(dry_run)),
        Named::File(file) => backout_host::untrust(file, writing(dry_run)).map(Some),
    };
    match pin.map_err(refused)? {
        Some(pin) => Ok(told(&pin, dry_run)),
        None => {
            let text = words::not_pinned(&plugin.display().to_string());
            let data = if dry_run { json!({ "dry_run": true }) } else { json!(null) };
            Ok(Answer::plain(exit_code::DONE, Outcome::NothingToDo, text, data))
        }
    }
}

fn writing(dry_run: bool) -> Writing {
    if dry_run { Writing::No } else { Writing::Yes }
}

fn told(pin: &Pin, dry_run: bool) -> Answer {
    let changed = pin.before != pin.now;
    let outcome = if changed { Outcome::Done } else { Outcome::NothingToDo };
    let mut data = json!({ "id": pin.id, "lock": pin.lock, "before": pin.before, "now": pin.now });
    if dry_run {
        data["dry_run"] = json!(true);
        return Answer::plain(exit_code::DONE, outcome, words::would_pin(pin), data);
    }
    let mut answer = Answer::plain(exit_code::DONE, outcome, words::pinned(pin), data);
    answer.result.changed = changed;
    answer
}
