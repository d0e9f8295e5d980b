//! Services are part of the state: one that was stopped before a run is stopped behind every kill and its recovery, and one
//! that ran runs. (That all run that ran is held by every sweep here, in `settled`.)
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{Verb, drawn, have_strace, promised};

/// Calls between which services are stopped and started, and what was done is told.
const CALLS: [&str; 5] = ["pwrite64", "renameat2", "renameat", "fsync", "unlinkat"];

#[test]
fn a_service_that_was_stopped_stays_stopped_whenever_the_run_dies() {
    if !have_strace() {
        return;
    }
    let stopped = || {
        let (world, old) = Verb::Rollback.before();
        assert_eq!(world.services.ctl("stop", "first"), 0);
        assert_eq!(world.running(), [false, true]);
        (world, old)
    };
    let (after, _) = stopped();
    let made = Verb::Rollback.calls_in(&after);
    assert_eq!(after.running(), [false, true], "also where nothing goes wrong");
    let new = after.files();
    let calls = made.into_iter().filter(|(call, _)| CALLS.contains(call));
    let all: Vec<_> = calls.flat_map(|(call, count)| (1..=count).map(move |n| (call, n))).collect();
    let (mut sides, points) = ([0, 0], drawn(all, 26));
    for (call, n) in &points {
        let (world, old) = stopped();
        let at = format!("killed at {call} no. {n}");
        Verb::Rollback.injected(&world, call, "signal=KILL", *n);
        let run = world.plain(&["recover"]);
        promised!(run.code == Some(0), "{at}: {run:?}");
        promised!(world.running() == [false, true], "{at}");
        let files = world.files();
        promised!(files == old || files == new, "{at}: a mixture");
        sides[usize::from(files == new)] += 1;
        assert_eq!(world.plain(&["recover"]).json["outcome"], "nothing-to-do", "{at}");
    }
    let points = points.len();
    eprintln!("left stopped: {points} kills, {} ended old, {} ended new, 0 violations", sides[0], sides[1]);
    assert!(sides.iter().all(|s| *s > 0), "{sides:?}");
}
