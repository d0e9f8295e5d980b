//! Whole runs through the engine, on real files and real shell services, with a plugin that lives in the test.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]
#![cfg(unix)]

use backout_engine::{
    Cancel, Ending, Faces, HostError, Job, Listed, LoadedProfile, Observer, PluginHost, Refusal, State,
    history, load,
    outlook::{self, FileState},
    planner, preflight, recover, rollback, undo,
    window::Extent,
};
use backout_journal::Record;
use backout_protocol::{
    Digest, Event, HostPath, Place, Plan, RelPath, RunId,
    message::{Candidate, Need, PlanRequest, Proposal, Proposed},
    plan::{Ask, ComponentState, Operator, PluginRef},
    site::{CommandSet, ServiceAccess},
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

const PROFILE: &str = r#"(name: "t", title: (en: "t"), product: (name: "t", version: "1", patch: "1"),
    variables: [(name: "home", about: (en: "home"))],
    components: [(id: "c", title: (en: "c"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/live/a"))])"#;

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
        let profile = LoadedProfile::from_text("t.ron", PROFILE, None).unwrap();
        let set = BTreeMap::from([("home".to_owned(), HostPath(home.clone()))]);
        let job = Job { profile, site: Default::default(), ask: Ask { set, ..Ask::default() } };
        Self { _dir: dir, home, state: root.join("state"), job }
    }

    /// With another profile, and a service that the flag `runs` says of whether it is up.
    fn of(profile: &str) -> Self {
        let mut world = Self::new();
        world.job.profile = LoadedProfile::from_text("t.ron", profile, None).unwrap();
        let flag = world.home.join("runs");
        fs::write(&flag, "").unwrap();
        let flag = flag.display();
        let shell = |line: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), line];
        let commands = CommandSet {
            start: shell(format!("touch {flag}")),
            stop: shell(format!("rm {flag}")),
            status: shell(format!("test -e {flag} || exit 3")),
        };
        let commands = BTreeMap::from([("S".parse().unwrap(), commands)]);
        world.job.site.services = ServiceAccess::Commands(commands);
        world
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
fn the_last_window_of_a_product_is_that_of_its_own_last_run() {
    let world = World::of(&PROFILE.replace("presence:", "services: [(name: \"S\")], presence:"));
    let report = world.rollback();
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    let state = State::look(&world.state).unwrap().unwrap();
    assert!(history::last_window(&state, "t").unwrap().is_some());
    assert_eq!(history::last_window(&state, "another").unwrap(), None);
}

#[test]
fn a_component_whose_service_is_here_without_its_files_and_backups_was_not_patched_here() {
    let other = r#"(id: "d", title: (en: "d"), role: Restore(plugin: "p", config: ()),
        services: [(name: "S")], presence: (marker: "home/nowhere")), (id: "c""#;
    let world = World::of(&PROFILE.replace("(id: \"c\"", other));
    let states: Vec<_> = world.plan().unwrap().components.into_iter().map(|c| c.state).collect();
    assert_eq!(states, [ComponentState::NotPatchedHere, ComponentState::Selected]);
}

#[test]
fn a_file_of_which_no_list_gives_the_bytes_is_patched_if_an_earlier_rollback_has_seen_it_so() {
    let listed = "lists: [(list: \"l\")], presence:";
    let profile = PROFILE.replace("presence:", listed);
    let (profile, lists) = (
        profile.trim_end_matches(')'),
        "lists: [(id: \"l\", folder: \"home\", files: [(name: \"live/a\")])]",
    );
    let mut world = World::new();
    world.job.profile = LoadedProfile::from_text("t.ron", &format!("{profile}, {lists})"), None).unwrap();
    let state_of = || {
        let state = State::look(&world.state).unwrap();
        let found = world.with(|faces| outlook::look(&world.job, state.as_ref(), faces)).unwrap();
        found.files.iter().find(|f| f.path.0 == world.home.join("live/a")).unwrap().state
    };
    assert_eq!(state_of(), FileState::Unknown);
    world.rollback();
    assert_eq!(state_of(), FileState::Original);
    world.undo();
    assert_eq!(state_of(), FileState::Patched);
}

#[test]
fn what_is_no_file_any_more_or_gone_by_the_last_look_is_refused_by_name() {
    let world = World::new();
    let plan = world.plan().unwrap();
    let refused = || world.with(|faces| preflight::check(&plan, &world.state, faces)).unwrap_err();
    let live = world.home.join("live");
    let file = live.join("b");
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let found = refused();
    assert!(matches!(&found, Refusal::NotAFile { path } if path.0 == file), "{found:?}");
    fs::rename(&live, world.home.join("elsewhere")).unwrap();
    let found = refused();
    assert!(matches!(&found, Refusal::FolderMissing { path } if path.0 == live), "{found:?}");
}

#[test]
fn a_new_file_is_refused_where_what_is_above_it_is_no_folder_any_more() {
    let world = World::new();
    let mut plan = world.plan().unwrap();
    // Staged above the folder that it is to lie in.
    let place = |rel: &str| Place { root: HostPath(world.home.clone()), rel: RelPath::new(rel).unwrap() };
    plan.keep_clear.push(place("live"));
    plan.steps.retain(|step| step.target() == Some(&place("live/gone")));
    let check = || world.with(|faces| preflight::check(&plan, &world.state, faces));
    check().unwrap();
    let live = world.home.join("live");
    fs::rename(&live, world.home.join("elsewhere")).unwrap();
    fs::write(&live, "").unwrap();
    let found = check();
    assert!(matches!(&found, Err(Refusal::NotAFile { path }) if path.0 == live), "{found:?}");
}

#[test]
fn the_run_of_a_worker_that_died_is_found_by_its_number_unless_it_was_there_before() {
    let mut world = World::new();
    let by = Operator { user: "u".into(), sudo: None, host: "h".into(), process: 7 };
    world.job.ask.by = Some(by);
    let run = world.rollback().run.unwrap();
    let found = |pid, known: &[&RunId]| {
        let whose = recover::Whose::Process { pid, known: known.iter().map(|id| (*id).clone()).collect() };
        let after = |faces: &Faces<'_>| recover::after(&world.state, &whose, Extent::Whole, faces);
        world.with(after).and_then(|report| report.run)
    };
    assert_eq!(found(7, &[]), Some(run.clone()));
    assert_eq!(found(8, &[]), None);
    assert_eq!(found(7, &[&run]), None);
}

#[test]
fn a_run_whose_records_cannot_be_read_was_begun_when_its_id_was_made() {
    let world = World::new();
    drop(State::lock(&world.state).unwrap());
    fs::write(world.state.join("history/01jd0000000000000000000000"), "x").unwrap();
    let state = State::look(&world.state).unwrap().unwrap();
    let entries = history::entries(&state).unwrap();
    assert_eq!(entries.iter().map(|e| e.begun).collect::<Vec<_>>(), [1_731_945_562_112]);
}

/// Puts a run back to where it was before it moved into the history, without the last `lines` of its journal.
fn before_its_end(world: &World, run: &RunId, lines: usize) {
    let transaction = world.state.join("transactions").join(run.as_str());
    fs::rename(world.state.join("history").join(run.as_str()), &transaction).unwrap();
    let journal = fs::read_to_string(transaction.join("journal")).unwrap();
    let all: Vec<&str> = journal.split_inclusive('\n').filter(|line| *line != "\n").collect();
    fs::write(transaction.join("journal"), all[..all.len() - lines].concat()).unwrap();
}

#[test]
fn a_run_that_died_between_its_outcome_and_its_end_is_what_it_was_and_the_next_verb_ends_it() {
    let world = World::new();
    let before = world.tree();
    for lines in [0, 1] {
        let run = world.rollback().run.unwrap();
        before_its_end(&world, &run, lines);
        let state = State::look(&world.state).unwrap().unwrap();
        let seen = history::find(&state, &run).unwrap().unwrap();
        assert_eq!(seen.fate, history::Fate::Committed);
        let locked = State::lock(&world.state).unwrap();
        assert!(locked.state().transaction_ids().unwrap().is_empty(), "{lines}");
        let over = history::find(locked.state(), &run).unwrap().unwrap();
        assert_eq!(over.records.last().map(|(_, record)| record), Some(&Record::Clean));
        drop(locked);
        let report = world.undo();
        assert!(matches!(report.ending, Ending::Done), "{report:?}");
        assert_eq!(world.tree(), before);
    }
}

#[test]
fn a_run_that_has_swapped_and_whose_journal_is_empty_has_changed_something() {
    let world = World::new();
    let run = world.rollback().run.unwrap();
    before_its_end(&world, &run, 0);
    fs::write(world.state.join("transactions").join(run.as_str()).join("journal"), "").unwrap();
    let report = world.with(|faces| recover::run(&world.state, Extent::Whole, faces));
    assert!(matches!(report.ending, Ending::Stuck { .. }) && report.changed, "{report:?}");
}

#[test]
fn nothing_to_recover_is_nothing_to_do() {
    let world = World::new();
    let report = world.with(|faces| recover::run(&world.state, backout_engine::window::Extent::Whole, faces));
    assert!(matches!(report.ending, Ending::NothingToDo));
    assert!(!world.state.exists());
}

#[test]
fn a_state_folder_without_runs_has_none_and_one_that_cannot_be_read_says_so() {
    let world = World::new();
    fs::create_dir(&world.state).unwrap();
    let state = || State::look(&world.state).unwrap().unwrap();
    assert_eq!(state().history_ids().unwrap(), []);
    // It died before its journal was there.
    fs::create_dir_all(world.state.join("transactions/01jd0000000000000000000000")).unwrap();
    assert_eq!(state().transaction_ids().unwrap().len(), 1);
    assert!(state().unfinished().unwrap().is_none());
    fs::write(world.state.join("history"), "").unwrap();
    assert!(state().history_ids().is_err());
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
