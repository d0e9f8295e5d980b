//! The tests are tested: every barrier of the code is left out once, and a power cut or a service must notice.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests are told how much to do, stop at the first surprise and print their figures"
)]

use backout_crash::{
    guarded, have_strace, is_whole,
    power::{
        Shelf,
        runs::Scenario,
        settle::{Part, Recorded},
        shelf::{can_be_parted, settle_part},
    },
    shard, tally, tree,
};
use backout_kit::{World, strace};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// In so many parts the states that are not near a barrier are looked at, until one notices; every day looks at the first
/// part alone where none is to be expected.
const PARTS: u64 = 32;
/// And every so manyth of those near it.
const NEAR: u64 = 8;

/// Barriers whose absence no power cut of these runs shows, each as it stands in the code, and why it is there all the same.
const UNSEEN: [(&str, &str); 13] = [
    (
        "sync aside.rs: folder.sync()",
        "folders of a snapshot: the syncfs before it covers their names on Linux",
    ),
    (
        "sync durable.rs: folder.sync()",
        "the name of the space for a way back: a full disk is to show that it is taken, and a cut takes away no disk's fullness",
    ),
    (
        "sync durable.rs: folder.sync()?;",
        "the journal's name: the syncfs of staging covers it before anything is swapped; that of a guard's word some states show",
    ),
    (
        "sync durable.rs: from.sync()",
        "a run that is over may lie in either folder; what a rename holds back is not in these runs",
    ),
    (
        "sync durable.rs: let synced = filled.and_then(|()| barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)));",
        "the journal's blanks: the sync of its first record covers them; here the full disk is to show",
    ),
    (
        "sync durable.rs: let synced = taken.and_then(|()| barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)));",
        "the space for a way back, as above",
    ),
    (
        "sync durable.rs: parent.sync()?;",
        "a folder that an earlier run made and did not live to sync: one of the others covers it",
    ),
    ("sync durable.rs: to.sync()?;", "as `from.sync()`"),
    (
        "sync inplace.rs: here.clear(&live, None).and_then(|()| live.sync_file_system()).map_err(Refusal::Look)?;",
        "what a way back removed and a cut brings back is removed again; behind it the syncs of its run cover it",
    ),
    ("sync reserve.rs: folder.sync().map_err(look::refusal)?;", "the space for a way back, as above"),
    (
        "sync stage.rs: folders.iter().try_for_each(|(folder, _)| folder.sync())",
        "folders that hold staging folders: the syncfs before it covers their names on Linux",
    ),
    (
        "sync staging.rs: barrier::sync_file(&file).map_err(|e| Error::sync(&id, e))?;",
        "the marker: the syncfs of staging covers it on Linux",
    ),
    ("sync staging.rs: folder.sync()", "names in staging folders: the syncfs before it covers them on Linux"),
];

/// A barrier as it stands in the code: its line's number changes with every change above it.
fn as_it_stands(barrier: &str) -> String {
    let Some((file, line)) = barrier.strip_prefix("sync ").and_then(|at| at.split_once(':')) else {
        return barrier.to_owned();
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("core");
    let sources = ["disk", "journal", "engine"].map(|c| root.join(c).join("src"));
    let mut sources = sources.iter().flat_map(|folder| tree(folder)).filter(|at| at.ends_with(file));
    let text = |source: &PathBuf| {
        let text = fs::read_to_string(source).ok()?;
        let line = text.lines().nth(line.parse::<usize>().ok()? - 1)?.trim().to_owned();
        line.contains("sync").then_some(line)
    };
    match sources.find_map(|source| text(&source)) {
        Some(text) => format!("sync {file}: {text}"),
        None => format!("sync {file}"),
    }
}

/// The one build in which barriers can be left out.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let target = root.join("target/leave-out");
    let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    build.current_dir(root).args([
        "build",
        "--quiet",
        "--features",
        "backout-disk/leave-out",
        "--target-dir",
    ]);
    build.arg(&target).args(["-p", "backout", "-p", "backout-crash", "-p", "backout-disk"]);
    assert!(build.args(["--bin", "backout", "--bin", "settle-states"]).status().unwrap().success());
    target.join("debug")
}

/// A program of that build, without a barrier.
fn without(built: &Path, program: &str, barrier: &str) -> Command {
    let mut command = Command::new(built.join(program));
    command.env("BACKOUT_LEAVE_OUT", barrier);
    command
}

