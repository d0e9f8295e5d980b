//! Plans a rollback: chooses components, asks their plugins, merges the answers. Changes nothing.

use crate::{
    builds::{build_notices, planned_components, stays_patched},
    claims::elsewhere,
    companions::with_companions,
    faces::Faces,
    facts::facts,
    load::{Job, check_trust},
    look,
    merge::{Ground, Proposer, merge},
    preflight,
    presence::{Presence, existing},
    refusal::{Refusal, Trusted},
    state::State,
    survey::{Survey, absent, expected_machines, has_required, known, listed, missing_variable},
    undo,
};
use backout_disk::{folder::Kind, locate::locate};
use backout_machine::service::ServiceState;
use backout_protocol::{
    ComponentId, HostPath, Image, Notice, Place, Plan, Profile, ServiceName, Step,
    message::{BackupSource, Need, PlanRequest, Proposal, Proposed},
    plan::{Closed, FORMAT, Origin, PlanKind, PlannedService, PluginRef, Tie, Was},
    profile::{Check, Component, Moment, Role, ServiceNeed},
    site::ServiceAccess,
    text::Text,
};

/// The version that plans and journals carry.
pub const TOOL: &str = env!("CARGO_PKG_VERSION");

/// Plans `job` on this machine. `state`: the state folder, if there is one, for what earlier rollbacks put back.
///
/// # Errors
/// Every [`Refusal`] that a rollback would meet before it looks at rights, space and file systems.
pub fn plan(job: &Job, state: Option<&State>, faces: &Faces<'_>) -> Result<Plan, Refusal> {
    let job = &with_real_sources(job)?;
    let survey = Survey::make(job)?;
    let profile = &job.profile.profile;
    let selected = select(job, &survey)?;
    let mut plugins = Vec::new();
    let mut proposers = Vec::new();
    for component in &selected {
        proposers.push(ask(job, &survey, component, faces, &mut plugins)?);
    }
    let history = undo::Restored::of(state);
    let restored = |place: &_, live: &Image| history.put_back(place, live);
    let machines = expected_machines(profile, &survey);
    let ground = Ground {
        names: profile.names,
        roots: survey.folders.values().cloned().collect(),
        sources: job.ask.from.iter().filter_map(|(_, s)| source_folder(s)).collect(),
        prefer: &job.ask.prefer,
        machines: &machines,
        restored: &restored,
    };
    let mut merged = merge(&proposers, &ground)?;
    let mut closed = Vec::new();
    if merged.files.iter().any(Step::changes_files) {
        closed = to_be_closed(profile, &survey, &selected);
        preflight::closed_now(&closed)?;
    }
    if !merged.wanting.is_empty() {
        let mut others = Vec::new();
        for component in profile.components.iter().filter(|c| !selected.iter().any(|s| s.id == c.id)) {
            let here = matches!(survey.presence.get(&component.id), Some(Presence::Present { .. }));
            if here && matches!(component.role, Role::Restore { .. }) {
                others.extend(ask(job, &survey, component, faces, &mut Vec::new()).ok());
            }
        }
        elsewhere(&mut merged.wanting, &others, &ground);
        return Err(Refusal::NoGoodBackup { wanting: merged.wanting });
    }
    let services = planned_services(job, &survey, &merged.stops, &merged.starts)?;
    let mut notices = std::mem::take(&mut merged.notices);
    notices.extend(found_stopped(&services, &survey));
    let components = planned_components(profile, &survey, &selected, &merged.seen);
    notices.extend(build_notices(profile, &components, &merged.seen));
    notices.extend(stays_patched(profile, &survey, &merged.files)?);
    if merged.files.iter().any(Step::changes_files)
        && !services.is_empty()
        && matches!(job.site.services, ServiceAccess::Commands(_))
    {
        notices.push(Notice::CommandsNotHeldAtBoot);
    }
    let mut notes: Vec<Text> = proposers.iter().flat_map(|p| p.proposal.notes.clone()).collect();
    notes.extend(reminders(profile, &selected, Moment::Before));
    Ok(Plan {
        format: FORMAT,
        kind: PlanKind::Rollback,
        tool: TOOL.to_owned(),
        profile: job.profile.reference(),
        plugins,
        request: job.ask.clone(),
        site: survey.effective(job),
        steps: steps(&services, merged.waits, merged.files),
        components,
        services,
        closed,
        keep_clear: merged.keep_clear,
        left_alone: merged.left_alone,
        notices,
        notes,
        reminders: reminders(profile, &selected, Moment::After),
    })
}

/// The job with each `--from dir:` as the real path of a folder that nobody else may have filled.
fn with_real_sources(job: &Job) -> Result<Job, Refusal> {
    let mut job = job.clone();
    for (_, source) in &mut job.ask.from {
        if let BackupSource::Dir(folder) = source {
            let missing = |_| Refusal::FolderMissing { path: folder.clone() };
            let real = std::fs::canonicalize(crate::load::absolute(&folder.0).0).map_err(missing)?;
            check_trust(&real, Trusted::Backups)?;
            *folder = HostPath(real);
        }
    }
    Ok(job)
}

