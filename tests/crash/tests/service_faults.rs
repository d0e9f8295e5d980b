//! Services are part of the state: every call of a service's commands that a run makes fails once, and then every one from
//! there on. The run ends old or new, and each service runs that ran.
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{Side, Verb, promise::broken, promised, settled, tally};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// How often services are called in a run is not known before.
const ENOUGH: u32 = 200;

fn sweep(what: &str, failing: fn(u32) -> RangeInclusive<u32>) {
    let new = Verb::Rollback.after();
    let (mut codes, mut sides) = (BTreeMap::new(), [0, 0]);
    for n in 1..ENOUGH {
        let (world, old) = Verb::Rollback.before();
        // What never comes to its state is waited for as long as this, many times in all.
        world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (stop: 10, start: 10)");
        world.services.fail(failing(n));
        let run = world.rollback(&[]);
        let calls = world.services.mended(n);
        let at = format!("{what}, call {n}: {run:?}");
        *codes.entry(run.code).or_insert(0) += 1;
        let side = settled(&world, &old, &new, &at);
        sides[usize::from(side == Side::New)] += 1;
        match run.code {
            Some(0) => promised!(side == Side::New, "{at}"),
            Some(10 | 20) => promised!(side == Side::Old, "{at}"),
            Some(21 | 22) => {}
            _ => broken(format_args!("{at}")),
        }
        tally::add("failing services", 1);
        if calls < i64::from(n) {
            assert_eq!(run.code, Some(0), "{at}: nothing failed");
            eprintln!(
                "{what}: {n} runs, {} ended old, {} new, 0 violations; by exit code: {codes:?}",
                sides[0], sides[1]
            );
            return;
        }
    }
    panic!("a run calls its services more than {ENOUGH} times");
}

#[test]
fn a_service_whose_commands_fail_once() {
    sweep("a service's command fails", |n| n..=n);
}

#[test]
fn services_whose_commands_fail_from_some_moment_on() {
    sweep("services' commands fail from here on", |n| n..=10_000);
}
