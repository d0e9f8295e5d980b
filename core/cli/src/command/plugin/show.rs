//! `backout plugin show`: one plugin, as its file shows it. Runs none of its code.

use super::{Named, refused};
use crate::{
    answer::Answer,
    messages::plugin as words,
    session::{Session, Stop},
};
use serde_json::json;
use std::path::Path;

pub(crate) fn show(session: &Session, plugin: &Path) -> Result<Answer, Stop> {
    let shown = match Named::of(plugin) {
        Named::Id(id) => session.plugins.show(id),
        Named::File(file) => backout_host::show(file, session.global.pinning()),
    };
    let shown = shown.map_err(refused)?;
    let data = json!({
        "id": shown.manifest.id, "version": shown.manifest.version, "about": shown.manifest.about,
        "api": shown.manifest.api, "spoken": shown.spoken, "file": shown.file, "sha256": shown.sha256,
        "target": shown.target, "pinned": shown.pinned, "problem": shown.problem,
    });
    Ok(Answer::read(words::shown(&shown), data))
}
