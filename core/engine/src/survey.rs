//! Surveys the machine before any plugin is asked: folders, services, components, and where listed files are.

use crate::{
    facts,
    load::{Job, check_trust},
    look,
    presence::{self, Presence},
    quiesce,
    refusal::{Refusal, Trusted},
    variables,
};
use backout_disk::locate::locate;
use backout_machine::{
    Patience, executed,
    service::{self, Companion, Hold, Needs, ServiceError, ServiceState, Services},
};
use backout_protocol::{
    ComponentId, Configuration, HostPath, MachineType, Profile, ServiceName,
    configuration::Part,
    message::{ListedFile, ProcessFact},
    path::encode,
    plan::{EffectiveSite, Resolved},
    profile::{Component, FileList, Probe, Role, ServiceNeed},
    site::ServiceAccess,
};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

/// What of the machine is known before any plugin is asked.
pub(crate) struct Survey {
    pub vars: BTreeMap<String, Resolved>,
    pub folders: BTreeMap<String, HostPath>,
    pub services: Box<dyn Services>,
    pub presence: BTreeMap<ComponentId, Presence>,
    /// Looked for when a plugin is asked first: all of a plan speaks of the same moment.
    processes: OnceLock<Vec<ProcessFact>>,
}

impl Survey {
    /// With the services that the site names. Their programs are checked before the first of them is run.
    pub(crate) fn make(job: &Job) -> Result<Self, Refusal> {
        let vars = variables::resolve(&job.profile.profile, &job.site, &job.ask)?;
        some_folder_known(&job.profile.profile, &vars)?;
        Self::with(job, Box::new(Remembered::of(open_services(job)?)))
    }

    /// Of files alone: asks no service and runs no program.
    pub(crate) fn of_files(job: &Job) -> Result<Self, Refusal> {
        Self::with(job, quiesce::assumed())
    }

    /// With these services.
    pub(crate) fn with(job: &Job, services: Box<dyn Services>) -> Result<Self, Refusal> {
        let profile = &job.profile.profile;
        let vars = variables::resolve(profile, &job.site, &job.ask)?;
        let folders: BTreeMap<_, _> = vars.iter().map(|(n, r)| (n.clone(), r.value.clone())).collect();
        let mut presence = BTreeMap::new();
        for component in &profile.components {
            let found = presence::find(profile, component, &folders, services.as_ref())?;
            presence.insert(component.id.clone(), found);
        }
        Ok(Self { vars, folders, services, presence, processes: OnceLock::new() })
    }

    /// The processes that run from below the product's folders.
    pub(crate) fn processes(&self) -> &[ProcessFact] {
        self.processes.get_or_init(|| facts::processes(self.folders.values()))
    }

    pub(crate) fn effective(&self, job: &Job) -> EffectiveSite {
        let profile = &job.profile.profile;
        EffectiveSite {
            vars: self.vars.clone(),
            names: profile.names,
            services: job.site.services.clone(),
            units: job.site.units.clone(),
            timeouts: job.site.timeouts.over(profile.timeouts),
            health: profile.health.iter().chain(&job.site.health).cloned().collect(),
            images: images(job),
        }
    }
}

/// The images that are expected of services; the site beats the profile.
fn images(job: &Job) -> BTreeMap<ServiceName, String> {
    let services = job.profile.profile.components.iter().flat_map(|c| &c.services);
    let mut images: BTreeMap<_, _> =
        services.filter_map(|s| Some((s.name.clone(), s.image.clone()?))).collect();
    images.extend(job.site.images.clone());
    images
}

/// Services whose state is asked once: all of a plan speaks of the same moment, however often it looks.
struct Remembered {
    services: Box<dyn Services>,
    seen: Mutex<BTreeMap<ServiceName, ServiceState>>,
}

impl Remembered {
    fn of(services: Box<dyn Services>) -> Self {
        Self { services, seen: Mutex::default() }
    }
}