/// The components to work on, in the profile's order.
fn select<'a>(job: &'a Job, survey: &Survey) -> Result<Vec<&'a Component>, Refusal> {
    let profile = &job.profile.profile;
    let asked = &job.ask.components;
    for id in asked.iter().chain(job.ask.from.iter().filter_map(|(c, _)| c.as_ref())) {
        known(profile, id)?;
    }
    let mut selected = Vec::new();
    let mut unknown = None;
    for component in &profile.components {
        let named = asked.contains(&component.id);
        let restores = match &component.role {
            Role::Restore { .. } => true,
            Role::VerifyOnly { why } if named => {
                return Err(Refusal::ComponentNotRestorable {
                    component: component.id.clone(),
                    why: Some(why.clone()),
                });
            }
            Role::ReportOnly if named => {
                return Err(Refusal::ComponentNotRestorable { component: component.id.clone(), why: None });
            }
            Role::VerifyOnly { .. } | Role::ReportOnly => false,
        };
        match survey.presence.get(&component.id) {
            Some(Presence::Present { .. }) if restores && (named || asked.is_empty()) => {
                selected.push(component)
            }
            Some(Presence::Unknown { variable }) if restores => {
                let wanted = named || (asked.is_empty() && has_required(component, survey));
                if wanted {
                    return Err(missing_variable(profile, variable));
                }
                unknown.get_or_insert_with(|| variable.clone());
            }
            Some(Presence::Absent | Presence::NotPatchedHere) if named => {
                return Err(absent(survey, component));
            }
            _ => {}
        }
    }
    match (selected.is_empty(), unknown) {
        (true, Some(variable)) => Err(missing_variable(profile, &variable)),
        (true, None) => Err(Refusal::NothingPresent { profile: profile.name.clone() }),
        (false, _) => Ok(selected),
    }
}

/// The programs that must be closed while these components are worked on.
fn to_be_closed(profile: &Profile, survey: &Survey, selected: &[&Component]) -> Vec<Closed> {
    let concerns = |check: &&Check| {
        let Check::Closed { components, .. } = check;
        selected.iter().any(|c| components.contains(&c.id))
    };
    let closed = |check: &Check| {
        let Check::Closed { images, under, help, .. } = check;
        let under = under.iter().filter_map(|u| look::path_of(&survey.folders, u)).map(HostPath);
        Closed { images: images.clone(), under: under.collect(), help: help.clone() }
    };
    profile.checks.iter().filter(concerns).map(closed).collect()
}

/// What the plugin of a component is asked on this machine: the plugin's id, and the request.
///
/// # Errors
/// Every [`Refusal`] that a rollback of this component alone would meet before it asks.
pub fn request(job: &Job, component: &ComponentId) -> Result<(String, PlanRequest), Refusal> {
    let mut job = with_real_sources(job)?;
    job.ask.components = vec![component.clone()];
    let survey = Survey::make(&job)?;
    match select(&job, &survey)?.first() {
        Some(component) => request_of(&job, &survey, component),
        None => Err(absent(&survey, known(&job.profile.profile, component)?)),
    }
}

/// What is asked of a component's plugin.
fn request_of(job: &Job, survey: &Survey, component: &Component) -> Result<(String, PlanRequest), Refusal> {
    let Role::Restore { plugin, config } = &component.role else {
        return Err(Refusal::ComponentNotRestorable { component: component.id.clone(), why: None });
    };
    let mut services = Vec::new();
    for service in &component.services {
        match (survey.services.state(&service.name), service.need) {
            (Ok(ServiceState::NotInstalled), ServiceNeed::Optional) => {}
            (Ok(ServiceState::NotInstalled), ServiceNeed::Required) => {
                let component = component.id.clone();
                return Err(Refusal::ServiceMissing { service: service.name.clone(), component });
            }
            (Ok(_), _) => services.push(service.name.clone()),
            (Err(e), _) => return Err(Refusal::Service(e)),
        }
    }
    // Also where one of two folders that the product takes for the same is empty, so that no backup tells.
    for backup in &component.presence.backups {
        if let Some((root, Some(rel))) = look::location(&survey.folders, backup) {
            existing(&job.profile.profile, &root, &rel)?;
        }
    }
    let from = &job.ask.from;
    let own = from.iter().rfind(|(c, _)| c.as_ref() == Some(&component.id));
    let source = own.or_else(|| from.iter().rfind(|(c, _)| c.is_none())).map(|(_, s)| s.clone());
    let request = PlanRequest {
        component: component.id.clone(),
        config: config.get_ron().to_owned(),
        folders: survey.folders.clone(),
        names: job.profile.profile.names,
        listed: listed(&job.profile.profile, survey, component)?,
        facts: facts(&services, survey),
        services,
        source: source.unwrap_or(BackupSource::Vendor),
        options: job.ask.options.clone(),
        machine: None,
        record: false,
    };
    Ok((plugin.clone(), request))
}

