//! A system call of a run fails once: the disk is full, broken or read-only, rights or descriptors are missing, a signal
//! came in between. The run says so with the right exit code, and a recovery finds nothing left to do or does it.
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{Side, Verb, drawn, have_strace, promise::broken, promised, settled, shard, tally};
use backout_kit::{Run, snapshot::leftovers};
use std::collections::BTreeMap;

/// Calls that change files, and how they may fail.
const CHANGES: [&str; 9] =
    ["mkdirat", "write", "pwrite64", "fsync", "syncfs", "renameat", "renameat2", "unlinkat", "fchmod"];
const MEDIUM: [&str; 3] = ["ENOSPC", "EIO", "EROFS"];
/// Calls that find files, and how they may fail.
const LOOKS: [&str; 4] = ["openat", "openat2", "flock", "ioctl"];
const RIGHTS: [&str; 4] = ["EACCES", "EMFILE", "EINTR", "EIO"];
/// What else may become of a change.
const ODD: [&str; 2] = ["EACCES", "EINTR"];

/// Every call of these failing in each of these ways, one at a time.
fn points(
    verb: Verb,
    calls: &[&'static str],
    errors: &[&'static str],
) -> Vec<(&'static str, &'static str, u64)> {
    let made = verb.calls();
    let made = made.into_iter().filter(|(call, _)| calls.contains(call));
    let failing =
        |(call, count)| errors.iter().flat_map(move |error| (1..=count).map(move |n| (call, *error, n)));
    made.flat_map(failing).collect()
}

fn sweep(verb: Verb, points: Vec<(&'static str, &'static str, u64)>) {
    let new = verb.after();
    let codes = shard::over(points, |(call, error, n)| {
        let (world, old) = verb.before();
        let at = format!("{verb:?}: {call} no. {n} fails with {error}");
        let run = Run::of(&verb.injected(&world, call, &format!("error={error}"), n));
        let left = leftovers(&world.home);
        let side = settled(&world, &old, &new, &at);
        match run.code {
            Some(0) => promised!(side == Side::New, "{at}: it says that it is done"),
            Some(10 | 11 | 13 | 20) => {
                promised!(side == Side::Old, "{at}: it says that nothing has changed: {run:?}");
                promised!(verb == Verb::Undo || left.is_empty(), "{at}: {left:?}");
            }
            Some(21 | 22) => {}
            other => broken(format_args!("{at}: ended {other:?}: {run:?}")),
        }
        run.code
    });
    let mut ends: BTreeMap<Option<i32>, u64> = BTreeMap::new();
    for code in &codes {
        *ends.entry(*code).or_insert(0) += 1;
    }
    tally::add("failing calls", codes.len() as u64);
    eprintln!("{verb:?}: {} faults, 0 violations; by exit code: {ends:?}", codes.len());
    assert!(!codes.is_empty());
}

#[test]
fn a_rollback_survives_a_medium_that_fails() {
    if have_strace() {
        sweep(Verb::Rollback, drawn(points(Verb::Rollback, &CHANGES, &MEDIUM), 72));
    }
}

#[test]
fn a_rollback_survives_calls_that_fail_for_other_reasons() {
    if have_strace() {
        let mut all = points(Verb::Rollback, &LOOKS, &RIGHTS);
        all.extend(points(Verb::Rollback, &CHANGES, &ODD));
        sweep(Verb::Rollback, drawn(all, 56));
    }
}

#[test]
fn an_undo_survives_calls_that_fail() {
    if have_strace() {
        let mut all = points(Verb::Undo, &CHANGES, &[&MEDIUM[..], &ODD[..]].concat());
        all.extend(points(Verb::Undo, &LOOKS, &RIGHTS));
        sweep(Verb::Undo, drawn(all, 40));
    }
}
