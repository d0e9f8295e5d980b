//! Plans a rollback: chooses components, asks their plugins, merges the answers. Changes nothing.

use crate::{
    builds::{build_notices, planned_components, stays_patched},
    claims::elsewhere,
    companions::with_companions,
    drift::Known,
    faces::Faces,
    facts::facts,
    load::{Job, check_trust},
    look,
    merge::{Ground, Proposer, merge, once},
    preflight,
    presence::{Presence, existing},
    refusal::{Refusal, Trusted},
    safe,
    setting::Settings,
    snapshot::restore,
    state::State,
    survey::{Survey, absent, expected_machines, has_required, known, listed, missing_variable, row_place},
    undo,
};
use backout_disk::{folder::Kind, locate::locate};
use backout_machine::service::{ServiceState, Services};
use backout_protocol::{
    ComponentId, HostPath, Image, Notice, Place, Plan, Profile, ServiceName, SnapshotId, Step,
    message::{BackupSource, Need, PlanRequest, Proposal, Proposed},
    plan::{Closed, Origin, PlanKind, PlannedService, PluginRef, RestoreFrom, Tie, Was},
    profile::{Check, Component, Goes, Moment, Role, ServiceNeed},
    site::ServiceAccess,
    step::Source,
    text::Text,
};
use std::collections::{BTreeMap, BTreeSet};

/// The version that plans and journals carry.
pub const TOOL: &str = env!("CARGO_PKG_VERSION");

/// Plans `job` on this machine. `state`: the state folder, if there is one, for what earlier rollbacks put back.
///
/// # Errors
/// Every [`Refusal`] that a rollback would meet before it looks at rights, space and file systems.
pub fn plan(job: &Job, state: Option<&State>, faces: &Faces<'_>) -> Result<Plan, Refusal> {
    Ok(planned(job, state, faces)?.plan)
}

/// A plan, and what it says nothing of where nothing changes.
pub(crate) struct Planned {
    pub plan: Plan,
    /// What a window waits for once its services are down.
    pub waits: Vec<Step>,
    /// Programs that must not run in a window.
    pub closed: Vec<Closed>,
}

/// As [`plan`].
pub(crate) fn planned(job: &Job, state: Option<&State>, faces: &Faces<'_>) -> Result<Planned, Refusal> {
    let job = &with_real_sources(job)?;
    let survey = Survey::make(job)?;
    let profile = &job.profile.profile;
    let whole = restore::of_everything(job);
    let selected = match whole {
        Some(_) => present(profile, &survey),
        None => select(job, &survey)?,
    };
    let mut plugins = Vec::new();
    let mut proposers = Vec::new();
    // The files of components that come from a snapshot; their plugins are asked for what goes on around them.
    let mut not_in_snapshots = Vec::new();
    let mut of_snapshots: BTreeMap<&SnapshotId, BTreeSet<Place>> = BTreeMap::new();
    for component in &selected {
        let mut proposer = ask(job, &survey, component, faces, &mut plugins)?;
        if let RestoreFrom::Snapshot(id) = source_of(job, component) {
            let places = of_snapshots.entry(id).or_default();
            places.extend(restore::places(&proposer.proposal.steps));
            places.extend(rows(profile, &survey, component));
            not_in_snapshots.extend(actions_of(&component.id, &proposer.proposal));
            frame_alone(&mut proposer.proposal);
        }
        proposers.push(proposer);
    }
    if let Some(id) = whole {
        of_snapshots.entry(id).or_default();
    }
    let history = undo::Restored::of(state);
    let restored = |place: &_, live: &Image| history.put_back(place, live);
    let machines = expected_machines(profile, &survey);
    let known_states = Known::of(profile, &survey, state);
    let ground = Ground {
        names: profile.names,
        roots: roots(profile, &survey),
        sources: job.ask.from.iter().filter_map(|(_, s)| source_folder(s)).collect(),
        ask: &job.ask,
        machines: &machines,
        restored: &restored,
        known: &known_states,
    };
    let mut merged = merge(&proposers, &ground)?;
    check_backups(&merged.files, &ground.sources)?;
    if !of_snapshots.is_empty() {
        let Some(otherwise) = selected.first().copied().or(profile.components.first()) else {
            return Err(Refusal::NothingPresent { profile: profile.name.clone() });
        };
        let listed = listed_places(profile, &survey);
        for (id, places) in of_snapshots {
            let snapshot = restore::open(state, id, &ground.roots)?;
            let Some(state) = state else { continue };
            let ground = restore::Ground {
                state,
                cancel: faces.cancel,
                names: profile.names,
                listed: &listed,
                otherwise: &otherwise.id,
                settings: Settings { registry: faces.registry, services: survey.services.as_ref() },
                insists: false,
                goes: None,
            };
            let restored = match whole {
                Some(_) => restore::everything(&snapshot, &ground)?,
                None => restore::these(&snapshot, &places, &ground)?,
            };
            restore::join(&mut merged, restored)?;
        }
    }
    let concerned: Vec<&Component> = match whole {
        Some(_) => profile.components.iter().collect(),
        None => selected.clone(),
    };
    if job.ask.only_safe {
        safe::leave_wanting(&mut merged);
    }
    safe::leave_actions(&mut merged);
    merged.notices.extend(not_in_snapshots);
    let to_close = to_be_closed(profile, &survey, &concerned);
    let mut closed = Vec::new();
    // Settings and actions come behind all files.
    let mut changes = std::mem::take(&mut merged.files);
    changes.append(&mut merged.settings);
    changes.append(&mut merged.customs);
    if changes.iter().any(Step::changes) {
        closed.clone_from(&to_close);
        preflight::closed_now(&closed)?;
    }
    if !merged.wanting.is_empty() {
        let mut others = Vec::new();
        for component in present(profile, &survey) {
            if !selected.iter().any(|s| s.id == component.id) {
                others.extend(ask(job, &survey, component, faces, &mut Vec::new()).ok());
            }
        }
        elsewhere(&mut merged.wanting, &others, &ground);
        return Err(Refusal::NoGoodBackup { wanting: merged.wanting });
    }
    let services = planned_services(job, &survey, &merged.stops, &merged.starts)?;
    let mut notices = std::mem::take(&mut merged.notices);
    notices.extend(found_stopped(&services, survey.services.as_ref()));
    let components = planned_components(profile, &survey, &selected, &merged.seen);
    notices.extend(build_notices(profile, &components, &merged.seen));
    notices.extend(stays_patched(profile, &survey, &changes)?);
    if changes.iter().any(Step::changes)
        && !services.is_empty()
        && matches!(job.site.services, ServiceAccess::Commands(_))
    {
        notices.push(Notice::CommandsNotHeldAtBoot);
    }
    let mut notes: Vec<Text> = proposers.iter().flat_map(|p| p.proposal.notes.clone()).collect();
    notes.extend(reminders(profile, &selected, Moment::Before));
    let kind = match profile.goes {
        Goes::Back => PlanKind::Rollback,
        Goes::Forward => PlanKind::Apply,
    };
    let plan = Plan {
        plugins,
        steps: steps(&services, merged.waits.clone(), changes),
        components,
        services,
        closed,
        keep_clear: merged.keep_clear,
        left_alone: merged.left_alone,
        notices,
        notes,
        reminders: reminders(profile, &selected, Moment::After),
        ..Plan::new(kind, TOOL, job.profile.reference(), job.ask.clone(), survey.effective(job))
    };
    Ok(Planned { plan, waits: merged.waits, closed: to_close })
}

