//! `backout plugin plan`: what a plugin proposes for a machine in a file.

use super::Named;
use crate::{
    answer::Answer,
    args::PluginPlan,
    messages::fixture,
    session::{Session, Stop, component_id, stop},
};
use backout_engine::{Listed, Refusal, faces::HostError, load};
use backout_host::{Leave, Plugins};
use backout_protocol::{
    ComponentId,
    message::{self, Fixture, Request},
    plan::PluginRef,
    profile::Role,
    text::from_ron,
};
use serde_json::json;
use std::path::Path;

/// Which component is planned where no profile says.
const SOME: &str = "component";

pub(crate) fn run(session: &Session, wish: &PluginPlan) -> Result<Answer, Stop> {
    let (component, config) = config(session, wish)?;
    let name = wish.machine.display().to_string();
    let machine: Fixture = from_ron(&name, &load::text(&wish.machine).map_err(stop)?)
        .map_err(|e| stop(Refusal::Malformed(e)))?;
    let (own, plugin) = find(session, &wish.plugin)?;
    let plugins = own.as_ref().unwrap_or(&session.plugins);
    let request = Request::Plan(Box::new(machine.request(component, config)));
    match ask(plugins, &plugin, &request)? {
        message::Answer::Proposal(proposal) => {
            Ok(Answer::read(fixture::shown(&proposal), json!({ "proposal": proposal })))
        }
        other => Err(unexpected(&plugin, other)),
    }
}

/// The component and its configuration: that of the profile, that of the file, or none at all.
fn config(session: &Session, wish: &PluginPlan) -> Result<(ComponentId, String), Stop> {
    let (Some(profile), Some(id)) = (&wish.profile, &wish.component) else {
        let config = wish.config.as_deref().map_or(Ok("()".to_owned()), load::text).map_err(stop)?;
        return Ok((component_id(SOME)?, config));
    };
    let id = component_id(id)?;
    let profile = session.profile(profile)?.profile;
    match profile.components.iter().find(|c| c.id == id).map(|c| &c.role) {
        Some(Role::Restore { config, .. }) => Ok((id, config.get_ron().to_owned())),
        Some(Role::VerifyOnly { .. } | Role::ReportOnly) => {
            Err(stop(Refusal::ComponentNotRestorable { component: id, why: None }))
        }
        None => {
            let known = profile.components.iter().map(|c| c.id.clone()).collect();
            Err(stop(Refusal::ComponentUnknown { component: id, known }))
        }
    }
}

/// A plugin by its id, or by its library's file: then with the plugins of that file's folder.
fn find(session: &Session, given: &str) -> Result<(Option<Plugins>, PluginRef), Stop> {
    let refused = |e: backout_host::HostError| stop(Refusal::Plugin(e.into()));
    let file = match Named::of(Path::new(given)) {
        Named::Id(id) => return Ok((None, session.plugins.find(id).map_err(refused)?)),
        Named::File(file) => load::absolute(file),
    };
    let folder = file.0.parent().unwrap_or(Path::new("")).to_owned();
    let plugins = session.plugins_in(folder.clone());
    let Some(Listed { manifest, .. }) = plugins.list().into_iter().find(|one| one.file == file) else {
        let (id, searched) = (given.to_owned(), vec![folder.into()]);
        return Err(stop(Refusal::Plugin(HostError::NotFound { id, searched })));
    };
    let plugin = plugins.find(&manifest.id).map_err(refused)?;
    Ok((Some(plugins), plugin))
}

/// Asks a plugin to look at something.
pub(super) fn ask(plugins: &Plugins, plugin: &PluginRef, request: &Request) -> Result<message::Answer, Stop> {
    plugins.ask(plugin, request, Leave::ReadOnly).map_err(|e| stop(Refusal::Plugin(e.into())))
}

/// An answer that is none to what was asked.
pub(super) fn unexpected(plugin: &PluginRef, answer: message::Answer) -> Stop {
    let error = match answer {
        message::Answer::Failed(failure) => HostError::Failed { plugin: plugin.id.clone(), failure },
        _ => HostError::Broken { plugin: plugin.id.clone(), why: "it answers another question".to_owned() },
    };
    stop(Refusal::Plugin(error))
}
