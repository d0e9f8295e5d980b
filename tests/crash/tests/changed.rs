//! `changed` is what is true of the machine: wherever a run was killed, and however far a recovery went.
#![expect(clippy::disallowed_methods, reason = "a test moves folders")]

use backout_crash::{Verb, damage::transaction, have_strace, promised};
use backout_kit::World;
use std::fs;

/// Whether files or services are other than `old`, or than running.
fn differs(world: &World, old: &backout_kit::Snapshot) -> bool {
    world.files() != *old || world.running() != [true, true]
}

#[test]
fn what_is_said_of_a_run_killed_at_each_record_is_what_is_true_behind_each_part_of_its_recovery() {
    if !have_strace() {
        return;
    }
    let mut told = [0, 0];
    for n in 2..=Verb::Rollback.calls()["pwrite64"] {
        let Some((world, old)) = Verb::Rollback.killed("pwrite64", n) else { continue };
        let open = transaction(&world).is_some_and(|folder| folder.join("journal").is_file());
        for part in ["--boot=files", "--boot=services"] {
            let run = world.plain(&["recover", part]).ends(0);
            let differs = differs(&world, &old);
            promised!(
                run.json["changed"] == differs || run.json["outcome"] == "nothing-to-do",
                "{n} {part}: {run:?}"
            );
            told[usize::from(differs)] += usize::from(open);
        }
        assert_eq!(world.running(), [true, true], "{n}");
    }
    assert!(told.iter().all(|n| *n > 0), "{told:?}");
}

#[test]
fn a_volume_that_is_away_and_a_journal_that_cannot_be_read_leave_it_open_whether_something_has_changed() {
    if !have_strace() {
        return;
    }
    let (mut before, mut behind) = (0, 0);
    for n in 2..=Verb::Rollback.calls()["pwrite64"] {
        let Some((world, old)) = Verb::Rollback.killed("pwrite64", n) else { continue };
        let Some(folder) = transaction(&world) else { continue };
        let text = String::from_utf8_lossy(&fs::read(folder.join("journal")).unwrap()).into_owned();
        let is_over = text.contains("record:Committed");
        if !text.contains("record:Opening") || is_over {
            continue;
        }
        let (live, away) = (world.home.join("live"), world.path().join("away"));
        let known = differs(&world, &old);
        fs::rename(&live, &away).unwrap();
        fs::create_dir(&live).unwrap();
        let run = world.plain(&["recover"]);
        promised!(run.code == Some(21), "{n}: {run:?}");
        promised!(run.json["changed"] == true || !known, "{n}: {run:?}");
        before += usize::from(run.json["changed"] == false);
        fs::remove_dir(&live).unwrap();
        fs::rename(&away, &live).unwrap();
        let run = world.plain(&["recover"]).ends(0);
        promised!(run.json["changed"] == differs(&world, &old), "{n}: {run:?}");
        behind += 1;
    }
    assert!(behind > 2 && before <= behind, "{before} {behind}");
}
