//! Keys of the registry in a snapshot, and on the way back to it: cut off at every change, and failing at every change. On a
//! registry in memory, which is tested beside the real one.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]
#![cfg(unix)]

use backout_engine::{
    Cancel, Ending, Faces, Failure, HostError, Job, Listed, LoadedProfile, Observer, PluginHost, RunReport,
    State, Stuck, planner, recover, rollback,
    snapshot::{self, Wish, settings},
    undo,
    window::Extent,
};
use backout_kit::registry::{FakeRegistry, Mishap};
use backout_machine::registry::Registry;
use backout_protocol::{
    Digest, Event, HostPath, KeyName, KeyPath, NameRule, Notice, Plan, SnapshotId, Step,
    message::{PlanRequest, Proposal},
    plan::{Ask, PluginRef, RestoreFrom},
    registry::{KeyTree, Value},
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

struct TestHost;
impl PluginHost for TestHost {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        let (sha256, file) = (Digest([1; 32]), PathBuf::from("/p").into());
        Ok(PluginRef { id: id.into(), version: "1".into(), sha256, file })
    }
    fn plan(&self, _: &PluginRef, _: &PlanRequest) -> Result<Proposal, HostError> {
        Ok(Proposal::default())
    }
    fn list(&self) -> Vec<Listed> {
        Vec::new()
    }
}

struct Quiet;
impl Observer for Quiet {
    fn event(&self, _: &Event) {}
}

fn number(value: u32) -> Value {
    Value { kind: 4, bytes: value.to_le_bytes().to_vec() }
}

fn tree(keys: &[(&str, &[(&str, u32)])]) -> KeyTree {
    let values = |all: &[(&str, u32)]| all.iter().map(|(n, v)| ((*n).to_owned(), number(*v))).collect();
    KeyTree(keys.iter().map(|(path, all)| ((*path).to_owned(), values(all))).collect())
}

fn old() -> KeyTree {
    tree(&[("", &[("Version", 1), ("Port", 5168)]), ("RPC", &[("Address", 7)]), (r"RPC\Deep", &[])])
}

/// As an installer leaves it: another value, a new one, one less, a new key with a value, one key less.
fn new() -> KeyTree {
    tree(&[("", &[("Version", 2), ("Update", 1)]), ("RPC", &[("Address", 7)]), ("更新", &[("設定", 3)])])
}

/// A product of one file and a key that both programs of 64 and 32 bits have; a snapshot of it, and an installer's work over it.
struct World {
    dir: tempfile::TempDir,
    registry: FakeRegistry,
    views: Vec<KeyName>,
    id: SnapshotId,
}

impl World {
    fn new() -> Self {
        Self::made(|_| {}, |home| fs::write(home.join("marker"), "new").unwrap())
    }

    /// With more in the product's folder before the snapshot, and what the installer does there.
    fn made(before: impl FnOnce(&Path), installer: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        let key: KeyPath = r"HKLM\SOFTWARE\Vendor\製品".parse().unwrap();
        let id = "01jd0000000000000000000000".parse().unwrap();
        let mut world = Self { dir, registry: FakeRegistry::default(), views: key.views(), id };
        fs::write(world.home().join("marker"), "old").unwrap();
        world.set([old(), KeyTree::default()]);
        before(&world.home());
        let wish = Wish {
            label: None,
            profile: None,
            names: NameRule::Exact,
            roots: vec![HostPath(world.home())],
            exclude: Vec::new(),
            services: Vec::new(),
            registry: snapshot::keys(&world.registry, &[key]).unwrap(),
        };
        let locked = State::lock(&world.state()).unwrap();
        world.id = snapshot::create(&locked, &wish, &Cancel::default()).unwrap().snapshot.id;
        world.set([new(), new()]);
        installer(&world.home());
        world
    }

    fn home(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("home")
    }

    fn state(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("state")
    }

