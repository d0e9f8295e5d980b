//! Doctor: what this machine answers to a profile's questions, and what would keep a rollback from working.

use crate::{
    faces::{Faces, Listed},
    load::Job,
    presence::Presence,
    quiesce,
    refusal::Refusal,
    state::State,
    survey::{Survey, open_services},
};
use backout_machine::service::ServiceState;
use backout_protocol::{ComponentId, Profile, ServiceName, plan::Resolved, profile::Role, text::Text};

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

/// Examines this machine for `job`. `state`: the state folder, if there is one.
///
/// # Errors
/// As planning, up to the survey.
pub fn examine(job: &Job, state: Option<&State>, faces: &Faces<'_>) -> Result<Examination, Refusal> {
    let profile = &job.profile.profile;
    let mut problems = Vec::new();
    let services = open_services(job).unwrap_or_else(|refusal| {
        problems.push(Problem::Refused(Box::new(refusal)));
        quiesce::none()
    });
    let survey = Survey::with(job, services)?;
    for (variable, resolved) in survey.vars.iter().filter(|(name, _)| profile.is_folder(name)) {
        if !resolved.value.0.is_dir() && is_used(profile, &survey, variable) {
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
    // A missing folder is no reason not to try: what the plan says of it is what counts.
    let tried = problems.iter().all(|p| matches!(p, Problem::FolderMissing { .. }));
    if tried && let Err(refusal) = crate::planner::plan(job, state, faces) {
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

/// Whether a component that is here, or may be, speaks of this variable.
fn is_used(profile: &Profile, survey: &Survey, variable: &str) -> bool {
    let speaks = |location: &str| location.split('/').next() == Some(variable);
    let here = profile.components.iter().filter(|c| {
        !matches!(survey.presence.get(&c.id), Some(Presence::Absent | Presence::NotPatchedHere) | None)
            && !matches!(c.role, Role::ReportOnly)
    });
    let mut here = here.peekable();
    // Where nothing was found, every folder may be the reason.
    here.peek().is_none()
        || here.any(|c| {
            let lists = profile.lists.iter().filter(|l| c.lists.iter().any(|u| u.list == l.id));
            let folders = lists.flat_map(|l| {
                std::iter::once(&l.folder).chain(l.files.iter().filter_map(|f| f.folder.as_ref()))
            });
            c.presence.marker.iter().chain(&c.presence.backups).chain(folders).any(|l| speaks(l))
        })
}