/// The folders below which files may be changed.
pub(crate) fn roots(profile: &Profile, survey: &Survey) -> Vec<HostPath> {
    survey.folders.iter().filter(|(name, _)| profile.is_folder(name)).map(|(_, at)| at.clone()).collect()
}

/// The job with each `--from dir:` as the real path of a folder that nobody else may have filled. What is taken from below it
/// is looked at by [`check_backups`].
fn with_real_sources(job: &Job) -> Result<Job, Refusal> {
    let mut job = job.clone();
    for (_, source) in &mut job.ask.from {
        if let RestoreFrom::Dir(folder) = source {
            let missing = |_| Refusal::FolderMissing { path: folder.clone() };
            let real = std::fs::canonicalize(crate::load::absolute(&folder.0).0).map_err(missing)?;
            check_trust(&real, Trusted::Backups)?;
            *folder = HostPath(real);
        }
    }
    Ok(job)
}

/// Refuses backups that others could have put into a folder named by `--from`, or changed there.
fn check_backups(steps: &[Step], folders: &[HostPath]) -> Result<(), Refusal> {
    for step in steps {
        let Step::ReplaceFile { source: Source::File(backup), .. } = step else { continue };
        let backup = backup.path();
        let Some(folder) = folders.iter().find(|folder| look::below(&backup, &folder.0)) else { continue };
        backout_disk::trust::check_within(&folder.0, &backup).map_err(|e| Refusal::Distrusted {
            what: Trusted::Backups,
            path: folder.clone(),
            why: e.to_string(),
        })?;
    }
    Ok(())
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

/// Sees that the programs are closed that must be while the components that are here are worked on.
///
/// # Errors
/// [`Refusal::MustBeClosed`]; as planning, up to the survey.
pub(crate) fn closed_here(job: &Job) -> Result<(), Refusal> {
    let profile = &job.profile.profile;
    let survey = Survey::of_files(job)?;
    let here = |c: &&Component| matches!(survey.presence.get(&c.id), Some(Presence::Present { .. }));
    let here: Vec<&Component> = profile.components.iter().filter(here).collect();
    preflight::closed_now(&to_be_closed(profile, &survey, &here))
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

/// All that a plugin could roll back and that is here.
fn present<'a>(profile: &'a Profile, survey: &Survey) -> Vec<&'a Component> {
    let here = |c: &&Component| {
        matches!(c.role, Role::Restore { .. })
            && matches!(survey.presence.get(&c.id), Some(Presence::Present { .. }))
    };
    profile.components.iter().filter(here).collect()
}

