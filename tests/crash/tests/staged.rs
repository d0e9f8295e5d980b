//! The real binary is killed at every record that a staging and its commit write; then `recover`. What was staged is old
//! and waits for its commit, or is old with nothing left of it, or is new; and what waits can be committed.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test damages files, stops at the first surprise and prints its figures"
)]

use backout_crash::{Side, calls, damage::transaction, drawn, have_strace, promised, settled, shard, tally};
use backout_kit::{Snapshot, World, snapshot::leftovers, strace};
use std::{collections::BTreeSet, fs, process::Command};

/// Every record is written by the one and made durable by the other.
const CALLS: [&str; 2] = ["pwrite64", "fsync"];
/// As many of them as a day's run takes.
const POINTS: usize = 48;

fn stage(world: &World) -> Command {
    world.verb_command("rollback", &["--stage-only", "--no-parent"])
}

fn commit(world: &World) -> Command {
    world.command(&["commit", "--yes", "--json", "--jobs", "1", "--no-parent"])
}

fn staged() -> World {
    let world = World::small();
    assert!(stage(&world).output().unwrap().status.success());
    world
}

/// How a killed call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It waits for its commit, which then made it new.
    Waited,
    /// It was settled to this side.
    Settled(Side),
}

/// Recovers, and where the run waits for its commit, commits it.
fn ended(world: &World, old: &Snapshot, new: &Snapshot, at: &str) -> End {
    let recovered = world.plain(&["recover"]);
    promised!(recovered.code == Some(0), "{at}: {recovered:?}");
    if recovered.json["outcome"] != "staged" {
        let side = settled(world, old, new, at);
        promised!(side == Side::New || leftovers(&world.home).is_empty(), "{at}: something is left");
        return End::Settled(side);
    }
    promised!(world.files() == *old, "{at}: it waits, and a file has changed");
    promised!(world.running().iter().all(|r| *r), "{at}: it waits, and a service does not run");
    let again = world.plain(&["recover"]);
    promised!(again.json["outcome"] == "staged", "{at}: {again:?}");
    let committed = world.plain(&["commit"]);
    promised!(committed.code == Some(0), "{at}: {committed:?}");
    promised!(settled(world, old, new, at) == Side::New, "{at}: committed, and old");
    End::Waited
}

fn sweep(what: &str, before: fn() -> World, call: fn(&World) -> Command, new: &Snapshot) -> Vec<End> {
    let world = before();
    let counts = calls(&call(&world), world.path());
    let points = CALLS.iter().flat_map(|call| (1..=counts[call]).map(move |n| (*call, n))).collect();
    // The last of each, whatever is drawn: behind some of them it waits.
    let last = CALLS.iter().map(|call| (*call, counts[call])).filter(|(_, n)| *n > 0);
    let points: BTreeSet<_> = drawn(points, POINTS).into_iter().chain(last).collect();
    let ends = shard::over(points.into_iter().collect(), |(name, n)| {
        let world = before();
        let old = world.files();
        let at = format!("{what} killed at {name} no. {n}");
        let run = strace::injected(&call(&world), name, "signal=KILL", n).output().unwrap();
        assert!(!run.status.success(), "{at}: it was to be killed");
        ended(&world, &old, new, &at)
    });
    tally::add("kills", ends.len() as u64);
    eprintln!("{what}: {} kills of {counts:?}: {ends:?}", ends.len());
    ends
}

#[test]
fn a_staging_or_a_commit_killed_at_any_record_is_old_or_waits_or_is_new() {
    if !have_strace() {
        return;
    }
    let world = staged();
    assert!(commit(&world).output().unwrap().status.success());
    let new = world.files();
    let staging = sweep("staging", World::small, stage, &new);
    assert!(staging.contains(&End::Settled(Side::Old)) && staging.contains(&End::Waited));
    assert!(!staging.contains(&End::Settled(Side::New)), "{staging:?}");
    let committing = sweep("commit", staged, commit, &new);
    for end in [End::Waited, End::Settled(Side::Old), End::Settled(Side::New)] {
        assert!(committing.contains(&end), "{end:?}: {committing:?}");
    }
}

#[test]
fn a_run_that_waits_waits_on_behind_any_number_of_killed_recoveries() {
    if !have_strace() {
        return;
    }
    let world = staged();
    let old = world.files();
    let count = calls(&backout_crash::recover(&world), world.path());
    for (call, n) in count.into_iter().filter(|(call, _)| ["pwrite64", "renameat", "fsync"].contains(call)) {
        for n in 1..=n {
            let killed = strace::injected(&backout_crash::recover(&world), call, "signal=KILL", n);
            let mut killed = killed;
            killed.output().unwrap();
            let at = format!("recover killed at {call} no. {n}");
            let run = world.plain(&["recover"]);
            promised!(run.json["outcome"] == "staged" && world.files() == old, "{at}: {run:?}");
        }
    }
    world.plain(&["commit"]).ends(0);
}

#[test]
fn a_commit_whose_last_record_is_damaged_leaves_no_service_down() {
    if !have_strace() {
        return;
    }
    let world = staged();
    let count = calls(&commit(&world), world.path())["pwrite64"];
    let new = world.files();
    let mut damaged = 0;
    for n in 1..=count {
        let world = staged();
        let old = world.files();
        strace::injected(&commit(&world), "pwrite64", "signal=KILL", n).output().unwrap();
        let Some(journal) = transaction(&world).map(|folder| folder.join("journal")) else { continue };
        let mut bytes = fs::read(&journal).unwrap();
        let end = bytes.iter().rposition(|b| !matches!(b, b'\n' | 0)).unwrap();
        let start = bytes[..end].iter().rposition(|b| *b == b'\n').unwrap();
        if !String::from_utf8_lossy(&bytes[start..end]).contains("record:Opening") {
            continue;
        }
        bytes[end - 5] ^= 4;
        fs::write(&journal, bytes).unwrap();
        let at = format!("commit killed at record {n}, damaged");
        promised!(settled(&world, &old, &new, &at) == Side::Old, "{at}");
        damaged += 1;
    }
    assert!(damaged > 0);
}
