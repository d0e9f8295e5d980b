//! Every state that a power cut can leave behind any system call of a rollback, an undo, a recovery, as far as POSIX
//! promises nothing better, is settled by the real recovery: old or new, nothing else.
#![expect(clippy::print_stderr, reason = "a test prints its figures")]

use backout_crash::{
    have_strace,
    power::{
        Shelf,
        runs::{self, Scenario},
        settle::{Found, Recorded},
        shelf,
    },
    promised, tally,
};
use backout_kit::built;
use std::{collections::BTreeMap, process::Command};

fn binary() -> Command {
    Command::new(&built().backout)
}

fn settle(recorded: &Recorded, share: u64) -> Found {
    shelf::settle(&Command::new(env!("CARGO_BIN_EXE_settle-states")), recorded, share)
}

fn no_violations(name: &str, found: &Found) {
    tally::add("power cuts, enumerated (distinct states)", found.states);
    let shown: Vec<&String> = found.violations.iter().take(5).collect();
    promised!(shown.is_empty(), "{name}: {} violations, the first:\n{shown:#?}", found.violations.len());
    eprintln!("{name}: {} power cuts, by end {:?}, 0 violations", found.states, found.ends);
}

/// How many of its ends it comes to, over all cuts.
fn survives(scenario: Scenario) -> usize {
    if !have_strace() {
        return 0;
    }
    let shelf = Shelf::default();
    let (_world, recorded) = scenario.record(&shelf, &binary());
    let found = settle(&recorded, scenario.share());
    no_violations(&format!("{scenario:?}"), &found);
    found.ends.len()
}

#[test]
fn a_rollback_survives_every_cut() {
    assert!(survives(Scenario::Rollback) != 1, "it must end old here and new there");
}

#[test]
fn an_undo_survives_every_cut() {
    assert!(survives(Scenario::Undo) != 1, "it must end old here and new there");
}

#[test]
fn a_rollback_that_is_put_back_survives_every_cut() {
    survives(Scenario::PutBack);
}

#[test]
fn a_staging_survives_every_cut() {
    assert!(survives(Scenario::Staging) != 1, "it must be gone here and wait there");
}

#[test]
fn a_commit_survives_every_cut() {
    assert!(survives(Scenario::Commit) != 1, "it must wait or end old here and new there");
}

#[test]
fn a_guard_that_keeps_survives_every_cut() {
    assert!(survives(Scenario::Kept) != 1, "it must end old here and new there");
}

#[test]
fn a_guard_that_goes_back_survives_every_cut() {
    survives(Scenario::BackedOut);
}

#[test]
fn a_guard_of_a_folder_that_keeps_survives_every_cut() {
    assert!(survives(Scenario::WatchKept) != 1, "it must end old here and new there");
}

#[test]
fn a_guard_of_a_folder_that_goes_back_survives_every_cut() {
    survives(Scenario::WatchBackedOut);
}

#[test]
fn a_guard_that_is_confirmed_survives_every_cut() {
    assert!(survives(Scenario::Confirmed) != 1, "it must end old here and new there");
}

#[test]
fn a_guard_that_nobody_confirms_survives_every_cut() {
    survives(Scenario::Unconfirmed);
}

#[test]
fn a_rollback_to_a_snapshot_survives_every_cut() {
    assert!(survives(Scenario::Restore) != 1, "it must end old here and new there");
}

#[test]
fn a_rollback_with_actions_survives_every_cut() {
    assert!(survives(Scenario::Acts) != 1, "it must end old here and new there");
}

#[test]
fn an_undo_of_actions_survives_every_cut() {
    assert!(survives(Scenario::ActsUndone) != 1, "it must end old here and new there");
}

#[test]
fn a_recovery_survives_every_cut_whatever_the_last_record_is() {
    if !have_strace() {
        return;
    }
    let shelf = Shelf::default();
    let (back_world, back) = Scenario::PutBack.record(&shelf, &binary());
    let (world, rollback) = Scenario::Rollback.record(&shelf, &binary());
    let mut open = BTreeMap::new();
    for (world, recorded) in [(&back_world, &back), (&world, &rollback)] {
        let each = runs::last_of_each(recorded).into_iter();
        open.extend(each.map(|(last, cut)| (last, (world, recorded, cut))));
    }
    assert!(open.contains_key("Armed") && open.contains_key("Undo"), "{:?}", open.keys());
    let mut all = Found::default();
    for (last, (world, recorded, cut)) in open {
        all = all.and(settle(&runs::recovery(&shelf, world, recorded, &cut, &last, &binary()), 1));
    }
    no_violations("recover", &all);
}
