//! The real binary is killed at every system call of a run that changes files, one call at a time; then `recover`. Of the
//! calls that open something, and of plain writes, some are drawn: most open something to read, or write into what no name
//! leads to yet. Of the others every second is taken in a day.
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{Side, Verb, drawn, have_strace, promised, settled, shard, tally};
use backout_kit::snapshot::leftovers;

/// How many calls that open something.
const OPENS: usize = 32;
/// How many writes that are no record's.
const WRITES: usize = 24;
/// How many of the others.
const CHANGES: usize = 72;

fn sweep(verb: Verb) {
    if !have_strace() {
        return;
    }
    let (calls, new) = (verb.calls(), verb.after());
    let points = calls.iter().flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n)));
    let (opens, others): (Vec<_>, Vec<_>) = points.partition(|(call, _)| call.starts_with("open"));
    let (writes, changes) = others.into_iter().partition(|(call, _)| *call == "write");
    let points = [drawn(changes, CHANGES), drawn(writes, WRITES), drawn(opens, OPENS)].concat();
    let sides = shard::over(points, |(call, n)| {
        let (world, old) = verb.before();
        let at = format!("{verb:?} killed at {call} no. {n}");
        let run = verb.injected(&world, call, "signal=KILL", n);
        let side = settled(&world, &old, &new, &at);
        if side == Side::Old {
            promised!(!run.status.success(), "{at}: it says that it is done, and yet everything is old");
            promised!(verb == Verb::Undo || leftovers(&world.home).is_empty(), "{at}: something is left");
        }
        side
    });
    let points = sides.len();
    let old_side = sides.iter().filter(|side| **side == Side::Old).count();
    let new_side = points - old_side;
    tally::add("kills", points as u64);
    eprintln!(
        "{verb:?}: {points} kills, {old_side} ended old, {new_side} ended new, 0 violations; {calls:?}"
    );
    assert!(points > 60 && old_side > 0 && new_side > 0);
}

#[test]
fn a_rollback_killed_at_any_system_call_ends_old_or_new() {
    sweep(Verb::Rollback);
}

#[test]
fn an_undo_killed_at_any_system_call_ends_old_or_new() {
    sweep(Verb::Undo);
}