/// Asks a component's plugin.
fn ask(
    job: &Job,
    survey: &Survey,
    component: &Component,
    faces: &Faces<'_>,
    plugins: &mut Vec<PluginRef>,
) -> Result<Proposer, Refusal> {
    let (plugin, request) = request_of(job, survey, component)?;
    let found = faces.host.find(&plugin).map_err(Refusal::Plugin)?;
    let proposal = faces.host.plan(&found, &request).map_err(Refusal::Plugin)?;
    something_live(job, survey, component, &proposal)?;
    if !plugins.contains(&found) {
        plugins.push(found);
    }
    Ok(Proposer { component: component.id.clone(), plugin, services: request.services, proposal })
}

/// Where only a service and backups say that a component is here, its folder may be the wrong one, and files would be
/// made in it. So at least one of its files must be there already, unless the operator named both.
fn something_live(
    job: &Job,
    survey: &Survey,
    component: &Component,
    proposal: &Proposal,
) -> Result<(), Refusal> {
    let seen = survey.presence.get(&component.id);
    let (Some(Presence::Present { marker: None, .. }), Some(marker)) = (seen, &component.presence.marker)
    else {
        return Ok(());
    };
    let variable = marker.split('/').next().unwrap_or(marker);
    let Some(home) = survey.vars.get(variable) else { return Ok(()) };
    let given = |name: &str| job.ask.set.contains_key(name);
    let set = given(variable) || matches!(&home.origin, Origin::SameAs(other) if given(other));
    if set && job.ask.components.contains(&component.id) {
        return Ok(());
    }
    let is_live = |place: &Place| {
        let found = locate(&place.root.0, &place.rel, job.profile.profile.names);
        look::below(&place.path(), &home.value.0) && found.is_ok_and(|f| f.kind == Some(Kind::File))
    };
    let live = proposal.steps.iter().any(|step| match step {
        Proposed::RestoreFile { target, need, .. } => *need != Need::Unlisted && is_live(target),
        _ => false,
    });
    if live {
        return Ok(());
    }
    Err(Refusal::NothingLive {
        component: component.id.clone(),
        variable: variable.to_owned(),
        value: home.clone(),
    })
}

fn source_folder(source: &BackupSource) -> Option<HostPath> {
    match source {
        BackupSource::Vendor => None,
        BackupSource::Dir(folder) => Some(folder.clone()),
    }
}

/// The run's services in stop order, each with what it is now.
fn planned_services(
    job: &Job,
    survey: &Survey,
    stops: &[ServiceName],
    starts: &[ServiceName],
) -> Result<Vec<PlannedService>, Refusal> {
    let mut names: Vec<&ServiceName> = stops.iter().collect();
    names.extend(starts.iter().filter(|s| !stops.contains(s)));
    let planned = |name: &ServiceName| {
        let was = survey.services.state(name).map_err(Refusal::Service)?.was();
        let start = starts.contains(name) && (was.ran() || job.ask.start_all);
        Ok(PlannedService { name: name.clone(), was, start, tie: Tie::Named })
    };
    let named = names.into_iter().map(planned).collect::<Result<Vec<_>, Refusal>>()?;
    with_companions(named, survey.services.as_ref()).map_err(Refusal::Service)
}

/// All steps in the order they are carried out. Where no file changes no service is touched either.
pub(crate) fn steps(services: &[PlannedService], waits: Vec<Step>, files: Vec<Step>) -> Vec<Step> {
    if !files.iter().any(Step::changes_files) {
        return files;
    }
    let stops =
        services.iter().filter(|s| s.was.ran()).map(|s| Step::StopService { service: s.name.clone() });
    let mut order: Vec<&PlannedService> = services.iter().filter(|s| s.start).collect();
    order.sort_by_key(|s| s.tie);
    let starts = order.into_iter().map(|s| Step::StartService { service: s.name.clone() });
    stops.chain(waits).chain(files).chain(starts).collect()
}

fn found_stopped<'a>(
    services: &'a [PlannedService],
    survey: &'a Survey,
) -> impl Iterator<Item = Notice> + 'a {
    services
        .iter()
        .filter(|s| s.was == Was::Stopped && !s.start)
        .map(|s| Notice::FoundStopped { service: s.name.clone(), start: survey.services.start_hint(&s.name) })
}

fn reminders(profile: &Profile, selected: &[&Component], when: Moment) -> Vec<Text> {
    let about = |r: &&backout_protocol::profile::Reminder| {
        r.when == when && (r.components.is_empty() || selected.iter().any(|c| r.components.contains(&c.id)))
    };
    profile.reminders.iter().filter(about).map(|r| r.text.clone()).collect()
}
