//! A plan: every step computed, nothing touched. Written as `plan.ron`, it is all that recovery needs.

use crate::{
    ComponentId, Digest, FileVersion, Fingerprint, Guard, HostPath, NameRule, Notice, Place, RunId,
    ServiceName, SnapshotId, Step,
    message::LeftAlone,
    profile::{Probe, Timeouts},
    site::ServiceAccess,
    text::Text,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of `plan.ron`: (major, minor). 1.0: the first. 1.1: custom steps name their plugin and their way, and a plan
/// may be one to apply. 1.2: symbolic links, folders that are dressed, and what differs beside the bytes. 1.3: keys of the
/// registry, and how services are configured.
pub const FORMAT: (u16, u16) = (1, 3);

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT`] of the tool that wrote it.
    pub format: (u16, u16),
    /// Rolling a product back, or taking a run back.
    pub kind: PlanKind,
    /// The tool's version.
    pub tool: String,
    /// The profile it was made from.
    pub profile: ProfileRef,
    /// The plugins that planned it.
    pub plugins: Vec<PluginRef>,
    /// What was asked for.
    pub request: Ask,
    /// What this machine answered.
    pub site: EffectiveSite,
    /// The profile's components, in order, and what becomes of each.
    pub components: Vec<PlannedComponent>,
    /// The run's services in stop order.
    pub services: Vec<PlannedService>,
    /// The steps.
    pub steps: Vec<Step>,
    /// Programs that must not run while names are swapped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
    /// Folders that nothing of the run may stay in: staging folders lie above them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_clear: Vec<Place>,
    /// The guard whose way back this run is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<RunId>,
    /// What services are to be in the end, whatever they are found as; those that are not named are to be as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<(ServiceName, Was)>,
    /// Files seen and not touched.
    pub left_alone: Vec<LeftAlone>,
    /// What a person should know.
    pub notices: Vec<Notice>,
    /// Sentences of plugins and profile to say with the plan.
    pub notes: Vec<Text>,
    /// Sentences of the profile to say with the result.
    pub reminders: Vec<Text>,
}

/// What a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum PlanKind {
    /// A product goes back to the state before its patch.
    Rollback,
    /// A product goes forward: its settings are changed as a profile says.
    Apply,
    /// A finished run is taken back.
    Undo {
        /// That run.
        of: RunId,
    },
    /// An installer runs, with a snapshot behind it. Its own steps change nothing; they are what a way back waits for.
    Guard(Box<Guard>),
}

/// Which profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileRef {
    /// Its name.
    pub name: String,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// The file it was read from; `None`: built in.
    #[serde(default)]
    pub file: Option<HostPath>,
}

impl ProfileRef {
    /// What stands in place of a profile's name where folders are watched without one: no profile can be called so.
    pub const WATCHED: &str = "watched folders";

    /// Whether there is no profile.
    pub fn is_none(&self) -> bool {
        self.name == Self::WATCHED
    }
}

/// Which plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginRef {
    /// Its manifest id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Digest of the library file.
    pub sha256: Digest,
    /// The library file.
    pub file: HostPath,
}

/// What the operator asked for, enough to plan it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// Components by name; empty: those that are present.
    pub components: Vec<ComponentId>,
    /// `--from`, by component; the key `None` is the default for all others.
    pub from: Vec<(Option<ComponentId>, RestoreFrom)>,
    /// `--prefer TARGET=COMPONENT`.
    pub prefer: Vec<(String, ComponentId)>,
    /// `--only-safe`: what cannot go back stays, and is named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_safe: bool,
    /// `--keep-local PATH`: files that stay as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep_local: Vec<String>,
    /// `--overwrite PATH`: files that go back although somebody edited them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overwrite: Vec<String>,
    /// `undo --path FILE`: only these files of the run; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// `--set NAME=VALUE`.
    pub set: BTreeMap<String, HostPath>,
    /// Switches that plugins know: `include-unlisted`, `clear-hotfix`.
    pub options: BTreeSet<String>,
    /// `--end-lingering`.
    pub end_lingering: bool,
    /// `--start-all`.
    pub start_all: bool,
    /// `--on-locked`.
    pub on_locked: OnLocked,
    /// The site file.
    pub site: Option<HostPath>,
    /// Plugin folders, in search order.
    pub plugin_dirs: Vec<HostPath>,
    /// Profile folders, in search order.
    pub profile_dirs: Vec<HostPath>,
    /// Who asked.
    pub by: Option<Operator>,
    /// `--request-id`: the caller's own id of this request.
    pub request_id: Option<String>,
}

/// Where the files of a rollback come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreFrom {
    /// The product's own backups.
    Vendor,
    /// A folder of files that somebody set aside, under their own or their `.bak` names.
    Dir(HostPath),
    /// A snapshot. No plugin is asked about it: the engine restores it by itself.
    Snapshot(SnapshotId),
}

/// What becomes of a run that meets a file in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLocked {
    /// Everything is put back.
    #[default]
    Fail,
    /// Everything is put back, and the next reboot replaces the files.
    Reboot,
}

/// Who asked for a run, as the operating system knows them. For people: nothing is decided by it, but the process, by
/// which the parent of a worker that died finds the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The account.
    pub user: String,
    /// The account behind `sudo`, if it was used.
    #[serde(default)]
    pub sudo: Option<String>,
    /// The machine's name.
    pub host: String,
    /// The process that carries the run out.
    pub process: u32,
}

/// Everything of site and profile that a run and its recovery need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectiveSite {
    /// Every variable with a value, and where the value came from.
    pub vars: BTreeMap<String, Resolved>,
    /// How names compare.
    pub names: NameRule,
    /// How services are reached.
    pub services: ServiceAccess,
    /// The unit of each service, where the system's manager has units.
    #[serde(default)]
    pub units: BTreeMap<ServiceName, String>,
    /// Waiting times.
    pub timeouts: Timeouts,
    /// Probes.
    pub health: Vec<Probe>,
    /// The program that runs when a service does, where it is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<ServiceName, String>,
}

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// The folder.
    pub value: HostPath,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a variable's value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// `--set`.
    CommandLine,
    /// The site file.
    Site,
    /// The registry value `KEY\VALUE`.
    Registry(String),
    /// A default of the profile that exists here.
    Default,
    /// Another variable.
    SameAs(String),
}

/// What becomes of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedComponent {
    /// Which.
    pub id: ComponentId,
    /// What becomes of it.
    pub state: ComponentState,
    /// The product builds its files show now, each once, lowest first.
    pub builds_now: Vec<FileVersion>,
    /// The builds they will show.
    pub builds_after: Vec<FileVersion>,
}

/// What becomes of a component in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentState {
    /// Worked on.
    Selected,
    /// Present, but not asked for.
    NotSelected,
    /// Not on this machine.
    Absent,
    /// Its service is here, but neither its files nor backups: not patched here.
    NotPatchedHere,
    /// Present; nothing rolls it back.
    VerifyOnly,
}

/// Programs that must not run while names are swapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Executable base names.
    pub images: Vec<String>,
    /// Folders below which the executable must lie to count.
    pub under: Vec<HostPath>,
    /// What to do if one runs.
    pub help: Text,
}

/// A service of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedService {
    /// Its display name.
    pub name: ServiceName,
    /// What it was when the plan was made.
    pub was: Was,
    /// Whether it is started in the end.
    pub start: bool,
    /// Why it is in the run.
    #[serde(default)]
    pub tie: Tie,
}

/// Why a service is in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tie {
    /// The system's manager opens it for one of the run's services, which it starts when somebody calls. Started before
    /// them: a manager refuses to open it for a service that runs already.
    Socket,
    /// A component of the run names it.
    #[default]
    Named,
    /// It needs one of the run's services, and the system's manager stops it with that one.
    Dependent,
    /// It starts one of the run's services by itself: at a time, or when a file changes.
    Trigger,
}

/// What a service was before the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Was {
    /// Running.
    Running,
    /// Between two lives: its manager starts it again and again.
    Restarting,
    /// Stopped.
    Stopped,
}

impl Was {
    /// Whether it is stopped for the window and started behind it.
    pub fn ran(self) -> bool {
        self != Was::Stopped
    }
}

impl PlannedService {
    /// Whether both mean the same to an operator who agreed to one of them: one that falls over and is started again is
    /// now this, now that.
    fn means(&self, other: &Self) -> bool {
        let Self { name, was, start, tie } = self;
        *name == other.name && was.ran() == other.was.ran() && *start == other.start && *tie == other.tie
    }
}

/// One difference between a saved plan and the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanDrift {
    /// The profile's bytes differ.
    Profile,
    /// A plugin's bytes differ, or another plugin is used.
    Plugin(String),
    /// A service is there, gone, or in another state.
    Service(ServiceName),
    /// A file step differs: its target.
    Target(String),
    /// Folders, commands, waiting times or probes differ.
    Site,
    /// An action of a plugin differs: its component and its name.
    Action(String),
    /// A key of the registry, or how a service is configured, differs.
    Setting(String),
    /// The steps come in another order.
    Order,
    /// It was written by another version of the tool.
    Tool,
}

impl Plan {
    /// A plan that does nothing, to be filled. `tool`: the version of the tool that makes it.
    pub fn new(kind: PlanKind, tool: &str, profile: ProfileRef, request: Ask, site: EffectiveSite) -> Self {
        Self {
            format: FORMAT,
            kind,
            tool: tool.to_owned(),
            profile,
            plugins: Vec::new(),
            request,
            site,
            components: Vec::new(),
            services: Vec::new(),
            steps: Vec::new(),
            closed: Vec::new(),
            keep_clear: Vec::new(),
            guard: None,
            after: Vec::new(),
            left_alone: Vec::new(),
            notices: Vec::new(),
            notes: Vec::new(),
            reminders: Vec::new(),
        }
    }

    /// Steps that change a file or folder.
    pub fn file_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|s| s.changes_files())
    }

    /// The run's services in the order they are started: what the manager opens for them, they themselves, what needs
    /// them, what starts them.
    pub fn start_order(&self) -> Vec<&PlannedService> {
        let mut order: Vec<&PlannedService> = self.services.iter().collect();
        order.sort_by_key(|s| s.tie);
        order
    }

    /// What was asked of the guard that this run is, if it is one.
    pub fn guards(&self) -> Option<&Guard> {
        match &self.kind {
            PlanKind::Guard(guard) => Some(guard),
            PlanKind::Rollback | PlanKind::Apply | PlanKind::Undo { .. } => None,
        }
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        !self.steps.iter().any(Step::changes)
    }

    /// Steps that change the registry or how a service is configured.
    pub fn settings(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.steps.iter().filter(|s| s.is_setting())
    }

    /// Steps that are a plugin's own code.
    pub fn customs(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|s| matches!(s, Step::Custom { .. }))
    }

    /// Whether it brings back what some snapshot holds, whatever build that is.
    pub fn restores_a_snapshot(&self) -> bool {
        self.request.from.iter().any(|(_, source)| matches!(source, RestoreFrom::Snapshot(_)))
    }

    /// What differs between this saved plan and one made `now`. Texts, notices and what was asked for do not count.
    pub fn drift(&self, now: &Plan) -> Vec<PlanDrift> {
        let mut found = Vec::new();
        if self.tool != now.tool || self.format != now.format || self.kind != now.kind {
            found.push(PlanDrift::Tool);
        }
        if self.profile.sha256 != now.profile.sha256 || self.profile.name != now.profile.name {
            found.push(PlanDrift::Profile);
        }
        differing(&self.plugins, &now.plugins, |p| p.id.clone(), |a, b| a.sha256 == b.sha256)
            .for_each(|id| found.push(PlanDrift::Plugin(id)));
        differing(&self.services, &now.services, |s| s.name.clone(), PlannedService::means)
            .for_each(|name| found.push(PlanDrift::Service(name)));
        let key = |s: &&Step| match s {
            Step::DressFolder { root, rel, .. } => {
                let path = rel.as_ref().map_or_else(|| root.0.clone(), |rel| root.0.join(rel.as_path()));
                Some(format!("{}/", HostPath(path)))
            }
            other => other.target().map(|t| t.to_string()),
        };
        let named = |s: &&Step| s.target().is_some() || matches!(s, Step::DressFolder { .. });
        let files = |p: &'_ Plan| p.steps.iter().filter(named).cloned().collect::<Vec<_>>();
        let (old, new) = (files(self), files(now));
        differing(&old, &new, |s| key(&s), PartialEq::eq)
            .for_each(|target| found.push(PlanDrift::Target(target.unwrap_or_default())));
        let actions = |p: &'_ Plan| p.customs().cloned().collect::<Vec<_>>();
        let (old, new) = (actions(self), actions(now));
        let named = |s: &Step| match s {
            Step::Custom { component, action, .. } => format!("{action} ({component})"),
            other => format!("{other:?}"),
        };
        for at in 0..old.len().max(new.len()) {
            let differs = old.get(at) != new.get(at);
            found
                .extend(old.get(at).or(new.get(at)).filter(|_| differs).map(|s| PlanDrift::Action(named(s))));
        }
        let settings = |p: &'_ Plan| p.settings().cloned().collect::<Vec<_>>();
        let (old, new) = (settings(self), settings(now));
        differing(&old, &new, Step::setting, PartialEq::eq)
            .for_each(|name| found.push(PlanDrift::Setting(name.unwrap_or_default())));
        if self.site != now.site {
            found.push(PlanDrift::Site);
        }
        let order = |plan: &Plan| plan.services.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
        if found.is_empty() && (self.steps != now.steps || order(self) != order(now)) {
            found.push(PlanDrift::Order);
        }
        found
    }

    /// The state a target has before this run, if the run changes or holds it.
    pub fn before(&self, step: &Step) -> Option<Fingerprint> {
        match step {
            Step::ReplaceFile { before, .. }
            | Step::ConsumeBackup { before, .. }
            | Step::RemoveFile { before, .. } => Some(before.fingerprint),
            Step::Hold { image, .. } => Some(image.fingerprint),
            Step::CreateFolder { .. } => Some(Fingerprint::Absent),
            Step::RemoveFolder { .. }
            | Step::DressFolder { .. }
            | Step::StopService { .. }
            | Step::WaitExit { .. }
            | Step::StartService { .. }
            | Step::SetKey { .. }
            | Step::Configure { .. }
            | Step::Custom { .. } => None,
        }
    }
}

/// Keys of items that are in only one of two lists, or in both and not the same.
fn differing<'a, T, K: Ord + Clone + 'a>(
    a: &'a [T],
    b: &'a [T],
    key: impl Fn(&T) -> K + 'a,
    same: impl Fn(&T, &T) -> bool + 'a,
) -> impl Iterator<Item = K> + 'a {
    let index = |items: &'a [T]| items.iter().map(|i| (key(i), i)).collect::<BTreeMap<K, &'a T>>();
    let (a, b) = (index(a), index(b));
    let keys: BTreeSet<K> = a.keys().chain(b.keys()).cloned().collect();
    keys.into_iter().filter(move |k| match (a.get(k), b.get(k)) {
        (Some(x), Some(y)) => !same(x, y),
        _ => true,
    })
}