/// The actions that a component's plugin proposes, each as one that no snapshot has.
fn actions_of(component: &ComponentId, proposal: &Proposal) -> Vec<Notice> {
    let stays = |step: &Proposed| match step {
        Proposed::Custom { action, .. } => {
            Some(Notice::ActionNotInSnapshot { component: component.clone(), action: action.clone() })
        }
        _ => None,
    };
    proposal.steps.iter().filter_map(stays).collect()
}

/// What goes on around the files: services, and processes that have to be gone.
fn frame_alone(proposal: &mut Proposal) {
    proposal.steps.retain(|step| {
        matches!(
            step,
            Proposed::StopService { .. } | Proposed::WaitExit { .. } | Proposed::StartService { .. }
        )
    });
    proposal.left_alone.clear();
    proposal.notes.clear();
}

/// Where the files of a component's lists are.
fn rows(profile: &Profile, survey: &Survey, component: &Component) -> Vec<Place> {
    let rows = listed(profile, survey, component).unwrap_or_default();
    rows.iter().filter_map(|row| row_place(profile, survey, row)).collect()
}

/// Whose each listed file is, by the key of its whole path.
fn listed_places(profile: &Profile, survey: &Survey) -> BTreeMap<String, Vec<ComponentId>> {
    let mut found: BTreeMap<String, Vec<ComponentId>> = BTreeMap::new();
    let judged = |c: &&Component| !matches!(c.role, Role::ReportOnly);
    for component in profile.components.iter().filter(judged) {
        for place in rows(profile, survey, component) {
            once(found.entry(profile.names.path_key(&place.path())).or_default(), component.id.clone());
        }
    }
    found
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
    let from_snapshot = matches!(source_of(job, component), RestoreFrom::Snapshot(_));
    let source = match source_of(job, component) {
        RestoreFrom::Vendor | RestoreFrom::Snapshot(_) => BackupSource::Vendor,
        RestoreFrom::Dir(folder) => BackupSource::Dir(folder.clone()),
    };
    let request = PlanRequest {
        component: component.id.clone(),
        config: config.get_ron().to_owned(),
        folders: survey.folders.clone(),
        names: job.profile.profile.names,
        listed: match (from_snapshot, listed(&job.profile.profile, survey, component)) {
            // Which rows apply is told by files that may be what the snapshot is to bring back.
            (true, rows) => rows.unwrap_or_default(),
            (false, rows) => rows?,
        },
        facts: facts(&services, survey),
        services,
        source,
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
    if !matches!(source_of(job, component), RestoreFrom::Snapshot(_)) {
        something_live(job, survey, component, &proposal)?;
    }
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

fn source_folder(source: &RestoreFrom) -> Option<HostPath> {
    match source {
        RestoreFrom::Vendor | RestoreFrom::Snapshot(_) => None,
        RestoreFrom::Dir(folder) => Some(folder.clone()),
    }
}

/// Where the files of a component come from.
fn source_of<'a>(job: &'a Job, component: &Component) -> &'a RestoreFrom {
    let from = &job.ask.from;
    let own = from.iter().rfind(|(c, _)| c.as_ref() == Some(&component.id));
    let found = own.or_else(|| from.iter().rfind(|(c, _)| c.is_none()));
    found.map_or(&RestoreFrom::Vendor, |(_, source)| source)
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

/// All steps in the order they are carried out. Where nothing changes no service is touched either.
pub(crate) fn steps(services: &[PlannedService], waits: Vec<Step>, changes: Vec<Step>) -> Vec<Step> {
    if !changes.iter().any(Step::changes) {
        return changes;
    }
    let stops =
        services.iter().filter(|s| s.was.ran()).map(|s| Step::StopService { service: s.name.clone() });
    let mut order: Vec<&PlannedService> = services.iter().filter(|s| s.start).collect();
    order.sort_by_key(|s| s.tie);
    let starts = order.into_iter().map(|s| Step::StartService { service: s.name.clone() });
    stops.chain(waits).chain(changes).chain(starts).collect()
}

/// Says of each service that was found stopped and stays so how it is started.
pub(crate) fn found_stopped<'a>(
    services: &'a [PlannedService],
    manager: &'a dyn Services,
) -> impl Iterator<Item = Notice> + 'a {
    services
        .iter()
        .filter(|s| s.was == Was::Stopped && !s.start)
        .map(|s| Notice::FoundStopped { service: s.name.clone(), start: manager.start_hint(&s.name) })
}

fn reminders(profile: &Profile, selected: &[&Component], when: Moment) -> Vec<Text> {
    let about = |r: &&backout_protocol::profile::Reminder| {
        r.when == when && (r.components.is_empty() || selected.iter().any(|c| r.components.contains(&c.id)))
    };
    profile.reminders.iter().filter(about).map(|r| r.text.clone()).collect()
}
