//! A product of which a plan is made, and what its plugin says of it.

use backout_engine::{
    Cancel, Faces, HostError, Job, Listed, LoadedProfile, Observer, PluginHost, Refusal, planner,
};
use backout_protocol::{
    ComponentId, Digest, Event, HostPath, Notice, Place, Plan, RelPath, Step,
    message::{Candidate, Expect, LeftReason, Need, PlanRequest, Proposal, Proposed},
    plan::{Ask, PluginRef},
    step::{Fate, Source},
};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// Components of one product: `c` and `d`, and the rows of a list of `c`; one that is not here, two that nothing rolls back,
/// and one of which nobody can say whether it is here.
const PROFILE: &str = r#"(name: "t", title: (en: "t"), product: (name: "t", version: "1", patch: "1"), names: NAMES,
    variables: [(name: "home", about: (en: "home")), (name: "data", about: (en: "data")), (name: "unset", about: (en: "unset"))],
    components: [
      (id: "c", title: (en: "c"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/here"), lists: [(list: "l")]),
      (id: "d", title: (en: "d"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/here")),
      (id: "absent", title: (en: "a"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/gone")),
      (id: "verified", title: (en: "v"), role: VerifyOnly(why: (en: "why")), presence: (marker: "home/here")),
      (id: "reported", title: (en: "r"), role: ReportOnly, presence: (marker: "home/here")),
      (id: "unknown", title: (en: "u"), role: Restore(plugin: "p", config: ()), presence: (marker: "unset/here")),
    ],
    lists: [(id: "l", folder: "home", files: [ROWS])])"#;

/// A plugin that says what it is told to say, of each component.
#[derive(Default)]
pub(crate) struct Says(pub(crate) BTreeMap<String, Proposal>);

impl PluginHost for Says {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        let (version, file) = ("1".into(), PathBuf::from("/p").into());
        Ok(PluginRef { id: id.into(), version, sha256: Digest([1; 32]), file })
    }
    fn plan(&self, _: &PluginRef, request: &PlanRequest) -> Result<Proposal, HostError> {
        Ok(self.0.get(request.component.as_str()).cloned().unwrap_or_default())
    }
    fn list(&self) -> Vec<Listed> {
        Vec::new()
    }
}

impl Observer for Says {
    fn event(&self, _: &Event) {}
}

pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) says: Says,
    pub(crate) ask: Ask,
    /// Of the list, as a profile says them.
    rows: String,
    /// How the product compares names, as a profile says it.
    pub(crate) names: &'static str,
}

impl World {
    /// A product with these files and their texts.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world =
            Self { dir, says: Says::default(), ask: Ask::default(), rows: String::new(), names: "Exact" };
        world.write("here", "");
        files.iter().for_each(|(name, text)| world.write(name, text));
        world
    }

    pub(crate) fn home(&self) -> HostPath {
        HostPath(self.dir.path().canonicalize().unwrap())
    }

    /// A folder of the product that is not there.
    pub(crate) fn data(&self) -> HostPath {
        HostPath(self.home().0.join("data"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.home().0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn at(&self, name: &str) -> Place {
        Place { root: self.home(), rel: RelPath::new(name).unwrap() }
    }

    pub(crate) fn restore(&self, target: &str, need: Need, backups: &[(&str, Fate)]) -> Proposed {
        let candidate = |(name, fate): &(&str, Fate)| Candidate { place: self.at(name), fate: *fate };
        Proposed::RestoreFile {
            target: self.at(target),
            need,
            candidates: backups.iter().map(candidate).collect(),
        }
    }

    pub(crate) fn remove(&self, target: &str, expect: Expect) -> Proposed {
        Proposed::RemoveFile { target: self.at(target), expect }
    }

    pub(crate) fn put(&self, target: &str, text: &str) -> Proposed {
        Proposed::WriteFile { target: self.at(target), bytes: text.into() }
    }

    /// What a component's plugin proposes.
    pub(crate) fn says(mut self, component: &str, steps: impl FnOnce(&Self) -> Vec<Proposed>) -> Self {
        let proposal = Proposal { steps: steps(&self), ..Proposal::default() };
        self.says.0.insert(component.to_owned(), proposal);
        self
    }

    pub(crate) fn prefer(mut self, target: &str, component: &str) -> Self {
        self.ask.prefer.push((target.to_owned(), id(component)));
        self
    }

    pub(crate) fn rows(mut self, rows: &str) -> Self {
        rows.clone_into(&mut self.rows);
        self
    }

    pub(crate) fn job(&self) -> Job {
        let profile = PROFILE.replace("ROWS", &self.rows).replace("NAMES", self.names);
        let profile = LoadedProfile::from_text("t.ron", &profile, None).unwrap();
        let mut set = self.ask.set.clone();
        set.extend([("home".to_owned(), self.home()), ("data".to_owned(), self.data())]);
        Job { profile, site: Default::default(), ask: Ask { set, ..self.ask.clone() } }
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&Faces<'_>) -> T) -> T {
        let (cancel, registry) = (Cancel::default(), backout_machine::registry::here());
        work(&Faces { host: &self.says, observer: &self.says, cancel: &cancel, registry })
    }

    pub(crate) fn plan(&self) -> Result<Plan, Refusal> {
        self.with(|faces| planner::plan(&self.job(), None, faces))
    }

    /// The steps of the plan in short.
    #[track_caller]
    pub(crate) fn steps(&self) -> Vec<String> {
        self.plan().unwrap().steps.iter().map(short).collect()
    }

    /// What is left alone, and why.
    #[track_caller]
    pub(crate) fn left(&self) -> Vec<(String, LeftReason)> {
        let left = self.plan().unwrap().left_alone.into_iter();
        left.map(|one| (one.place.rel.to_string(), one.reason)).collect()
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.plan().unwrap().notices
    }
}

pub(crate) fn id(component: &str) -> ComponentId {
    component.parse().unwrap()
}

pub(crate) fn short(step: &Step) -> String {
    match step {
        Step::ReplaceFile { target, source: Source::File(from), component, .. } => {
            format!("{} from {} of {component}", target.rel, from.rel)
        }
        Step::ReplaceFile { target, source: Source::Inline(bytes), .. } => {
            format!("{} is {}", target.rel, String::from_utf8_lossy(bytes))
        }
        Step::ConsumeBackup { backup, .. } => format!("consume {}", backup.rel),
        Step::RemoveFile { target, .. } => format!("remove {}", target.rel),
        Step::CreateFolder { target, .. } => format!("make {}", target.rel),
        Step::RemoveFolder { target } => format!("unmake {}", target.rel),
        Step::Hold { target, .. } => format!("hold {}", target.rel),
        Step::Custom { action, component, .. } => format!("{action} of {component}"),
        other => format!("{other:?}"),
    }
}
