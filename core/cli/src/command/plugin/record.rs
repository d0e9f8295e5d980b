//! `backout plugin record`: this machine as far as a plugin looks at it, as a fixture.

use super::plan::{ask, unexpected};
use crate::{
    answer::Answer,
    args::{PluginRecord, Wish},
    exit_code,
    messages::fixture,
    session::{Session, Stop, component_id, stop, wrong},
};
use backout_disk::{ErrorKind, Folder, durable};
use backout_engine::{Refusal, faces::HostError, load, planner};
use backout_protocol::{
    Outcome,
    message::{self, Request},
};
use serde_json::json;
use std::path::Path;

pub(crate) fn run(session: &Session, wish: &PluginRecord) -> Result<Answer, Stop> {
    let id = component_id(&wish.component)?;
    let what = Wish {
        profile: Some(wish.profile.clone()),
        component: vec![wish.component.clone()],
        ..Wish::default()
    };
    let job = session.job(&what)?;
    let (planner, mut request) = planner::request(&job, &id).map_err(stop)?;
    if planner != wish.plugin {
        return Err(wrong(format!("the component {id} is planned by the plugin `{planner}`")));
    }
    let plugin = session.plugins.find(&wish.plugin).map_err(|e| stop(Refusal::Plugin(e.into())))?;
    request.record = true;
    let recorded = match ask(&session.plugins, &plugin, &Request::Plan(Box::new(request)))? {
        message::Answer::Recorded(recorded) => *recorded,
        message::Answer::Proposal(_) => {
            let why = "it does not say what it asks: it speaks messages older than 1.1".to_owned();
            return Err(stop(Refusal::Plugin(HostError::Unfit { file: plugin.file, why })));
        }
        other => return Err(unexpected(&plugin, other)),
    };
    let ron = fixture::ron(&recorded.machine);
    let text = match &wish.output {
        Some(file) => {
            write(file, &ron)?;
            fixture::written(file, &recorded)
        }
        None => ron,
    };
    Ok(Answer::read(text, json!({ "planned": recorded.planned, "machine": recorded.machine })))
}

/// Writes a new file. Over nothing: what is there may have been made better by hand.
fn write(file: &Path, text: &str) -> Result<(), Stop> {
    let file = load::absolute(file).0;
    let refused = |code: u8, why: String| {
        Box::new(Answer::error(code, Outcome::Refused, fixture::not_written(&file, &why)))
    };
    let failed = |e: backout_disk::Error| match e.kind {
        ErrorKind::Denied => refused(exit_code::NO_RIGHTS, e.to_string()),
        _ => refused(exit_code::REFUSED, e.to_string()),
    };
    let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(refused(exit_code::REFUSED, "it names no file".to_owned()));
    };
    let parent = std::fs::canonicalize(parent).map_err(|e| refused(exit_code::REFUSED, e.to_string()))?;
    let folder = Folder::open_root(&parent).map_err(failed)?;
    if folder.stat(name).map_err(failed)?.is_some() {
        return Err(refused(exit_code::REFUSED, "something is there already".to_owned()));
    }
    durable::write(&folder, name, text.as_bytes(), 0o600).map_err(failed)
}