    fn set(&self, trees: [KeyTree; 2]) {
        self.views.iter().zip(&trees).for_each(|(key, tree)| self.registry.put(key, tree));
    }

    /// The file, and the key as programs of 64 and of 32 bits see it.
    fn is(&self) -> (String, Vec<KeyTree>) {
        let trees = self.views.iter().map(|key| self.registry.tree(key).unwrap());
        (fs::read_to_string(self.home().join("marker")).unwrap(), trees.collect())
    }

    fn job(&self) -> Job {
        let text = r#"(name: "t", title: (en: "t"), product: (name: "t", version: "1", patch: "1"),
            variables: [(name: "home", about: (en: "home"))],
            components: [(id: "c", title: (en: "c"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/marker"))])"#;
        let profile = LoadedProfile::from_text("t.ron", text, None).unwrap();
        let set = BTreeMap::from([("home".to_owned(), HostPath(self.home()))]);
        let from = vec![(None, RestoreFrom::Snapshot(self.id.clone()))];
        Job { profile, site: Default::default(), ask: Ask { set, from, ..Ask::default() } }
    }

    fn with<T>(&self, work: impl FnOnce(&Faces<'_>) -> T) -> T {
        let cancel = Cancel::default();
        work(&Faces { host: &TestHost, observer: &Quiet, cancel: &cancel, registry: &self.registry })
    }

    fn plan(&self, job: &Job) -> Plan {
        let state = State::look(&self.state()).unwrap();
        self.with(|faces| planner::plan(job, state.as_ref(), faces).unwrap())
    }

    fn rollback(&self) -> RunReport {
        let locked = State::lock(&self.state()).unwrap();
        let plan = self.plan(&self.job());
        self.with(|faces| rollback::run(&locked, &plan, faces))
    }

    fn undo(&self) -> RunReport {
        let locked = State::lock(&self.state()).unwrap();
        self.with(|faces| {
            let plan = undo::plan(locked.state(), &undo::Asked::default(), faces).unwrap();
            rollback::run(&locked, &plan, faces)
        })
    }

    fn recover(&self) -> RunReport {
        self.with(|faces| recover::run(&self.state(), Extent::Whole, faces))
    }
}

fn all_old() -> (String, Vec<KeyTree>) {
    ("old".to_owned(), vec![old(), KeyTree::default()])
}

fn all_new() -> (String, Vec<KeyTree>) {
    ("new".to_owned(), vec![new(), new()])
}

#[test]
fn keys_go_back_with_the_files_and_an_undo_brings_them_forth_again() {
    let world = World::new();
    let plan = world.plan(&world.job());
    assert_eq!(plan.settings().count(), 2);
    let text = backout_protocol::text::to_ron(&plan).unwrap();
    assert_eq!(backout_protocol::text::from_ron::<Plan>("plan.ron", &text).unwrap(), plan);

    let report = world.rollback();
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    assert_eq!((report.counts.settings, report.counts.replaced), (2, 1));
    assert_eq!(world.is(), all_old());
    assert!(world.plan(&world.job()).is_empty(), "there is nothing more to do");
    let report = world.undo();
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    assert_eq!(world.is(), all_new());
}

#[test]
fn where_only_the_registry_differs_it_is_a_run_like_others() {
    let world = World::new();
    fs::write(world.home().join("marker"), "old").unwrap();
    let differ: Vec<Step> = world.plan(&world.job()).steps;
    assert!(differ.iter().any(Step::is_setting));
    assert!(matches!(world.rollback().ending, Ending::Done));
    assert_eq!(world.is().1, all_old().1);
    assert!(matches!(world.undo().ending, Ending::Done));
    assert_eq!(world.is().1, all_new().1);
}

/// Cuts off what `run` does at each change of the registry, and recovers.
fn cut_off_everywhere(made: impl Fn() -> World, run: impl Fn(&World) -> RunReport) -> usize {
    let mut cuts = 0;
    for number in 0.. {
        for mishap in [Mishap::DiesBefore, Mishap::DiesBehind] {
            let world = made();
            world.registry.at(Some((number, mishap)));
            let died = catch_unwind(AssertUnwindSafe(|| run(&world))).is_err();
            if !died {
                assert!(!world.registry.is_calm() || number > 0);
                return cuts;
            }
            cuts += 1;
            // And once more in the recovery, wherever that is.
            world.registry.at(Some((number % 3, mishap)));
            let _ = catch_unwind(AssertUnwindSafe(|| world.recover()));
            world.registry.at(None);
            let report = world.recover();
            let settled =
                matches!(report.ending, Ending::Completed | Ending::RolledBack(_) | Ending::NothingToDo);
            assert!(settled, "{number} {mishap:?}: {report:?}");
            let is = world.is();
            assert!(is == all_old() || is == all_new(), "{number} {mishap:?}: {is:?}");
        }
    }
    cuts
}

#[test]
fn whatever_change_a_rollback_dies_at_a_recovery_makes_all_of_it_old_or_new() {
    let cuts = cut_off_everywhere(World::new, World::rollback);
    assert!(cuts > 16, "{cuts}");
}

#[test]
fn whatever_change_an_undo_dies_at_a_recovery_makes_all_of_it_old_or_new() {
    let rolled_back = || {
        let world = World::new();
        world.rollback();
        world
    };
    let cuts = cut_off_everywhere(rolled_back, World::undo);
    assert!(cuts > 16, "{cuts}");
}

/// Each path with its mode and text, and the keys.
type Everything = (Vec<(PathBuf, u32, Vec<u8>)>, Vec<KeyTree>);

/// Everything that a recovery might touch: the product with its staging folders, and the keys.
fn everything(world: &World) -> Everything {
    let mut files = Vec::new();
    let mut folders = vec![world.home()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            let text = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            folders.extend(path.is_dir().then(|| path.clone()));
            files.push((path.strip_prefix(world.home()).unwrap().to_owned(), mode, text));
        }
    }
    files.sort();
    (files, world.is().1)
}

/// The same without what is the run's own.
fn product(world: &World) -> Everything {
    let (files, keys) = everything(world);
    let own =
        |path: &Path| path.components().any(|c| c.as_os_str().to_string_lossy().starts_with(".backout-"));
    (files.into_iter().filter(|(path, ..)| !own(path)).collect(), keys)
}

/// What becomes of the last line of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Flipped,
    Blanked,
}

/// A run dies at this change of the registry, behind all names and rights; its last record, `Armed`, is damaged. A recovery
/// sees that something is swapped, and touches nothing; with the journal mended it settles the run.
fn armed_is_damaged(
    made: impl Fn() -> World,
    run: fn(&World) -> RunReport,
    died: (usize, Mishap),
    damage: Damage,
) {
    let new = {
        let world = made();
        assert!(matches!(run(&world).ending, Ending::Done));
        product(&world)
    };
    let world = &made();
    let old = product(world);
    assert!(old != new);
    let (journal, whole) = dies_behind_armed(world, run, died, damage);
    let before = everything(world);
    let report = world.recover();
    let lost = matches!(
        report.ending,
        Ending::Stuck { why: Stuck::ArmedLost { .. } | Stuck::RecordLost { .. }, .. }
    );
    assert!(lost && report.changed, "{damage:?}: {report:?}");
    assert!(everything(world) == before, "{damage:?}: something was touched");
    fs::write(&journal, whole).unwrap();
    let report = world.recover();
    let side = match report.ending {
        Ending::Completed => new,
        Ending::RolledBack(_) => old,
        _ => panic!("{damage:?}: {report:?}"),
    };
    assert!(product(world) == side, "{damage:?}: {report:?}");
}

/// The journal, and what it was before its last line, `Armed`, was damaged.
fn dies_behind_armed(
    world: &World,
    run: fn(&World) -> RunReport,
    died: (usize, Mishap),
    damage: Damage,
) -> (PathBuf, Vec<u8>) {
    world.registry.at(Some(died));
    catch_unwind(AssertUnwindSafe(|| run(world))).unwrap_err();
    world.registry.at(None);
    let id = fs::read_dir(world.state().join("transactions")).unwrap().next().unwrap().unwrap();
    let journal = id.path().join("journal");
    let whole = fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|b| !b.is_ascii_whitespace()).unwrap();
    let line = whole[..end].iter().rposition(|b| *b == b'\n').unwrap() + 1..=end;
    assert!(String::from_utf8_lossy(&whole[line.clone()]).contains("record:Armed"));
    let mut damaged = whole.clone();
    match damage {
        Damage::Flipped => damaged[end - 5] ^= 4,
        Damage::Blanked => damaged[line].fill(b' '),
    }
    fs::write(&journal, damaged).unwrap();
    (journal, whole)
}

/// As [`armed_is_damaged`], with each damage that something on disk speaks against.
fn armed_is_damaged_behind_the_names(
    made: impl Fn() -> World,
    run: fn(&World) -> RunReport,
    damages: &[Damage],
) {
    damages.iter().for_each(|damage| armed_is_damaged(&made, run, (0, Mishap::DiesBefore), *damage));
}

const BOTH: &[Damage] = &[Damage::Flipped, Damage::Blanked];

#[test]
fn a_run_that_only_makes_files_is_not_taken_for_one_that_swapped_nothing() {
    let file = || {
        World::made(
            |home| fs::write(home.join("made"), "text").unwrap(),
            |home| fs::remove_file(home.join("made")).unwrap(),
        )
    };
    armed_is_damaged_behind_the_names(file, World::rollback, BOTH);
    armed_is_damaged_behind_the_names(folder_goes, World::rollback, BOTH);
}

/// The installer removes a folder with a file in it.
fn folder_goes() -> World {
    World::made(
        |home| {
            fs::create_dir(home.join("sub")).unwrap();
            fs::write(home.join("sub/file"), "text").unwrap();
        },
        |home| fs::remove_dir_all(home.join("sub")).unwrap(),
    )
}

fn rolled_back(world: World) -> World {
    assert!(matches!(world.rollback().ending, Ending::Done));
    world
}

#[test]
fn a_run_that_only_takes_away_a_folder_is_not_taken_for_one_that_swapped_nothing() {
    armed_is_damaged_behind_the_names(|| rolled_back(folder_goes()), World::undo, BOTH);
    // What is empty looks like what was staged in its place, so nothing but the torn line speaks of it.
    let empty = || {
        let made = |home: &Path| fs::write(home.join("empty"), "").unwrap();
        rolled_back(World::made(made, |home| fs::remove_file(home.join("empty")).unwrap()))
    };
    armed_is_damaged_behind_the_names(empty, World::undo, &[Damage::Flipped]);
    let hollow = || {
        let made = |home: &Path| fs::create_dir(home.join("hollow")).unwrap();
        rolled_back(World::made(made, |home| fs::remove_dir(home.join("hollow")).unwrap()))
    };
    armed_is_damaged_behind_the_names(hollow, World::undo, &[Damage::Flipped]);
}

#[test]
fn a_run_that_only_gives_a_folder_other_rights_is_not_taken_for_one_that_swapped_nothing() {
    let mode = |home: &Path, mode| {
        fs::create_dir_all(home.join("sub")).unwrap();
        fs::set_permissions(home.join("sub"), fs::Permissions::from_mode(mode)).unwrap();
    };
    let made = || World::made(|home| mode(home, 0o750), |home| mode(home, 0o700));
    armed_is_damaged_behind_the_names(made, World::rollback, &[Damage::Flipped]);
    armed_is_damaged_behind_the_names(|| rolled_back(made()), World::undo, &[Damage::Flipped]);
}

#[test]
fn a_run_that_only_sets_keys_is_not_taken_for_one_that_set_nothing() {
    let made = || World::made(|_| {}, |_| {});
    for number in 0..10 {
        armed_is_damaged(made, World::rollback, (number, Mishap::DiesBehind), Damage::Flipped);
    }
}

#[test]
fn a_file_that_was_written_to_in_the_instant_of_its_swap_tells_of_it() {
    let goes = || World::made(|_| {}, |home| fs::write(home.join("added"), "new").unwrap());
    for made in [World::new as fn() -> World, goes] {
        let world = made();
        let (journal, whole) =
            dies_behind_armed(&world, World::rollback, (0, Mishap::DiesBefore), Damage::Flipped);
        let saved = |(path, _, text): &(PathBuf, _, Vec<u8>)| {
            path.to_string_lossy().starts_with(".backout-") && text == b"new"
        };
        let saved = everything(&world).0.into_iter().find(saved).unwrap();
        fs::write(world.home().join(saved.0), "written").unwrap();
        let before = everything(&world);
        let report = world.recover();
        let lost = matches!(report.ending, Ending::Stuck { why: Stuck::ArmedLost { .. }, .. });
        assert!(lost && report.changed, "{report:?}");
        assert!(everything(&world) == before, "something was touched");
        fs::write(&journal, whole).unwrap();
        let report = world.recover();
        assert!(matches!(report.ending, Ending::Completed | Ending::RolledBack(_)), "{report:?}");
    }
}

#[test]
fn a_key_that_cannot_be_read_where_the_line_is_in_doubt_is_read_another_time() {
    let world = World::made(|_| {}, |_| {});
    dies_behind_armed(&world, World::rollback, (0, Mishap::DiesBefore), Damage::Flipped);
    let before = everything(&world);
    world.registry.hide(true);
    let report = world.recover();
    assert!(matches!(report.ending, Ending::Unfinished(Failure::Setting { .. })), "{report:?}");
    assert!(report.changed, "it may be set");
    world.registry.hide(false);
    assert!(everything(&world) == before, "something was touched");
    let report = world.recover();
    assert!(matches!(report.ending, Ending::RolledBack(_)) && !report.changed, "{report:?}");
}

#[test]
fn where_the_line_was_torn_and_nothing_is_swapped_the_run_ends_as_it_was() {
    let world = World::made(|_| {}, |_| {});
    let old = product(&world);
    dies_behind_armed(&world, World::rollback, (0, Mishap::DiesBefore), Damage::Flipped);
    let report = world.recover();
    assert!(matches!(report.ending, Ending::RolledBack(_)) && !report.changed, "{report:?}");
    assert!(product(&world) == old);
}

#[test]
fn whatever_change_fails_everything_goes_back() {
    for number in 0.. {
        let world = World::new();
        world.registry.at(Some((number, Mishap::Fails)));
        let report = world.rollback();
        if matches!(report.ending, Ending::Done) {
            assert!(number > 8 && !world.registry.is_calm());
            return;
        }
        assert!(matches!(report.ending, Ending::PutBack(Failure::Setting { .. })), "{number}: {report:?}");
        assert_eq!(world.is(), all_new(), "{number}");
    }
}

#[test]
fn a_registry_that_fails_on_the_way_back_too_keeps_no_file_and_is_tried_again() {
    let world = World::new();
    let locked = State::lock(&world.state()).unwrap();
    let plan = world.plan(&world.job());
    world.registry.at(Some((3, Mishap::DiesBehind)));
    catch_unwind(AssertUnwindSafe(|| world.with(|faces| rollback::run(&locked, &plan, faces)))).unwrap_err();
    drop(locked);
    // Somebody sets a value meanwhile that this run has not come to: it is neither old nor new, so the way is back, and that fails.
    let mut drifted = world.registry.tree(&world.views[1]).unwrap();
    drifted.0.get_mut("").unwrap().insert("Update".to_owned(), number(9));
    world.registry.put(&world.views[1], &drifted);
    // Forwards it does what was left of the first view; what comes behind is the way back.
    world.registry.at(Some((3, Mishap::Fails)));
    let report = world.recover();
    assert!(matches!(report.ending, Ending::Stuck { .. }), "{report:?}");
    assert!(world.registry.is_calm());
    assert_eq!(world.is().0, "new", "the file is back");
    let report = world.recover();
    assert!(matches!(report.ending, Ending::RolledBack(_)), "{report:?}");
    assert!(
        report.notices.iter().any(|n| matches!(n, Notice::SettingDriftKept { names } if names.len() == 1))
    );
    assert_eq!(world.is(), ("new".to_owned(), vec![new(), drifted]), "what somebody set stays");
}

#[test]
fn what_is_set_between_plan_and_window_refuses_the_run() {
    let world = World::new();
    let locked = State::lock(&world.state()).unwrap();
    let plan = world.plan(&world.job());
    let mut other = new();
    other.0.get_mut("").unwrap().insert("Version".to_owned(), number(3));
    world.registry.put(&world.views[0], &other);
    let report = world.with(|faces| rollback::run(&locked, &plan, faces));
    let names = match report.ending {
        Ending::Refused(backout_engine::Refusal::BeforeStop(Failure::SettingDrift { names })) => names,
        other => panic!("{other:?}"),
    };
    assert!(names[0].contains(r"HKLM\SOFTWARE\Vendor\製品\Version"), "{names:?}");
    assert_eq!(world.is(), ("new".to_owned(), vec![other, new()]));
}

#[test]
fn what_services_write_down_as_they_stop_keeps_no_guard_from_going_back() {
    let world = World::new();
    let locked = State::lock(&world.state()).unwrap();
    let mut plan = world.plan(&world.job());
    plan.guard = Some("01m8n8zs1p1x3mhw0680wcsazd".parse().unwrap());
    let mut other = new();
    for (key, name) in [("", "Version"), ("", "Update"), ("更新", "設定")] {
        other.0.get_mut(key).unwrap().insert(name.to_owned(), number(9));
    }
    world.registry.put(&world.views[0], &other);
    let report = world.with(|faces| rollback::run(&locked, &plan, faces));
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    assert_eq!(world.is(), all_old());
}

#[test]
fn an_undo_leaves_what_was_set_since_and_names_it() {
    let world = World::new();
    world.rollback();
    let mut since = old();
    since.0.get_mut("").unwrap().insert("Version".to_owned(), number(8));
    since.0.get_mut(r"RPC\Deep").unwrap().insert("Own".to_owned(), number(8));
    world.registry.put(&world.views[0], &since);
    let report = world.undo();
    assert!(matches!(report.ending, Ending::Done), "{report:?}");
    let kept = report.notices.iter().find_map(|n| match n {
        Notice::SettingDriftKept { names } => Some(names.clone()),
        _ => None,
    });
    assert_eq!(kept.unwrap().len(), 2, "the value, and the key that holds another");
    let mut wanted = new();
    wanted.0.get_mut("").unwrap().insert("Version".to_owned(), number(8));
    wanted.0.insert(r"RPC\Deep".to_owned(), [("Own".to_owned(), number(8))].into());
    assert_eq!(world.is(), ("new".to_owned(), vec![wanted, new()]));
}

#[test]
fn with_a_component_alone_the_registry_stays_and_that_is_said() {
    let world = World::new();
    let mut job = world.job();
    job.ask.components = vec!["c".parse().unwrap()];
    let plan = world.plan(&job);
    assert_eq!(plan.settings().count(), 0);
    assert!(plan.notices.iter().any(|n| matches!(n, Notice::SettingsNotOfComponent { settings: 2 })));
}

#[test]
fn what_differs_is_named_value_by_value_and_a_damaged_inventory_is_seen() {
    let world = World::new();
    let state = State::look(&world.state()).unwrap().unwrap();
    let taken = snapshot::open(&state, &world.id).unwrap();
    let now = settings::now(&taken, &world.registry).unwrap();
    let told: Vec<String> = settings::differences(&(&taken).into(), &now)
        .iter()
        .map(|d| format!("{}: {}", d.about, d.how))
        .collect();
    for line in [
        r"HKLM\SOFTWARE\Vendor\製品\Version: 1 -> 2",
        r"HKLM\SOFTWARE\Vendor\製品\Port: 5168 -> nothing",
        r"HKLM\SOFTWARE\Vendor\製品\更新: key comes",
        r"HKLM\SOFTWARE\Vendor\製品\更新\設定: nothing -> 3",
        r"HKLM\SOFTWARE\Vendor\製品\RPC\Deep: key goes",
        r"HKLM\SOFTWARE\Vendor\製品 (32-bit view): key comes",
    ] {
        assert!(told.iter().any(|t| t == line), "{line}: {told:#?}");
    }
    assert!(settings::differences(&now, &now).is_empty());
    // Each view is compared with itself.
    world.registry.put(&world.views[1], &KeyTree::default());
    let now = settings::now(&taken, &world.registry).unwrap();
    let told = settings::differences(&(&taken).into(), &now);
    assert!(!told.is_empty() && !told.iter().any(|d| d.about.contains("32-bit")), "{told:#?}");

    let whole = |state: &State| snapshot::verify::verify(state, &world.id, &Cancel::default());
    assert!(whole(&state).unwrap().is_empty());
    let file = world.state().join("snapshots").join(world.id.as_str()).join("snapshot.ron");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("07000000"), "the address, in hex digits");
    fs::write(&file, text.replace("07000000", "08000000")).unwrap();
    assert!(whole(&state).is_err());
}