impl Services for Remembered {
    fn state(&self, service: &ServiceName) -> Result<ServiceState, ServiceError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = seen.get(service) {
            return Ok(*state);
        }
        let state = self.services.state(service)?;
        seen.insert(service.clone(), state);
        Ok(state)
    }

    fn stop(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.services.stop(service, patience)
    }

    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.services.start(service, patience)
    }

    fn set_going(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.services.set_going(service, patience)
    }

    fn start_hint(&self, service: &ServiceName) -> String {
        self.services.start_hint(service)
    }

    fn configuration(
        &self,
        service: &ServiceName,
        known: Option<&Configuration>,
    ) -> Result<Option<Configuration>, ServiceError> {
        self.services.configuration(service, known)
    }

    fn settable(&self, part: Part, now: &Configuration, then: &Configuration, roots: &[HostPath]) -> bool {
        self.services.settable(part, now, then, roots)
    }

    fn is_of_files(&self, part: Part, now: &Configuration, then: &Configuration, roots: &[HostPath]) -> bool {
        self.services.is_of_files(part, now, then, roots)
    }

    fn configure(
        &self,
        service: &ServiceName,
        to: &Configuration,
        parts: &[Part],
    ) -> Result<(), ServiceError> {
        self.services.configure(service, to, parts)
    }

    fn companions(&self, service: &ServiceName) -> Result<Vec<Companion>, ServiceError> {
        self.services.companions(service)
    }

    fn holds(&self, services: &[ServiceName], unsettled: &Path) -> Result<Vec<Hold>, ServiceError> {
        self.services.holds(services, unsettled)
    }

    fn needs(&self, services: &[ServiceName]) -> Result<Vec<Needs>, ServiceError> {
        self.services.needs(services)
    }

    fn hold_back(&self, needs: &[Needs]) -> Result<(), ServiceError> {
        self.services.hold_back(needs)
    }

    fn let_go(&self, needs: &[Needs]) -> Result<(), ServiceError> {
        self.services.let_go(needs)
    }

    fn mark_stops(&self, held: Option<File>) {
        self.services.mark_stops(held);
    }

    fn reload(&self) -> Result<(), ServiceError> {
        self.services.reload()
    }

    fn is_configuration(&self, path: &Path) -> bool {
        self.services.is_configuration(path)
    }

    fn programs(&self) -> Vec<PathBuf> {
        self.services.programs()
    }
}

/// Refuses where no component's folder is known: everything else that could be said would only confuse.
fn some_folder_known(profile: &Profile, vars: &BTreeMap<String, Resolved>) -> Result<(), Refusal> {
    let markers = profile.components.iter().filter(|c| matches!(c.role, Role::Restore { .. }));
    let mut unknown = None;
    for marker in markers.filter_map(|c| c.presence.marker.as_deref()) {
        let variable = marker.split('/').next().unwrap_or(marker);
        if vars.contains_key(variable) {
            return Ok(());
        }
        unknown.get_or_insert(variable);
    }
    unknown.map_or(Ok(()), |variable| Err(missing_variable(profile, variable)))
}

/// Opens the services after their programs have been checked: the first status command runs already while planning.
pub(crate) fn open_services(job: &Job) -> Result<Box<dyn Services>, Refusal> {
    let profile = &job.profile.profile;
    let known: Vec<ServiceName> =
        profile.components.iter().flat_map(|c| &c.services).map(|s| s.name.clone()).collect();
    if let ServiceAccess::Commands(sets) = &job.site.services
        && let Some(service) = sets.keys().find(|s| !known.contains(s))
    {
        let mut known = known;
        known.sort();
        known.dedup();
        return Err(Refusal::SiteServiceUnknown { service: service.clone(), known });
    }
    let asked = job.site.health.iter().filter_map(|p| p.service.as_ref());
    if let Some(service) = asked.chain(job.site.images.keys()).find(|s| !known.contains(s)) {
        let mut known = known;
        known.sort();
        known.dedup();
        return Err(Refusal::SiteServiceUnknown { service: service.clone(), known });
    }
    let services = if known.is_empty() {
        quiesce::none()
    } else {
        service::open(&job.site.services, &job.site.units, &job.site.timeouts.over(profile.timeouts))
            .map_err(Refusal::Service)?
    };
    check_programs(services.as_ref())?;
    check_probes(profile.health.iter().chain(&job.site.health))?;
    Ok(services)
}

/// Refuses what probes run where others could have changed it. A script that is not there yet, as a patch may bring it, is looked at
/// when it is run.
pub(crate) fn check_probes<'a>(probes: impl IntoIterator<Item = &'a Probe>) -> Result<(), Refusal> {
    for probe in probes {
        let program = probe.run.first().map(PathBuf::from);
        let files = executed(&probe.run).into_iter();
        let mut here = files.filter(|file| program.as_ref() == Some(file) || file.exists());
        here.try_for_each(|file| check_program(&file))?;
    }
    Ok(())
}