/// The scenarios without anything left out, each in a world that stays.
struct Whole {
    scenario: Scenario,
    /// Barriers that the run or a recovery of its states passes.
    passed: Vec<String>,
    calls: Vec<String>,
}

impl Whole {
    fn of(built: &Path, scenario: Scenario) -> Self {
        let shelf = Shelf::default();
        let list = shelf.path().join("barriers");
        let mut exe = Command::new(built.join("backout"));
        exe.env("BACKOUT_BARRIERS", &list);
        let (_world, recorded) = scenario.record(&shelf, &exe);
        let mut settle = Command::new(built.join("settle-states"));
        settle.env("BACKOUT_BARRIERS", &list);
        // A part of the states is enough to pass what a recovery passes.
        let found = settle_part(&settle, &recorded, &Part::of(0, 40));
        assert!(found.violations.is_empty(), "{scenario:?}: {:#?}", found.violations);
        let passed = fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect();
        Self { scenario, passed, calls: names(&recorded) }
    }
}

fn names(recorded: &Recorded) -> Vec<String> {
    recorded.calls().into_iter().map(|call| call.name).collect()
}

/// A scenario without a barrier, recorded.
struct Lacking {
    scenario: Scenario,
    shelf: Shelf,
    world: World,
    recorded: Recorded,
    /// Where it begins to differ from the run that lacks nothing.
    differs: Option<usize>,
}

impl Lacking {
    /// `Err`: what does not even come to its end, or does not tell all, without it has been noticed.
    fn of(built: &Path, whole: &Whole, barrier: &str) -> Result<Self, String> {
        let (scenario, shelf) = (whole.scenario, Shelf::default());
        let recorded =
            std::panic::catch_unwind(|| scenario.record(&shelf, &without(built, "backout", barrier)));
        let (world, recorded) = recorded.map_err(|_| format!("{scenario:?}: the run itself"))?;
        let calls = names(&recorded);
        let same = whole.calls.iter().zip(&calls).take_while(|(a, b)| a == b).count();
        let differs = (same < whole.calls.len().max(calls.len())).then_some(same);
        Ok(Self { scenario, shelf, world, recorded, differs })
    }

    /// What some state of the part shows to be wrong.
    fn shown(&self, built: &Path, barrier: &str, part: Part) -> Result<(), String> {
        assert!(
            self.shelf.path().is_dir() && self.world.path().is_dir(),
            "both are used by what was recorded"
        );
        let part = Part { until_violated: true, ..part };
        let found = settle_part(&without(built, "settle-states", barrier), &self.recorded, &part);
        found.violations.first().map_or(Ok(()), |first| Err(format!("{:?}: {first}", self.scenario)))
    }
}

/// Looks for something that shows that the barrier is missing, near it first. `hope`: whether anything is to be expected.
fn looked_for(built: &Path, wholes: &[Whole], barrier: &str, hope: bool) -> Result<(), String> {
    let (near, parts) = if hope { (1, PARTS) } else { (NEAR, 1) };
    drift(built, barrier)?;
    if barrier == GOING_BACK {
        second_thoughts(built, barrier)?;
    }
    let passing = wholes.iter().filter(|whole| whole.passed.iter().any(|b| b == barrier));
    let mut lacking = Vec::new();
    for whole in passing {
        let one = Lacking::of(built, whole, barrier)?;
        if let Some(at) = one.differs {
            one.shown(built, barrier, Part { of: near, ..Part::near(at) })?;
        }
        lacking.push(one);
    }
    (0..parts).try_for_each(|nth| {
        lacking.iter().try_for_each(|one| one.shown(built, barrier, Part::of(nth, PARTS)))
    })
}

/// A service that rewrites a file as it stops: what it wrote is neither lost nor mixed with what the run brings.
fn drift(built: &Path, barrier: &str) -> Result<(), String> {
    if barrier != "look again" {
        return Ok(());
    }
    let world = World::small();
    let live = world.home.join("live/b.conf");
    world.services.hook("first", "stop", &format!("printf drifted >{}", live.display()));
    let call = world.verb_command("rollback", &["--no-parent"]);
    let mut run = without(built, "backout", barrier);
    run.args(call.get_args()).env_remove("BACKOUT_STATE_DIR");
    let ended = run.output().unwrap().status.code();
    match (ended, fs::read(&live).unwrap().as_slice()) {
        (Some(20), b"drifted") => Ok(()),
        other => Err(format!("a service that rewrites a file as it stops: {other:?}")),
    }
}

