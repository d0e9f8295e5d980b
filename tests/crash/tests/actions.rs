//! A run with actions of a plugin is killed at every record of its journal and at a sample of its other system calls; then
//! `recover`. What the plugin changed is on the same side as the files.
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{Side, calls, drawn, have_strace, settled, shard, tally};
use backout_kit::{Snapshot, World, deeds, strace};
use std::process::Command;

/// The call that writes a record: all of them are cut.
const RECORD: &str = "pwrite64";
/// So many of the others are.
const OTHERS: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Rollback,
    Undo,
}

impl Verb {
    fn before(self) -> (World, Snapshot) {
        let world = deeds::world();
        if self == Verb::Undo {
            world.rollback(&[]).ends(0);
        }
        let files = world.files();
        (world, files)
    }

    fn command(self, world: &World) -> Command {
        match self {
            Verb::Rollback => world.verb_command("rollback", &["--no-parent"]),
            Verb::Undo => world.command(&["undo", "--yes", "--json", "--jobs", "1", "--no-parent"]),
        }
    }
}

fn sweep(verb: Verb) {
    if !have_strace() {
        return;
    }
    let (world, _) = verb.before();
    let all = calls(&verb.command(&world), world.path());
    let new = world.files();
    let points = |records: bool| {
        let these = all.iter().filter(move |(call, _)| (**call == RECORD) == records);
        these.flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n))).collect::<Vec<_>>()
    };
    let points = [points(true), drawn(points(false), OTHERS)].concat();
    let sides = shard::over(points, |(call, n)| {
        let (world, old) = verb.before();
        let at = format!("{verb:?} with actions, killed at {call} no. {n}");
        strace::injected(&verb.command(&world), call, "signal=KILL", n).output().expect("strace");
        // Files are compared whole, and those that the plugin changes are among them.
        settled(&world, &old, &new, &at)
    });
    let old = sides.iter().filter(|side| **side == Side::Old).count();
    tally::add("kills", sides.len() as u64);
    eprintln!("{verb:?} with actions: {} kills, {old} ended old, the others new, 0 violations", sides.len());
    assert!(old > 0 && old < sides.len());
}

#[test]
fn a_run_with_actions_killed_anywhere_ends_old_or_new() {
    sweep(Verb::Rollback);
}

#[test]
fn an_undo_of_actions_killed_anywhere_ends_old_or_new() {
    sweep(Verb::Undo);
}