/// Refuses programs and scripts of services that others could have changed.
pub(crate) fn check_programs(services: &dyn Services) -> Result<(), Refusal> {
    services.programs().iter().try_for_each(|program| check_program(program))
}

fn check_program(program: &Path) -> Result<(), Refusal> {
    if !program.is_absolute() {
        return Err(Refusal::ProgramNotAbsolute { program: encode(program.as_os_str()) });
    }
    check_trust(program, Trusted::Program)
}

/// Whether a required service of the component is installed here, so that the component must be here too.
pub(crate) fn has_required(component: &Component, survey: &Survey) -> bool {
    let required = component.services.iter().filter(|s| s.need == ServiceNeed::Required);
    let mut required = required.peekable();
    required.peek().is_some()
        && required.all(|s| !matches!(survey.services.state(&s.name), Ok(ServiceState::NotInstalled)))
}

pub(crate) fn missing_variable(profile: &Profile, variable: &str) -> Refusal {
    let same_as = profile.variables.iter().find(|v| v.name == *variable).and_then(|v| v.same_as.as_deref());
    let variable = same_as.unwrap_or(variable);
    // The one that others take their value from is the one to give.
    let about = profile.variables.iter().find(|v| v.name == *variable).map(|v| v.about.clone());
    Refusal::VariableMissing { variable: variable.to_owned(), about: about.unwrap_or_default() }
}

/// The machine type that a component was found to be made for.
fn machine_of(survey: &Survey, component: &Component) -> Option<MachineType> {
    match survey.presence.get(&component.id) {
        Some(Presence::Present { machine, .. }) => *machine,
        _ => None,
    }
}

/// The lists that apply to a component here.
pub(crate) fn lists<'a>(profile: &'a Profile, survey: &Survey, component: &Component) -> Vec<&'a FileList> {
    let machine = machine_of(survey, component);
    let used = component.lists.iter().filter(|l| l.when.is_none() || l.when == machine);
    used.filter_map(|used| profile.lists.iter().find(|l| l.id == used.list)).collect()
}

/// The rows of the lists that apply to a component here, each with its folder.
pub(crate) fn listed(
    profile: &Profile,
    survey: &Survey,
    component: &Component,
) -> Result<Vec<ListedFile>, Refusal> {
    let lists = lists(profile, survey, component);
    if !component.lists.is_empty() && lists.is_empty() {
        let machine = machine_of(survey, component);
        return Err(Refusal::NoListFor { component: component.id.clone(), machine });
    }
    let mut rows = Vec::new();
    for list in lists {
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
                sha256: row.sha256,
                before: row.before,
                added: row.added,
                removed: row.removed,
            });
        }
    }
    Ok(rows)
}

/// The machine type that each listed file of each component is for, where the list is for one.
pub(crate) fn expected_machines(
    profile: &Profile,
    survey: &Survey,
) -> BTreeMap<(ComponentId, String), MachineType> {
    let mut machines = BTreeMap::new();
    for component in &profile.components {
        let Some(Presence::Present { machine: Some(machine), .. }) = survey.presence.get(&component.id)
        else {
            continue;
        };
        let used = component.lists.iter().filter(|l| l.when == Some(*machine));
        let lists = used.filter_map(|u| profile.lists.iter().find(|l| l.id == u.list));
        for row in lists.flat_map(|l| &l.files).filter(|r| !r.any_machine) {
            for name in std::iter::once(&row.name).chain(&row.aliases) {
                machines.insert((component.id.clone(), profile.names.key(name.as_ref())), *machine);
            }
        }
    }
    machines
}

/// The component of this id.
pub(crate) fn known<'a>(profile: &'a Profile, id: &ComponentId) -> Result<&'a Component, Refusal> {
    profile.components.iter().find(|c| c.id == *id).ok_or_else(|| Refusal::ComponentUnknown {
        component: id.clone(),
        known: profile.components.iter().map(|c| c.id.clone()).collect(),
    })
}

/// The refusal of a component that was asked for by name and is not here.
pub(crate) fn absent(survey: &Survey, component: &Component) -> Refusal {
    let marker = component.presence.marker.as_ref();
    let marker = marker.and_then(|m| look::path_of(&survey.folders, m)).map(HostPath);
    Refusal::ComponentAbsent { component: component.id.clone(), marker }
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