/// The record behind which a guard goes back for good.
const GOING_BACK: &str = "record GoingBack";

/// A guard that goes back, and is killed on the way, goes back also where its recovery finds nothing wrong any more.
fn second_thoughts(built: &Path, barrier: &str) -> Result<(), String> {
    let world = || {
        let world = World::without_services();
        let ill = world.path().join("ill");
        fs::write(&ill, "").unwrap();
        // Only of the installer's work it thinks ill, not of what was before.
        let probe = format!("test ! -e {} || test ! -e {}/live/added", ill.display(), world.home.display());
        let probe = format!(r#"health: [(name: "well", run: ["/bin/sh", "-c", "{probe}"])]"#);
        world.write_site(&[], &probe);
        (world, ill)
    };
    let guard = |world: &World| {
        let call = guarded::guard(world, 0);
        let mut guard = without(built, "backout", barrier);
        guard.args(call.get_args()).env_remove("BACKOUT_STATE_DIR");
        guard
    };
    let (probed, _) = world();
    let log = probed.path().join("calls");
    let look = ["-o", log.to_str().unwrap(), "-e", "trace=renameat2"];
    let traced = strace::under(&guard(&probed), &look).output().unwrap();
    if traced.status.code() != Some(20) {
        let said = String::from_utf8_lossy(&traced.stdout).into_owned();
        return Err(format!("the run itself ended {:?}: {said}", traced.status.code()));
    }
    let calls = fs::read_to_string(&log).unwrap();
    let mut calls = calls.lines().filter(|line| line.starts_with("renameat2("));
    let swap = calls.position(|call| call.contains("RENAME_EXCHANGE")).unwrap() as u64 + 1;
    let (world, ill) = world();
    let old = world.files();
    strace::injected(&guard(&world), "renameat2", "signal=KILL", swap).output().unwrap();
    fs::remove_file(ill).unwrap();
    let mut recover = without(built, "backout", barrier);
    recover.args(["recover", "--json", "--state-dir"]).arg(&world.state);
    let said = String::from_utf8(recover.output().unwrap().stdout).unwrap();
    if world.files() == old && said.contains(r#""outcome":"rolled-back""#) {
        return Ok(());
    }
    Err(format!("what was judged ill is well when it is judged again: {said}"))
}

#[test]
fn a_guard_that_goes_back_does_not_think_again() {
    if have_strace() {
        let built = build();
        second_thoughts(&built, "none").unwrap();
        second_thoughts(&built, GOING_BACK).unwrap_err();
    }
}

#[test]
fn every_barrier_that_is_left_out_is_noticed() {
    if !have_strace() || !can_be_parted() {
        return;
    }
    let built = build();
    let wholes: Vec<Whole> = shard::over(Scenario::ALL.to_vec(), |scenario| Whole::of(&built, scenario));
    let barriers: BTreeSet<String> = wholes.iter().flat_map(|whole| whole.passed.clone()).collect();
    let total = barriers.len();
    let looked = shard::over(barriers.into_iter().collect(), |barrier| {
        let stands = as_it_stands(&barrier);
        let expected = UNSEEN.iter().any(|(name, _)| *name == stands);
        let begun = std::time::Instant::now();
        let how = looked_for(&built, &wholes, &barrier, !expected || is_whole()).err();
        let shown: String = how.clone().unwrap_or("nothing".to_owned()).chars().take(120).collect();
        eprintln!("without `{stands}`, in {} s: {shown}", begun.elapsed().as_secs());
        how.is_none().then_some(stands)
    });
    let mut unnoticed: Vec<String> = looked.into_iter().flatten().collect();
    unnoticed.sort();
    eprintln!("barriers: {total}, noticed {}, explained {}", total - unnoticed.len(), UNSEEN.len());
    tally::add("barriers left out", total as u64);
    tally::add("barriers left out and noticed", (total - unnoticed.len()) as u64);
    // Of those that are explained only some states are looked at: one of them may well be noticed.
    let explained: Vec<&str> = UNSEEN.iter().map(|(name, _)| *name).collect();
    unnoticed.retain(|name| !explained.contains(&name.as_str()));
    assert_eq!(unnoticed, Vec::<String>::new(), "nothing notices these, and nobody says why");
}
