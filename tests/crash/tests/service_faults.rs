//! Services are part of the state: every call of a service's commands that a run makes fails once, and then every one from
//! there on. The run ends old or new, and each service runs that ran.
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{Side, Verb, promise::broken, promised, settled, shard, tally};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// No run calls its services so often.
const BEYOND: u32 = 5_000;
/// A run that waits for services calls them now and then once more.
const MORE: u32 = 2;

/// How often a run calls them in which none of them fails.
fn calls() -> u32 {
    let (world, _) = Verb::Rollback.before();
    world.services.fail(BEYOND..=BEYOND);
    world.rollback(&[]).ends(0);
    u32::try_from(world.services.mended(BEYOND)).expect("it calls them forwards")
}

fn sweep(what: &str, failing: fn(u32) -> RangeInclusive<u32>) {
    let new = Verb::Rollback.after();
    let points = (1..=calls() + MORE).collect();
    let ends = shard::over(points, |n| {
        let (world, old) = Verb::Rollback.before();
        // What never comes to its state is waited for as long as this. One that fails is not slow: nothing else waits so long.
        world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (stop: 30, start: 30)");
        world.services.fail(failing(n));
        let run = world.rollback(&[]);
        let calls = world.services.mended(n);
        let at = format!("{what}, call {n}: {run:?}");
        let side = settled(&world, &old, &new, &at);
        match run.code {
            Some(0) => promised!(side == Side::New, "{at}"),
            Some(10 | 20) => promised!(side == Side::Old, "{at}"),
            Some(21 | 22) => {}
            _ => broken(format_args!("{at}")),
        }
        let nothing_failed = calls < i64::from(n);
        assert!(!nothing_failed || run.code == Some(0), "{at}: nothing failed");
        (run.code, side, nothing_failed)
    });
    let mut codes = BTreeMap::new();
    for (code, ..) in &ends {
        *codes.entry(*code).or_insert(0) += 1;
    }
    let [old, new] = [Side::Old, Side::New].map(|side| ends.iter().filter(|end| end.1 == side).count());
    tally::add("failing services", ends.len() as u64);
    eprintln!(
        "{what}: {} runs, {old} ended old, {new} new, 0 violations; by exit code: {codes:?}",
        ends.len()
    );
    assert!(old > 0 && ends.iter().any(|end| end.2), "{codes:?}: one of them is behind the last call");
}

#[test]
fn a_service_whose_commands_fail_once() {
    sweep("a service's command fails", |n| n..=n);
}

#[test]
fn services_whose_commands_fail_from_some_moment_on() {
    sweep("services' commands fail from here on", |n| n..=10_000);
}
