//! A run is killed, and then its recovery is killed too, at every system call by which it changes something; then `recover`.
#![expect(clippy::print_stderr, reason = "a test stops at the first surprise and prints its figures")]

use backout_crash::{Side, Verb, calls, drawn, have_strace, recover, settled, shard, tally};
use backout_kit::strace;

/// Calls by which a recovery changes something.
const CALLS: [&str; 10] = [
    "mkdirat",
    "write",
    "pwrite64",
    "fsync",
    "syncfs",
    "renameat",
    "renameat2",
    "unlinkat",
    "fchmod",
    "flock",
];

#[test]
fn a_recovery_that_is_killed_too_ends_old_or_new() {
    if !have_strace() {
        return;
    }
    let new = Verb::Rollback.after();
    let made = Verb::Rollback.calls();
    let mut all = Vec::new();
    // In the swaps the recovery goes forwards. Where Armed, the record behind Begin, Staged and Opening, is not written it
    // goes back.
    for (call, at) in [("renameat2", made["renameat2"] / 2), ("pwrite64", 5)] {
        let (world, _) = Verb::Rollback.killed(call, at).unwrap();
        world.plain(&["status"]).ends(21);
        let counts = calls(&recover(&world), world.path());
        let counts = counts.into_iter().filter(|(deep, _)| CALLS.contains(deep));
        all.extend(counts.flat_map(|(deep, count)| (1..=count).map(move |n| (call, at, deep, n))));
    }
    let ended = shard::over(drawn(all, 44), |(call, at, deep, n)| {
        let (world, old) = Verb::Rollback.killed(call, at).expect("it was killed there before");
        strace::injected(&recover(&world), deep, "signal=KILL", n).output().unwrap();
        settled(&world, &old, &new, &format!("killed at {call} no. {at}, its recovery at {deep} no. {n}"))
    });
    let points = ended.len();
    let sides = [Side::Old, Side::New].map(|side| ended.iter().filter(|e| **e == side).count());
    tally::add("kills of a run and of its recovery", points as u64);
    eprintln!("two deep: {points} kills, {} ended old, {} ended new, 0 violations", sides[0], sides[1]);
    assert!(points > 20 && sides.iter().all(|s| *s > 0), "{points} {sides:?}");
}
