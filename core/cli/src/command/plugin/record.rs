//! `backout plugin record`: this machine as far as a plugin looks at it, as a fixture.

use super::plan::{ask, unexpected};
use crate::{
    answer::Answer,
    args::{PluginRecord, Wish},
    messages::fixture,
    output::Output,
    session::{Session, Stop, component_id, stop, wrong},
};
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
    let written = Output::open(file).and_then(|output| output.write_new(text, 0o600));
    written.map_err(|e| {
        let said = fixture::not_written(&load::absolute(file).0, &e.why());
        Box::new(Answer::error(e.code(), Outcome::Refused, said)) as Stop
    })
}
