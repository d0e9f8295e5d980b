//! Files in use that are left to the next reboot: the real queue of the real registry, and a second process that holds
//! a target. What happens behind the reboot is carried out from outside, by `cargo xtask test windows`.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_engine::{
    Cancel, Ending, Faces, Failure, HostError, Job, Listed, LoadedProfile, Observer, PluginHost, RunReport,
    State, abandon, planner, preflight, recover, rollback, window::Extent,
};
use backout_machine::delayed::{Delayed, Taken, enqueue, take_out};
use backout_protocol::{
    Digest, Event, HostPath, Place, RelPath, Site,
    message::{Candidate, Need, PlanRequest, Proposal, Proposed},
    plan::{Ask, OnLocked, PluginRef},
    site::{CommandSet, ServiceAccess},
    step::Fate,
};
use std::{
    collections::BTreeMap,
    fs,
    os::windows::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use winreg::{
    RegKey, RegValue,
    enums::{HKEY_LOCAL_MACHINE, KEY_ALL_ACCESS},
};

const SERVICE: &str = "A Service";
const HOLDS: &str = "holds:";
const WORLD: &str = "world:";
/// All may read and write it while it is open, nobody may move it.
const NO_DELETE: u32 = 1 | 2;

/// Restores `live/a` and `live/b`, makes `live/new`, and uses up the backup of `b`.
struct TestHost;

impl PluginHost for TestHost {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        let file = HostPath(r"C:\p.dll".into());
        Ok(PluginRef { id: id.into(), version: "1".into(), sha256: Digest([1; 32]), file })
    }

    fn plan(&self, _: &PluginRef, request: &PlanRequest) -> Result<Proposal, HostError> {
        let place =
            |rel: &str| Place { root: request.folders["home"].clone(), rel: RelPath::new(rel).unwrap() };
        let restore = |name: &str, from: &str, fate| Proposed::RestoreFile {
            target: place(&format!("live/{name}")),
            need: Need::Listed,
            candidates: vec![Candidate { place: place(&format!("backup/{from}")), fate }],
        };
        let services = || request.services.iter().cloned();
        let mut steps: Vec<Proposed> = services().map(|service| Proposed::StopService { service }).collect();
        steps.push(restore("a", "a", Fate::Keep));
        steps.push(restore("b", "b.once", Fate::Consume));
        steps.push(restore("new", "new", Fate::Keep));
        steps.extend(services().map(|service| Proposed::StartService { service }));
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

struct World {
    home: PathBuf,
    state: PathBuf,
    job: Job,
}

fn command(line: &str) -> Vec<String> {
    let system = PathBuf::from(std::env::var_os("SystemRoot").unwrap());
    vec![system.join(r"system32\cmd.exe").to_string_lossy().into_owned(), "/c".into(), line.into()]
}

impl World {
    fn new(root: &Path) -> Self {
        let home = root.join("home");
        for (name, text) in [
            ("live/a", "new a"),
            ("live/b", "new b"),
            ("backup/a", "old a"),
            ("backup/b.once", "old b"),
            ("backup/new", "old new"),
            ("runs", ""),
        ] {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let text = r#"(name: "t", title: (en: "t"), product: (name: "t", version: "1", patch: "1"),
            variables: [(name: "home", about: (en: "home"))],
            components: [(id: "c", title: (en: "c"), role: Restore(plugin: "p", config: ()),
                services: [(name: "A Service")], presence: (marker: "home/live/a"))])"#;
        let profile = LoadedProfile::from_text("t.ron", text, None).unwrap();
        let flag = home.join("runs").display().to_string();
        let set = CommandSet {
            start: command(&format!("echo x> {flag}")),
            stop: command(&format!("del {flag}")),
            status: command(&format!("if exist {flag} (exit 0) else (exit 3)")),
        };
        let services = ServiceAccess::Commands(BTreeMap::from([(SERVICE.parse().unwrap(), set)]));
        let ask = Ask {
            set: BTreeMap::from([("home".to_owned(), HostPath(home.clone()))]),
            on_locked: OnLocked::Reboot,
            ..Ask::default()
        };
        let job = Job { profile, site: Site { services, ..Site::default() }, ask };
        Self { home, state: root.join("state"), job }
    }

    fn with<T>(&self, work: impl FnOnce(&Faces<'_>) -> T) -> T {
        let cancel = Cancel::default();
        work(&Faces {
            host: &TestHost,
            observer: &Quiet,
            cancel: &cancel,
            registry: backout_machine::registry::here(),
        })
    }

    fn rollback(&self) -> RunReport {
        let locked = State::lock(&self.state).unwrap();
        self.with(|faces| {
            let plan = planner::plan(&self.job, Some(locked.state()), faces).unwrap();
            preflight::check(&plan, &self.state, faces).unwrap();
            rollback::run(&locked, &plan, faces)
        })
    }

    fn recover(&self) -> Ending {
        self.with(|faces| recover::run(&self.state, Extent::Whole, faces)).ending
    }

    /// Every file of the product but the service's own, and whether the service runs.
    fn tree(&self) -> (BTreeMap<String, String>, bool) {
        let mut files = BTreeMap::new();
        for folder in ["live", "backup"] {
            for entry in fs::read_dir(self.home.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    files.insert(format!("{folder}/{name}"), fs::read_to_string(&path).unwrap());
                }
            }
        }
        (files, self.home.join("runs").exists())
    }

    fn staging_folders(&self) -> usize {
        let entries = ["live", "backup"].map(|folder| fs::read_dir(self.home.join(folder)).unwrap());
        let names = entries.into_iter().flatten().map(|e| e.unwrap().file_name());
        names.filter(|n| n.to_string_lossy().starts_with(".backout-")).count()
    }
}

/// Not a test of its own: a process that has a file open, says so, and stays.
#[test]
fn hold() {
    let Some(path) = std::env::args().find_map(|a| a.strip_prefix(HOLDS).map(PathBuf::from)) else { return };
    let _held = fs::OpenOptions::new().read(true).share_mode(NO_DELETE).open(&path).unwrap();
    fs::write(path.with_extension("held"), "").unwrap();
    loop {
        std::thread::park();
    }
}

/// A process that does not outlive its test.
struct Holding(Child);

impl Holding {
    fn new(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "hold", &format!("{HOLDS}{}", path.display())]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let ready = path.with_extension("held");
        while !ready.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it runs");
            std::thread::yield_now();
        }
        fs::remove_file(ready).unwrap();
        Self(child)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const QUEUE: &str = "PendingFileRenameOperations";

fn key() -> RegKey {
    let path = r"SYSTEM\CurrentControlSet\Control\Session Manager";
    RegKey::predef(HKEY_LOCAL_MACHINE).open_subkey_with_flags(path, KEY_ALL_ACCESS).unwrap()
}

fn queue() -> Option<RegValue<'static>> {
    key().get_raw_value(QUEUE).ok()
}

#[test]
fn a_file_in_use_is_left_to_the_next_reboot_until_that_is_called_off() {
    let others = [Delayed { from: r"C:\nowhere\x".into(), to: r"C:\nowhere\y".into(), taken: Taken::Leave }];
    enqueue(&others).unwrap();
    let before = queue().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(&dir.path().canonicalize().unwrap());
    let tree = world.tree();
    let holding = Holding::new(&world.home.join("live").join("b"));

    let report = world.rollback();
    let Ending::RebootPending(Failure::Swap { holders, .. }) = &report.ending else { panic!("{report:?}") };
    assert!(holders.0.iter().any(|(_, pid)| *pid == holding.0.id()), "{holders:?}");
    assert_eq!(world.tree(), tree, "wholly old, and the service runs");
    let queued = queue().unwrap();
    assert!(queued.bytes.len() > before.bytes.len());
    assert!(queued.bytes.starts_with(&before.bytes[..before.bytes.len() - 2]), "those of others stay first");

    // In this boot a recovery has nothing to do, but for moves that somebody took out.
    assert!(matches!(world.recover(), Ending::RebootPending(_)));
    assert_eq!(queue().unwrap().bytes, queued.bytes);
    key().set_raw_value(QUEUE, &before).unwrap();
    assert!(matches!(world.recover(), Ending::RebootPending(_)));
    assert_eq!(queue().unwrap().bytes, queued.bytes);
    let open = State::look(&world.state).unwrap().unwrap().unfinished().unwrap().unwrap();
    assert!(open.waits_for_a_reboot());

    let report = world.with(|faces| recover::cancel_reboot(&world.state, faces));
    assert!(matches!(report.ending, Ending::RolledBack(_)), "{report:?}");
    assert_eq!((world.tree(), world.staging_folders()), (tree.clone(), 0));
    assert_eq!(queue().unwrap().bytes, before.bytes);
    let again = world.with(|faces| recover::cancel_reboot(&world.state, faces));
    assert!(matches!(again.ending, Ending::NothingToDo), "{again:?}");

    // What is given up is called off too.
    assert!(matches!(world.rollback().ending, Ending::RebootPending(_)));
    abandon::abandon(&world.state).unwrap().unwrap();
    assert_eq!((world.tree(), queue().unwrap().bytes), (tree.clone(), before.bytes.clone()));

    take_out(&others).unwrap();
    assert!(queue().is_none());
}

#[test]
fn without_that_wish_everything_is_put_back_and_the_holder_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(&dir.path().canonicalize().unwrap());
    world.job.ask.on_locked = OnLocked::Fail;
    let tree = world.tree();
    let holding = Holding::new(&world.home.join("live").join("b"));
    let report = world.rollback();
    let Ending::PutBack(Failure::Swap { holders, .. }) = &report.ending else { panic!("{report:?}") };
    assert!(holders.0.iter().any(|(_, pid)| *pid == holding.0.id()), "{holders:?}");
    assert_eq!((world.tree(), world.staging_folders()), (tree, 0));
    drop(holding);
    assert!(matches!(world.rollback().ending, Ending::Done));
}

/// Not a test of its own: leaves a run in this folder that waits for a reboot. In a folder `lost` somebody empties the
/// queue behind it.
#[test]
fn leave_to_the_reboot() {
    let Some(root) = std::env::args().find_map(|a| a.strip_prefix(WORLD).map(PathBuf::from)) else { return };
    fs::create_dir_all(&root).unwrap();
    let world = World::new(&root);
    let holding = Holding::new(&world.home.join("live").join("b"));
    let (tree, report) = (world.tree(), world.rollback());
    assert!(matches!(report.ending, Ending::RebootPending(_)), "{report:?}");
    assert_eq!(world.tree(), tree);
    drop(holding);
    if root.ends_with("lost") {
        key().delete_value(QUEUE).unwrap();
    }
}
