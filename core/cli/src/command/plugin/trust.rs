//! `backout plugin trust` and `untrust`: a plugin is pinned to its bytes, or no longer. Runs none of its code.

use super::{Named, refused};
use crate::{
    answer::Answer,
    exit_code,
    messages::plugin as words,
    session::{Session, Stop, wrong},
};
use backout_host::Pin;
use backout_protocol::{Digest, Outcome};
use serde_json::json;
use std::path::Path;

pub(crate) fn trust(file: &Path, sha256: Option<&str>) -> Result<Answer, Stop> {
    let expected = sha256.map(|hex| hex.to_ascii_lowercase().parse::<Digest>());
    let expected = expected.transpose().map_err(|e| wrong(format!("--sha256: {e}")))?;
    backout_host::trust(file, expected).map(|pin| told(&pin)).map_err(refused)
}

pub(crate) fn untrust(session: &Session, plugin: &Path) -> Result<Answer, Stop> {
    let pin = match Named::of(plugin) {
        Named::Id(id) => session.plugins.untrust(id),
        Named::File(file) => backout_host::untrust(file).map(Some),
    };
    match pin.map_err(refused)? {
        Some(pin) => Ok(told(&pin)),
        None => {
            let text = words::not_pinned(&plugin.display().to_string());
            Ok(Answer::plain(exit_code::DONE, Outcome::NothingToDo, text, serde_json::Value::Null))
        }
    }
}

fn told(pin: &Pin) -> Answer {
    let changed = pin.before != pin.now;
    let outcome = if changed { Outcome::Done } else { Outcome::NothingToDo };
    let data = json!({ "id": pin.id, "lock": pin.lock, "before": pin.before, "now": pin.now });
    let mut answer = Answer::plain(exit_code::DONE, outcome, words::pinned(pin), data);
    answer.result.changed = changed;
    answer
}
