//! Runs that lack one barrier: done without it, or, where it is a sync, told without it.

use backout_crash::power::{
    Shelf,
    runs::Scenario,
    settle::{Part, Recorded},
    shelf::settle_part,
};
use backout_kit::World;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// The one build in which barriers can be left out: where the suite has put it, or made here.
pub(crate) fn build() -> PathBuf {
    if let Some(built) = std::env::var_os("BACKOUT_LEFT_OUT") {
        return built.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let target = root.join("target/leave-out");
    let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    build.current_dir(root).args(["build", "--quiet", "--features", "backout-disk/leave-out"]);
    build
        .args(["-p", "backout", "-p", "backout-crash", "-p", "backout-disk"])
        .arg("--target-dir")
        .arg(&target);
    assert!(build.args(["--bin", "backout", "--bin", "settle-states"]).status().unwrap().success());
    target.join("debug")
}

/// A program of that build, without a barrier.
pub(crate) fn without(built: &Path, program: &str, barrier: &str) -> Command {
    let mut command = Command::new(built.join(program));
    command.env("BACKOUT_LEAVE_OUT", barrier);
    command
}

/// The scenarios without anything left out, each in a world that stays.
pub(crate) struct Whole {
    one: Lacking,
    /// Barriers that the run or a recovery of its states passes.
    pub(crate) passed: Vec<String>,
    changes: Vec<(usize, String)>,
    /// Which calls each sync is.
    syncs: BTreeMap<String, BTreeSet<usize>>,
}

impl Whole {
    pub(crate) fn of(built: &Path, scenario: Scenario) -> Self {
        let shelf = Shelf::default();
        let list = shelf.path().join("barriers");
        let mut exe = Command::new(built.join("backout"));
        exe.env("BACKOUT_BARRIERS", &list);
        let (world, recorded) = scenario.record(&shelf, &exe);
        let mut settle = Command::new(built.join("settle-states"));
        settle.env("BACKOUT_BARRIERS", &list);
        // A part of the states is enough to pass what a recovery passes.
        let found = settle_part(&settle, &recorded, &Part::of(0, 40));
        assert!(found.violations.is_empty(), "{scenario:?}: {:#?}", found.violations);
        let passed = fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect();
        let (changes, syncs) = (changes(&recorded), syncs(&recorded));
        let kept = Arc::new((shelf, world));
        Self { one: Lacking { scenario, kept, recorded, differs: None }, passed, changes, syncs }
    }
}

/// The calls that change something, be it only what is durable, each with its place among all calls. How often processes look
/// for one another is not the same in every run.
fn changes(recorded: &Recorded) -> Vec<(usize, String)> {
    let mut disk = recorded.disk();
    let calls = recorded.calls().into_iter().enumerate();
    calls.filter(|(_, call)| disk.play(call)).map(|(at, call)| (at, call.name)).collect()
}

/// The calls that each sync is: a process says its name before.
fn syncs(recorded: &Recorded) -> BTreeMap<String, BTreeSet<usize>> {
    let mut found: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut said = BTreeMap::new();
    for (at, call) in recorded.calls().into_iter().enumerate() {
        match call.name.as_str() {
            "write" => {
                let text = String::from_utf8(call.bytes(1)).unwrap_or_default();
                if text.starts_with("sync ") {
                    said.insert(call.process, text.trim_end().to_owned());
                }
            }
            "fsync" | "fdatasync" | "syncfs" => {
                if let Some(name) = said.remove(&call.process) {
                    found.entry(name).or_default().insert(at);
                }
            }
            _ => {}
        }
    }
    found
}

/// A scenario without a barrier, recorded.
pub(crate) struct Lacking {
    scenario: Scenario,
    kept: Arc<(Shelf, World)>,
    recorded: Recorded,
    /// Where it begins to differ from the run that lacks nothing.
    pub(crate) differs: Option<usize>,
}

impl Lacking {
    /// `None`: nothing in the run is without it. `Err`: what does not even come to its end, or does not tell all, without it has
    /// been noticed.
    pub(crate) fn of(built: &Path, whole: &Whole, barrier: &str) -> Result<Option<Self>, String> {
        if barrier.starts_with("sync ") {
            return Ok(whole.without_sync(barrier));
        }
        let (scenario, shelf) = (whole.one.scenario, Shelf::default());
        let recorded =
            std::panic::catch_unwind(|| scenario.record(&shelf, &without(built, "backout", barrier)));
        let (world, recorded) = recorded.map_err(|_| format!("{scenario:?}: the run itself"))?;
        let changes = changes(&recorded);
        let same = whole.changes.iter().zip(&changes).take_while(|(a, b)| a.1 == b.1).count();
        let differs = (same < whole.changes.len().max(changes.len())).then_some(same);
        let differs = differs.map(|same| changes.get(same).or(changes.last()).map_or(0, |(at, _)| *at));
        Ok(Some(Self { scenario, kept: Arc::new((shelf, world)), recorded, differs }))
    }

    /// What some state of the part shows to be wrong.
    pub(crate) fn shown(&self, built: &Path, barrier: &str, part: Part) -> Result<(), String> {
        let (shelf, world) = &*self.kept;
        assert!(shelf.path().is_dir() && world.path().is_dir(), "both are used by what was recorded");
        let part = Part { until_violated: true, ..part };
        let found = settle_part(&without(built, "settle-states", barrier), &self.recorded, &part);
        found.violations.first().map_or(Ok(()), |first| Err(format!("{:?}: {first}", self.scenario)))
    }
}

impl Whole {
    /// The same run without these syncs: everything else is done as before, so it need not be done again. A sync that only a
    /// recovery of a state passes is not shown by that state.
    fn without_sync(&self, barrier: &str) -> Option<Lacking> {
        let at = self.syncs.get(barrier)?;
        let recorded = Recorded { without: at.clone(), ..self.one.recorded.clone() };
        Some(Lacking {
            scenario: self.one.scenario,
            kept: self.one.kept.clone(),
            recorded,
            differs: at.first().copied(),
        })
    }
}