#[test]
fn a_key_in_another_and_one_in_other_letters_are_read_once() {
    let named = ["P\\Deep", "P", "p", "Q", "p\\deep"].map(|key| format!(r"HKLM\SOFTWARE\Vendor\{key}"));
    let named = named.map(|key| key.parse::<KeyPath>().unwrap());
    let read = snapshot::keys(&FakeRegistry::default(), &named).unwrap();
    let wanted: Vec<KeyName> = [&named[1], &named[3]].into_iter().flat_map(KeyPath::views).collect();
    assert_eq!(read.into_iter().map(|saved| saved.key).collect::<Vec<_>>(), wanted);
}

#[test]
fn an_undo_says_where_a_link_leads_that_comes_back_and_what_was_one_before_it_goes_back() {
    let link = |home: &Path, name| std::os::unix::fs::symlink("marker", home.join(name)).unwrap();
    let world = World::made(
        |home| {
            link(home, "link");
            fs::write(home.join("file"), "old").unwrap();
        },
        |home| {
            for name in ["link", "file"] {
                fs::remove_file(home.join(name)).unwrap();
            }
            link(home, "file");
            fs::write(home.join("link"), "new").unwrap();
        },
    );
    world.rollback();
    let state = State::look(&world.state()).unwrap().unwrap();
    let plan = world.with(|faces| undo::plan(&state, &undo::Asked::default(), faces)).unwrap();
    let told = |step: &Step| match step {
        Step::ReplaceFile { target, differs, .. } => Some((target.rel.to_string(), differs.clone())),
        _ => None,
    };
    let told: Vec<_> = plan.steps.iter().filter_map(told).collect();
    let expected = [("link", "symbolic link -> file"), ("file", "symbolic link to `marker`")];
    assert_eq!(told, expected.map(|(name, words)| (name.to_owned(), vec![words.to_owned()])));
}
