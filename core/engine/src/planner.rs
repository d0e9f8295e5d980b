//! Plans a rollback: resolves folders, finds components, asks their plugins, merges the answers. Changes nothing.

use crate::{
    faces::Faces,
    load::{Job, check_trust},
    look,
    merge::{Ground, Proposer, elsewhere, merge},
    presence::{self, Presence},
    quiesce,
    refusal::{Refusal, Trusted},
    state::State,
    undo, variables,
};
use backout_disk::locate::locate;
use backout_machine::{
    process,
    service::{self, ServiceState, Services},
};
use backout_protocol::{
    ComponentId, FileVersion, HostPath, Image, Notice, Plan, Profile, ServiceName, Step,
    message::{BackupSource, ListedFile, PlanRequest},
    path::encode,
    plan::{
        ComponentState, EffectiveSite, FORMAT, PlanKind, PlannedComponent, PlannedService, PluginRef,
        Resolved, Was,
    },
    profile::{Check, Component, Moment, Role, ServiceNeed},
    site::ServiceAccess,
    text::Text,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
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
    must_be_closed(profile, &survey, &selected)?;
    let mut plugins = Vec::new();
    let mut proposers = Vec::new();
    for component in &selected {
        proposers.push(ask(job, &survey, component, faces, &mut plugins)?);
    }
    let restored = |place: &_, live: &Image| state.is_some_and(|s| undo::restored(s, place, live));
    let ground = Ground {
        names: profile.names,
        roots: survey.folders.values().cloned().collect(),
        sources: job.ask.from.iter().filter_map(|(_, s)| source_folder(s)).collect(),
        prefer: &job.ask.prefer,
        restored: &restored,
    };
    let mut merged = merge(&proposers, &ground)?;
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
    if !services.is_empty() && matches!(job.site.services, ServiceAccess::Commands(_)) {
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

/// What of the machine is known before any plugin is asked.
pub(crate) struct Survey {
    pub vars: BTreeMap<String, Resolved>,
    pub folders: BTreeMap<String, HostPath>,
    pub services: Box<dyn Services>,
    pub presence: BTreeMap<ComponentId, Presence>,
}

impl Survey {
    pub(crate) fn make(job: &Job) -> Result<Self, Refusal> {
        let profile = &job.profile.profile;
        let vars = variables::resolve(profile, &job.site, &job.ask)?;
        let folders: BTreeMap<_, _> = vars.iter().map(|(n, r)| (n.clone(), r.value.clone())).collect();
        some_folder_known(profile, &folders)?;
        let services = open_services(job)?;
        let mut presence = BTreeMap::new();
        for component in &profile.components {
            presence.insert(
                component.id.clone(),
                presence::find(profile, component, &folders, services.as_ref())?,
            );
        }
        Ok(Self { vars, folders, services, presence })
    }

    fn effective(&self, job: &Job) -> EffectiveSite {
        let profile = &job.profile.profile;
        EffectiveSite {
            vars: self.vars.clone(),
            names: profile.names,
            services: job.site.services.clone(),
            timeouts: job.site.timeouts.over(profile.timeouts),
            health: profile.health.iter().chain(&job.site.health).cloned().collect(),
        }
    }
}

/// Refuses where no component's folder is known: everything else that could be said would only confuse.
fn some_folder_known(profile: &Profile, folders: &BTreeMap<String, HostPath>) -> Result<(), Refusal> {
    let markers = profile.components.iter().filter(|c| matches!(c.role, Role::Restore { .. }));
    let mut unknown = None;
    for marker in markers.filter_map(|c| c.presence.marker.as_deref()) {
        let variable = marker.split('/').next().unwrap_or(marker);
        if folders.contains_key(variable) {
            return Ok(());
        }
        unknown.get_or_insert(variable);
    }
    unknown.map_or(Ok(()), |variable| Err(missing_variable(profile, variable)))
}

/// Opens the services after their programs have been checked: the first status command runs already while planning.
fn open_services(job: &Job) -> Result<Box<dyn Services>, Refusal> {
    let profile = &job.profile.profile;
    let known: Vec<ServiceName> =
        profile.components.iter().flat_map(|c| &c.services).map(|s| s.name.clone()).collect();
    if let ServiceAccess::Commands(sets) = &job.site.services
        && let Some(service) = sets.keys().find(|s| !known.contains(s))
    {
        let mut known = known;
        known.dedup();
        return Err(Refusal::SiteServiceUnknown { service: service.clone(), known });
    }
    if known.is_empty() {
        return Ok(quiesce::none());
    }
    let services = service::open(&job.site.services, &job.site.timeouts.over(profile.timeouts))
        .map_err(Refusal::Service)?;
    let probes = profile.health.iter().chain(&job.site.health).filter_map(|p| p.run.first());
    for program in services.programs().iter().map(|p| p.as_path()).chain(probes.map(Path::new)) {
        check_program(program)?;
    }
    Ok(services)
}

pub(crate) fn check_program(program: &Path) -> Result<(), Refusal> {
    if !program.is_absolute() {
        return Err(Refusal::ProgramNotAbsolute { program: encode(program.as_os_str()) });
    }
    check_trust(program, Trusted::Program)
}

/// The components to work on, in the profile's order.
fn select<'a>(job: &'a Job, survey: &Survey) -> Result<Vec<&'a Component>, Refusal> {
    let profile = &job.profile.profile;
    let asked = &job.ask.components;
    for id in asked.iter().chain(job.ask.from.iter().filter_map(|(c, _)| c.as_ref())) {
        if !profile.components.iter().any(|c| c.id == *id) {
            let known = profile.components.iter().map(|c| c.id.clone()).collect();
            return Err(Refusal::ComponentUnknown { component: id.clone(), known });
        }
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
                let marker = component.presence.marker.as_ref();
                let marker = marker.and_then(|m| look::path_of(&survey.folders, m)).map(HostPath);
                return Err(Refusal::ComponentAbsent { component: component.id.clone(), marker });
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

/// Whether a required service of the component is installed here, so that the component must be here too.
fn has_required(component: &Component, survey: &Survey) -> bool {
    let required = component.services.iter().filter(|s| s.need == ServiceNeed::Required);
    let mut required = required.peekable();
    required.peek().is_some()
        && required.all(|s| !matches!(survey.services.state(&s.name), Ok(ServiceState::NotInstalled)))
}

fn missing_variable(profile: &Profile, variable: &str) -> Refusal {
    let same_as = profile.variables.iter().find(|v| v.name == *variable).and_then(|v| v.same_as.as_deref());
    let variable = same_as.unwrap_or(variable);
    // The one that others take their value from is the one to give.
    let about = profile.variables.iter().find(|v| v.name == *variable).map(|v| v.about.clone());
    Refusal::VariableMissing { variable: variable.to_owned(), about: about.unwrap_or_default() }
}

fn must_be_closed(profile: &Profile, survey: &Survey, selected: &[&Component]) -> Result<(), Refusal> {
    for check in &profile.checks {
        let Check::Closed { images, under, components, help } = check;
        if !selected.iter().any(|c| components.contains(&c.id)) {
            continue;
        }
        let under: Vec<_> = under.iter().filter_map(|u| look::path_of(&survey.folders, u)).collect();
        let open = process::running(images, &under)
            .map_err(|e| Refusal::BeforeStop(crate::refusal::Failure::Process { why: e.to_string() }))?;
        if !open.is_empty() {
            return Err(Refusal::MustBeClosed {
                processes: crate::quiesce::named(&open),
                help: help.clone(),
            });
        }
    }
    Ok(())
}

/// Asks a component's plugin.
fn ask(
    job: &Job,
    survey: &Survey,
    component: &Component,
    faces: &Faces<'_>,
    plugins: &mut Vec<PluginRef>,
) -> Result<Proposer, Refusal> {
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
    let found = faces.host.find(plugin).map_err(Refusal::Plugin)?;
    let from = &job.ask.from;
    let own = from.iter().rfind(|(c, _)| c.as_ref() == Some(&component.id));
    let source = own.or_else(|| from.iter().rfind(|(c, _)| c.is_none())).map(|(_, s)| s.clone());
    let request = PlanRequest {
        component: component.id.clone(),
        config: config.get_ron().to_owned(),
        folders: survey.folders.clone(),
        names: job.profile.profile.names,
        listed: listed(&job.profile.profile, survey, component)?,
        services: services.clone(),
        source: source.unwrap_or(BackupSource::Vendor),
        options: job.ask.options.clone(),
    };
    let proposal = faces.host.plan(&found, &request).map_err(Refusal::Plugin)?;
    if !plugins.contains(&found) {
        plugins.push(found);
    }
    Ok(Proposer { component: component.id.clone(), plugin: plugin.clone(), services, proposal })
}

/// The rows of the lists that apply to a component here, each with its folder.
pub(crate) fn listed(
    profile: &Profile,
    survey: &Survey,
    component: &Component,
) -> Result<Vec<ListedFile>, Refusal> {
    let machine = match survey.presence.get(&component.id) {
        Some(Presence::Present { machine, .. }) => *machine,
        _ => None,
    };
    let applies = |list: &&backout_protocol::profile::ListUse| list.when.is_none() || list.when == machine;
    if !component.lists.is_empty() && !component.lists.iter().any(|l| applies(&l)) {
        return Err(Refusal::NoListFor { component: component.id.clone(), machine });
    }
    let mut rows = Vec::new();
    for used in component.lists.iter().filter(applies) {
        let Some(list) = profile.lists.iter().find(|l| l.id == used.list) else { continue };
        for row in &list.files {
            let location = row.folder.as_ref().unwrap_or(&list.folder);
            let Some(folder) = look::path_of(&survey.folders, location) else {
                return Err(missing_variable(profile, location.split('/').next().unwrap_or(location)));
            };
            rows.push(ListedFile {
                name: row.name.clone(),
                aliases: row.aliases.clone(),
                folder: HostPath(folder),
                patched: row.version,
                added: row.added,
            });
        }
    }
    Ok(rows)
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
        let was = match survey.services.state(name).map_err(Refusal::Service)? {
            ServiceState::Running => Was::Running,
            ServiceState::Stopped | ServiceState::NotInstalled => Was::Stopped,
        };
        let start = starts.contains(name) && (was == Was::Running || job.ask.start_all);
        Ok(PlannedService { name: name.clone(), was, start })
    };
    names.into_iter().map(planned).collect()
}

/// All steps in the order they are carried out. Where no file changes no service is touched either.
pub(crate) fn steps(services: &[PlannedService], waits: Vec<Step>, files: Vec<Step>) -> Vec<Step> {
    if !files.iter().any(Step::changes_files) {
        return files;
    }
    let stops = services
        .iter()
        .filter(|s| s.was == Was::Running)
        .map(|s| Step::StopService { service: s.name.clone() });
    let starts = services.iter().filter(|s| s.start).map(|s| Step::StartService { service: s.name.clone() });
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

fn planned_components(
    profile: &Profile,
    survey: &Survey,
    selected: &[&Component],
    seen: &[(ComponentId, Image, Image)],
) -> Vec<PlannedComponent> {
    let state = |component: &Component| match (survey.presence.get(&component.id), &component.role) {
        (Some(Presence::Present { .. }), Role::Restore { .. }) => {
            let chosen = selected.iter().any(|s| s.id == component.id);
            if chosen { ComponentState::Selected } else { ComponentState::NotSelected }
        }
        (Some(Presence::Present { .. }), _) => ComponentState::VerifyOnly,
        (Some(Presence::NotPatchedHere), _) => ComponentState::NotPatchedHere,
        _ => ComponentState::Absent,
    };
    let restoring = profile.components.iter().filter(|c| !matches!(c.role, Role::ReportOnly));
    restoring
        .map(|component| {
            let own = || seen.iter().filter(|(c, ..)| *c == component.id);
            PlannedComponent {
                id: component.id.clone(),
                state: state(component),
                builds_now: builds(profile, own().map(|(_, now, _)| now)),
                builds_after: builds(profile, own().map(|(_, _, after)| after)),
            }
        })
        .collect()
}

/// The product's own builds among the versions of files, each once, lowest first.
fn builds<'a>(profile: &Profile, images: impl Iterator<Item = &'a Image>) -> Vec<FileVersion> {
    let line = profile.product.patched.map(FileVersion::line);
    let all: BTreeSet<FileVersion> =
        images.filter_map(|i| i.version).filter(|v| line.is_none_or(|l| l == v.line())).collect();
    all.into_iter().collect()
}

fn build_notices(
    profile: &Profile,
    components: &[PlannedComponent],
    seen: &[(ComponentId, Image, Image)],
) -> Vec<Notice> {
    let mut notices = Vec::new();
    let after = builds(profile, seen.iter().map(|(_, _, after)| after));
    if after.len() > 1 {
        notices.push(Notice::MixedBuilds { builds: after.clone() });
    }
    let changed: Vec<_> =
        seen.iter().filter(|(_, now, after)| now.fingerprint != after.fingerprint).cloned().collect();
    let (now, reached) = (
        builds(profile, changed.iter().map(|(_, now, _)| now)).into_iter().max(),
        builds(profile, changed.iter().map(|(_, _, after)| after)).into_iter().min(),
    );
    let selected =
        |id: &ComponentId| components.iter().any(|c| c.id == *id && c.state == ComponentState::Selected);
    let mut given_up: Vec<_> = profile
        .advisories
        .iter()
        .filter(|a| a.component.as_ref().is_none_or(selected))
        .filter(|a| !changed.is_empty() && reached.is_none_or(|r| r.build() < a.fixed_in))
        .filter(|a| now.is_none_or(|n| n.build() >= a.fixed_in))
        .collect();
    given_up.sort_by_key(|a| a.severity);
    let advisory = |a: &backout_protocol::profile::Advisory| Notice::Advisory {
        id: a.id.clone(),
        severity: a.severity,
        text: a.text.clone(),
    };
    notices.extend(given_up.into_iter().map(advisory));
    notices
}

/// Components that nothing rolls back, present and patched while others go back.
fn stays_patched(profile: &Profile, survey: &Survey, files: &[Step]) -> Result<Vec<Notice>, Refusal> {
    let mut notices = Vec::new();
    let changed =
        |path: &Path| files.iter().any(|s| s.changes_files() && s.target().is_some_and(|t| t.path() == path));
    for component in &profile.components {
        let Role::VerifyOnly { why } = &component.role else { continue };
        if !matches!(survey.presence.get(&component.id), Some(Presence::Present { .. })) {
            continue;
        }
        let mut stay = Vec::new();
        for row in listed(profile, survey, component)? {
            let Some(place) = row_place(profile, survey, &row) else { continue };
            let image = look::image(&place).unwrap_or(Image::ABSENT);
            let patched = row.patched.is_some() && image.version == row.patched;
            if patched && !changed(&place.path()) {
                stay.push(encode(place.rel.name()));
            }
        }
        if !stay.is_empty() {
            notices.push(Notice::StaysPatched {
                component: component.id.clone(),
                files: stay,
                why: why.clone(),
            });
        }
    }
    Ok(notices)
}

/// Where a row's file is, in its live spelling or that of an alias if that is what is there.
pub(crate) fn row_place(
    profile: &Profile,
    survey: &Survey,
    row: &ListedFile,
) -> Option<backout_protocol::Place> {
    let root = survey
        .folders
        .values()
        .filter(|f| look::below(&row.folder.0, &f.0))
        .max_by_key(|f| f.0.as_os_str().len())?;
    let inner = row.folder.0.strip_prefix(&root.0).ok()?;
    let mut first = None;
    for name in std::iter::once(&row.name).chain(&row.aliases) {
        let rel = backout_protocol::RelPath::new(inner.join(name)).ok()?;
        let place = match locate(&root.0, &rel, profile.names) {
            Ok(found) if found.kind.is_some() => return Some(found.place),
            Ok(found) => found.place,
            Err(_) => backout_protocol::Place { root: root.clone(), rel },
        };
        first.get_or_insert(place);
    }
    first
}

fn reminders(profile: &Profile, selected: &[&Component], when: Moment) -> Vec<Text> {
    let about = |r: &&backout_protocol::profile::Reminder| {
        r.when == when && (r.components.is_empty() || selected.iter().any(|c| r.components.contains(&c.id)))
    };
    profile.reminders.iter().filter(about).map(|r| r.text.clone()).collect()
}
