//! The hand procedure does what a run does, and its last part takes it back.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use backout_kit::{Snapshot, World, snapshot};
use std::{path::Path, process::Command};

/// Names and contents: hands set no times.
fn contents(tree: &Snapshot) -> Vec<(String, String)> {
    tree.iter().map(|(name, entry)| (name.clone(), entry.content.clone())).collect()
}

/// The commands of the parts from `first` to `last`.
fn commands(runbook: &str, first: usize, last: usize) -> String {
    let mut part = 0;
    let mut script = String::new();
    for line in runbook.lines() {
        if let Some(number) = line.split_once(". ").and_then(|(n, _)| n.parse().ok()) {
            part = number;
        }
        if let Some(command) = line.strip_prefix("    ").filter(|_| (first..=last).contains(&part)) {
            script.push_str(command);
            script.push('\n');
        }
    }
    script
}

#[track_caller]
fn by_hand(world: &World, script: &str) {
    // Where people work by hand, nobody else does.
    let saved = world.path().join("saved");
    let script = script.replace("/var/tmp/backout-by-hand", saved.to_str().unwrap());
    let ran = Command::new("bash").args(["-e", "-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{script}\n{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn typed_by_hand_the_procedure_does_what_a_rollback_does_and_its_last_part_takes_it_back() {
    let rolled = World::small();
    rolled.rollback(&[]).ends(0);

    let world = World::small();
    let before = world.files();
    world.services.clear_log();
    let run = world.verb("plan", &["--format", "runbook"]).ends(0);
    let runbook = run.json["data"]["runbook"].as_str().unwrap();
    assert_eq!(world.files(), before, "a plan changes nothing");
    for target in ["live/a.conf", "live/sub/c.conf", "live/new/deep/d.conf", "backup/gone.conf"] {
        let target = world.home.join(target);
        assert!(runbook.contains(target.to_str().unwrap()), "{}: {runbook}", target.display());
    }

    by_hand(&world, &commands(runbook, 1, 5));
    assert_eq!(contents(&world.files()), contents(&rolled.files()), "{runbook}");
    let log = world.services.log();
    let orders: Vec<&str> = log.iter().map(String::as_str).filter(|l| !l.starts_with("status")).collect();
    assert_eq!(orders, ["stop first", "stop second", "start first", "start second"]);
    assert_eq!(world.running(), [true, true]);

    let saved = format!("SAVED={}\n", world.path().join("saved").display());
    let stop_back_start = [commands(runbook, 2, 2), saved, commands(runbook, 6, 6), commands(runbook, 4, 4)];
    by_hand(&world, &stop_back_start.concat());
    assert_eq!(contents(&world.files()), contents(&before), "{runbook}");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn people_read_it_as_text_and_it_is_short_where_nothing_is_to_be_done() {
    let world = World::small();
    let text = |world: &World| {
        let mut command = world.command(&["plan", &world.profile, "--format", "runbook"]);
        let output = command.args(world.flags()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = text(&world);
    assert!(whole.starts_with("Hand procedure: small, as of now\n"), "{whole}");
    assert!(whole.contains("\n2. Stop, in this order") && whole.contains("sha256sum -- "), "{whole}");
    world.rollback(&[]).ends(0);
    assert!(text(&world).contains("nothing to do"));
    assert!(snapshot(Path::new(&world.home.join("live"))).contains_key("new/e.conf"));
}
