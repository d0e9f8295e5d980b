//! The tests are tested: every barrier of the code is left out once, and the power cuts must notice.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests make files, stop at the first surprise and print their figures"
)]

use backout_crash::{
    have_strace,
    power::{
        Shelf,
        runs::Scenario,
        settle::Found,
        shelf::{can_be_parted, settle_part},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// Barriers whose absence no power cut of these runs shows, each as it stands in the code, and why it is there all the same.
const UNSEEN: [(&str, &str); 12] = [
    ("look again", "no cut changes a target before `Armed`; the end-to-end tests of drift do"),
    ("record Clean", "the run is over without it; the next verb writes it"),
    ("record Health", "tells a reader how far the run got; a recovery looks for itself"),
    (
        "sync durable.rs: folder.sync()?;",
        "the journal's name: the syncfs of staging covers it before anything is swapped",
    ),
    (
        "sync durable.rs: from.sync()",
        "where both folders are one, the other sync does it; a run that is over may lie in either",
    ),
    (
        "sync durable.rs: let synced = filled.and_then(|()| barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)));",
        "the journal's blanks: the sync of its first record covers them; here the full disk is to show",
    ),
    ("sync durable.rs: parent.sync()", "what comes back after it was removed is removed again"),
    (
        "sync durable.rs: parent.sync()?;",
        "a folder that an earlier run made and did not live to sync: one of the others covers it",
    ),
    ("sync durable.rs: to.sync()?;", "as `from.sync()`"),
    (
        "sync function.rs",
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
    let sources = ["disk", "journal", "engine"].map(|c| root.join(c).join("src").join(file));
    let text = |source: &PathBuf| {
        let text = fs::read_to_string(source).ok()?;
        let line = text.lines().nth(line.parse::<usize>().ok()? - 1)?.trim().to_owned();
        line.contains("sync").then_some(line)
    };
    match sources.iter().find_map(text) {
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

/// Every barrier that a scenario passes, in its run or in the recoveries of its states.
fn passed(built: &Path, scenario: Scenario, name: &str) -> Vec<String> {
    let shelf = Shelf::default();
    let list = shelf.path().join("barriers");
    let mut exe = Command::new(built.join("backout"));
    exe.env("BACKOUT_BARRIERS", &list);
    let (_world, recorded) = scenario.record(&shelf, &exe);
    let mut settle = Command::new(built.join("settle-states"));
    settle.env("BACKOUT_BARRIERS", &list);
    // A part of the states is enough to pass what a recovery passes.
    let found = settle_part(&settle, &recorded, 0, 40);
    assert!(found.violations.is_empty(), "{name}: {:#?}", found.violations);
    let mut names: Vec<String> = fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether some cut of the scenario shows that the barrier is missing, in the run or in the recovery.
fn noticed(built: &Path, scenario: Scenario, barrier: &str) -> Option<String> {
    let shelf = Shelf::default();
    let recorded = std::panic::catch_unwind(|| scenario.record(&shelf, &without(built, "backout", barrier)));
    // What does not even come to its end without it has been noticed.
    let Ok((_world, recorded)) = recorded else { return Some("the run itself".to_owned()) };
    let mut settle = without(built, "settle-states", barrier);
    settle.arg("--until-violated");
    let found: Found = settle_part(&settle, &recorded, 0, 1);
    found.violations.into_iter().next()
}

#[test]
#[ignore = "takes most of an hour on two processors; `cargo xtask nightly` runs it"]
fn every_barrier_that_is_left_out_is_noticed() {
    if !have_strace() || !can_be_parted() {
        return;
    }
    let built = build();
    let mut where_passed: BTreeMap<String, Vec<Scenario>> = BTreeMap::new();
    for scenario in Scenario::ALL {
        for barrier in passed(&built, scenario, &format!("{scenario:?}")) {
            where_passed.entry(barrier).or_default().push(scenario);
        }
    }
    let total = where_passed.len();
    let (left, unnoticed) = (Mutex::new(where_passed.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((barrier, scenarios)) = left.lock().unwrap().next() else { return };
                    let by = scenarios.iter().find_map(|s| Some((s, noticed(&built, *s, &barrier)?)));
                    match by {
                        Some((scenario, how)) => {
                            let how: String = how.chars().take(120).collect();
                            eprintln!("without `{barrier}`: {scenario:?}: {how}");
                        }
                        None => unnoticed.lock().unwrap().push(barrier),
                    }
                }
            });
        }
    });
    let mut unnoticed: Vec<String> =
        unnoticed.into_inner().unwrap().iter().map(|b: &String| as_it_stands(b)).collect();
    unnoticed.sort();
    eprintln!("barriers: {total}, noticed {}, explained {}", total - unnoticed.len(), UNSEEN.len());
    let explained: Vec<&str> = UNSEEN.iter().map(|(name, _)| *name).collect();
    assert_eq!(unnoticed, explained);
}
