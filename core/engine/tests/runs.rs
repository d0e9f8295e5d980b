//! Whole runs through the engine, on real files and real shell services, with a plugin that lives in the test.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]
#![cfg(unix)]

use backout_engine::{
    Cancel, Ending, Faces, HostError, Job, Listed, LoadedProfile, Observer, PluginHost, Refusal, State, load,
    planner, preflight, recover, rollback, undo,
};
use backout_protocol::{
    Digest, Event, HostPath, Place, Plan, RelPath,
    message::{Candidate, Need, PlanRequest, Proposal, Proposed},
    plan::{Ask, PluginRef},
    step::Fate,
};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// Restores every file of `home/backup` to `home/live`, and takes `home/live/added` away.
struct TestHost;

impl PluginHost for TestHost {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        Ok(PluginRef {
            id: id.into(),
            version: "1".into(),
            sha256: Digest([1; 32]),
            file: PathBuf::from("/p").into(),
        })
    }

    fn plan(&self, _: &PluginRef, request: &PlanRequest) -> Result<Proposal, HostError> {
        let home = request.folders["home"].clone();
        let place = |rel: String| Place { root: home.clone(), rel: RelPath::new(rel).unwrap() };
        let mut steps: Vec<Proposed> =
            request.services.iter().map(|s| Proposed::StopService { service: s.clone() }).collect();
        let backup = home.0.join("backup");
        let mut names: Vec<String> = walk(&backup)
            .iter()
            .map(|p| p.strip_prefix(&backup).unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        for name in names {
            let fate = if name.ends_with(".once") { Fate::Consume } else { Fate::Keep };
            steps.push(Proposed::RestoreFile {
                target: place(format!("live/{}", name.trim_end_matches(".once"))),
                need: Need::Listed,
                candidates: vec![Candidate { place: place(format!("backup/{name}")), fate }],
            });
        }
        let added = home.0.join("live/added");
        for file in walk(&added) {
            let name = file.strip_prefix(&home.0).unwrap().to_str().unwrap().to_owned();
            steps.push(Proposed::RemoveFile {
                target: place(name),
                expect: backout_protocol::message::Expect::Anything,
            });
        }
        if added.exists() {
            steps.push(Proposed::RemoveFolder { target: place("live/added".into()) });
        }
        steps.extend(request.services.iter().map(|s| Proposed::StartService { service: s.clone() }));
        Ok(Proposal { steps, ..Proposal::default() })
    }

    fn list(&self) -> Vec<Listed> {
        Vec::new()
    }
}

struct Quiet;
impl Observer for Quiet {
    fn event(&self, _: &Event) {}
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        let ours = path.file_name().unwrap().to_str().unwrap().starts_with(".backout-");
        if path.is_dir() && !ours {
            files.extend(walk(&path))
        } else if !ours {
            files.push(path)
        }
    }
    files
}

