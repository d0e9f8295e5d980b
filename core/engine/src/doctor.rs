//! Doctor: what this machine answers to a profile's questions, and what would keep a rollback from working.

use crate::{
    faces::{Faces, Listed},
    load::Job,
    presence::Presence,
    quiesce,
    refusal::Refusal,
    survey::{Survey, open_services},
};
use backout_machine::service::ServiceState;
use backout_protocol::{ComponentId, ServiceName, plan::Resolved, profile::Role, text::Text};

/// What was found.
#[derive(Debug)]
pub struct Examination {
    /// Each variable of the profile, its value and where that came from, and what it is.
    pub vars: Vec<(String, Option<Resolved>, Text)>,
    /// Each component and what is found of it.
    pub components: Vec<(ComponentId, Presence)>,
    /// Each service of the profile and its state, or why it cannot be asked.
    pub services: Vec<(ServiceName, Result<ServiceState, String>)>,
    /// Every plugin that can be seen.
    pub plugins: Vec<Listed>,
    /// What would keep a rollback from working.
    pub problems: Vec<Problem>,
}

/// Something that would keep a rollback from working.
#[derive(Debug)]
pub enum Problem {
    /// A variable's folder is not there.
    FolderMissing {
        /// Which.
        variable: String,
        /// The folder.
        folder: backout_protocol::HostPath,
    },
    /// Planning a rollback is refused.
    Refused(Box<Refusal>),
    /// A component's plugin cannot be used.
    Plugin(Box<Refusal>),
}

/// Examines this machine for `job`.
///
/// # Errors
/// As planning, up to the survey.
pub fn examine(job: &Job, faces: &Faces<'_>) -> Result<Examination, Refusal> {
    let profile = &job.profile.profile;
    let mut problems = Vec::new();
    let services = open_services(job).unwrap_or_else(|refusal| {
        problems.push(Problem::Refused(Box::new(refusal)));
        quiesce::none()
    });
    let survey = Survey::with(job, services)?;
    for (variable, resolved) in &survey.vars {
        if !resolved.value.0.is_dir() {
            problems
                .push(Problem::FolderMissing { variable: variable.clone(), folder: resolved.value.clone() });
        }
    }
    for component in &profile.components {
        if let Role::Restore { plugin, .. } = &component.role
            && let Err(e) = faces.host.find(plugin)
        {
            problems.push(Problem::Plugin(Box::new(Refusal::Plugin(e))));
        }
    }
    if problems.is_empty()
        && let Err(refusal) = crate::planner::plan(job, None, faces)
    {
        problems.push(Problem::Refused(Box::new(refusal)));
    }
    let names = profile.components.iter().flat_map(|c| &c.services).map(|s| s.name.clone());
    let mut services: Vec<(ServiceName, _)> = Vec::new();
    for name in names {
        if !services.iter().any(|(n, _)| *n == name) {
            let state = survey.services.state(&name).map_err(|e| e.to_string());
            services.push((name, state));
        }
    }
    let var = |v: &backout_protocol::profile::Variable| {
        (v.name.clone(), survey.vars.get(&v.name).cloned(), v.about.clone())
    };
    Ok(Examination {
        vars: profile.variables.iter().map(var).collect(),
        components: profile
            .components
            .iter()
            .filter_map(|c| Some((c.id.clone(), survey.presence.get(&c.id)?.clone())))
            .collect(),
        services,
        plugins: faces.host.list(),
        problems,
    })
}
