//! A system call of a run fails once: the disk is full, or broken. The run says so with the right exit code, and a
//! recovery finds nothing left to do or does it.
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{Side, Verb, have_strace, settled, tally};
use backout_kit::{Run, snapshot::leftovers};
use std::collections::BTreeMap;

/// Calls that change files, whose failure a run must survive.
const CALLS: [&str; 9] =
    ["mkdirat", "write", "pwrite64", "fsync", "syncfs", "renameat", "renameat2", "unlinkat", "fchmod"];

#[test]
fn a_rollback_survives_every_failing_call() {
    if !have_strace() {
        return;
    }
    let verb = Verb::Rollback;
    let (calls, new) = (verb.calls(), verb.after());
    let mut ends: BTreeMap<Option<i32>, u64> = BTreeMap::new();
    for (call, count) in calls.iter().filter(|(call, _)| CALLS.contains(call)) {
        for (error, n) in ["ENOSPC", "EIO"].iter().flat_map(|e| (1..=*count).map(move |n| (e, n))) {
            let (world, old) = verb.before();
            let at = format!("{call} no. {n} fails with {error}");
            let run = Run::of(&verb.injected(&world, call, &format!("error={error}"), n));
            *ends.entry(run.code).or_insert(0) += 1;
            let left = leftovers(&world.home);
            let side = settled(&world, &old, &new, &at);
            match run.code {
                Some(0) => assert_eq!(side, Side::New, "{at}: it says that it is done"),
                Some(10 | 13 | 20) => {
                    assert_eq!(side, Side::Old, "{at}: it says that nothing has changed: {run:?}");
                    assert!(left.is_empty(), "{at}: {left:?}");
                }
                Some(21 | 22) => {}
                other => panic!("{at}: ended {other:?}: {run:?}"),
            }
        }
    }
    tally::add("failing calls", ends.values().sum());
    eprintln!("faults: {} injected, 0 violations; by exit code: {ends:?}", ends.values().sum::<u64>());
}