struct World {
    _dir: tempfile::TempDir,
    home: PathBuf,
    state: PathBuf,
    job: Job,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let home = root.join("home");
        for (name, text) in [
            ("live/a", "new a"),
            ("live/b", "new b"),
            ("live/added/one", "added"),
            ("live/added/two", ""),
            ("backup/a", "old a"),
            ("backup/b.once", "old b"),
            ("backup/gone", "old gone"),
            ("backup/deep/er/c", "old c"),
        ] {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let text = r#"(name: "t", title: (en: "t"), product: (name: "t", version: "1", patch: "1"),
            variables: [(name: "home", about: (en: "home"))],
            components: [(id: "c", title: (en: "c"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/live/a"))])"#;
        let profile = LoadedProfile::from_text("t.ron", text, None).unwrap();
        let set = BTreeMap::from([("home".to_owned(), HostPath(home.clone()))]);
        let job = Job { profile, site: Default::default(), ask: Ask { set, ..Ask::default() } };
        Self { _dir: dir, home, state: root.join("state"), job }
    }

    fn tree(&self) -> BTreeMap<String, String> {
        let name = |p: &PathBuf| p.strip_prefix(&self.home).unwrap().to_str().unwrap().to_owned();
        walk(&self.home).iter().map(|p| (name(p), fs::read_to_string(p).unwrap())).collect()
    }

    fn with<T>(&self, work: impl FnOnce(&Faces<'_>) -> T) -> T {
        let (host, observer, cancel) = (TestHost, Quiet, Cancel::default());
        work(&Faces {
            host: &host,
            observer: &observer,
            cancel: &cancel,
            registry: backout_machine::registry::here(),
        })
    }

    fn plan(&self) -> Result<Plan, Refusal> {
        let state = State::look(&self.state)?;
        self.with(|faces| {
            let plan = planner::plan(&self.job, state.as_ref(), faces)?;
            preflight::check(&plan, &self.state, faces)?;
            Ok(plan)
        })
    }

    fn rollback(&self) -> backout_engine::RunReport {
        let locked = State::lock(&self.state).unwrap();
        let plan = self.plan().unwrap();
        self.with(|faces| rollback::run(&locked, &plan, faces))
    }

    fn undo(&self) -> backout_engine::RunReport {
        let locked = State::lock(&self.state).unwrap();
        self.with(|faces| {
            let plan = undo::plan(locked.state(), &undo::Asked::default(), faces).unwrap();
            preflight::check(&plan, &self.state, faces).unwrap();
            rollback::run(&locked, &plan, faces)
        })
    }
}

#[test]
fn a_rollback_and_its_undo_go_round_in_a_circle() {
    let world = World::new();
    let before = world.tree();
    let report = world.rollback();
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    let rolled = world.tree();
    assert_eq!(rolled["live/a"], "old a");
    assert_eq!(rolled["live/b"], "old b");
    assert_eq!(rolled["live/gone"], "old gone");
    assert_eq!(rolled["live/deep/er/c"], "old c");
    assert!(!world.home.join("live/added").exists() && !rolled.contains_key("backup/b.once"));
    assert_eq!((report.counts.replaced, report.counts.consumed, report.counts.removed), (2, 1, 3));

    let plan = world.plan().unwrap();
    assert!(plan.is_empty(), "a second rollback has nothing to do: {:?}", plan.steps);

    let report = world.undo();
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    assert_eq!(world.tree(), before);
    assert!(!world.home.join("live/deep").exists());
    let report = world.rollback();
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    assert_eq!(world.tree(), rolled);
    let locked = State::lock(&world.state).unwrap();
    assert!(locked.state().unfinished().unwrap().is_none());
    assert_eq!(locked.state().history_ids().unwrap().len(), 3);
    assert!(locked.state().transaction_ids().unwrap().is_empty());
}

#[test]
fn an_undo_refuses_where_somebody_else_wrote() {
    let world = World::new();
    world.rollback();
    fs::write(world.home.join("live/a"), "somebody's").unwrap();
    let locked = State::lock(&world.state).unwrap();
    let refused = world.with(|faces| undo::plan(locked.state(), &undo::Asked::default(), faces));
    assert!(matches!(refused, Err(Refusal::UndoDrift { targets, .. }) if targets.len() == 1));
}

#[test]
fn nothing_to_recover_is_nothing_to_do() {
    let world = World::new();
    let report = world.with(|faces| recover::run(&world.state, backout_engine::window::Extent::Whole, faces));
    assert!(matches!(report.ending, Ending::NothingToDo));
    assert!(!world.state.exists());
}

#[test]
fn a_saved_plan_reads_back_the_same() {
    let world = World::new();
    let plan = world.plan().unwrap();
    let file = world.home.parent().unwrap().join("plan.ron");
    fs::write(&file, backout_protocol::text::to_ron(&plan).unwrap()).unwrap();
    let read = load::plan(&file).unwrap();
    assert_eq!(read, plan);
    assert!(read.drift(&world.plan().unwrap()).is_empty());
    fs::write(world.home.join("live/b"), "drifted").unwrap();
    assert!(!read.drift(&world.plan().unwrap()).is_empty());
}

/// Proposes to write outside the product's folders.
struct Rude;
impl PluginHost for Rude {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        TestHost.find(id)
    }
    fn plan(&self, _: &PluginRef, _: &PlanRequest) -> Result<Proposal, HostError> {
        let target =
            Place { root: PathBuf::from("/").into(), rel: RelPath::new("etc/backout-was-here").unwrap() };
        Ok(Proposal {
            steps: vec![Proposed::WriteFile { target, bytes: b"x".to_vec() }],
            ..Proposal::default()
        })
    }
    fn list(&self) -> Vec<Listed> {
        Vec::new()
    }
}

#[test]
fn a_plugin_that_reaches_out_of_the_products_folders_is_refused() {
    let world = World::new();
    let (observer, cancel) = (Quiet, Cancel::default());
    let refused = planner::plan(
        &world.job,
        None,
        &Faces {
            host: &Rude,
            observer: &observer,
            cancel: &cancel,
            registry: backout_machine::registry::here(),
        },
    );
    assert!(matches!(refused, Err(Refusal::BadProposal { .. })), "{refused:?}");
}

#[test]
fn a_newer_file_of_the_state_folder_is_left_to_a_newer_tool() {
    let world = World::new();
    fs::create_dir(&world.state).unwrap();
    fs::write(world.state.join("format"), "(1, 9)\n").unwrap();
    assert!(matches!(State::lock(&world.state), Err(Refusal::StateTooNew { found: (1, 9), .. })));
}
