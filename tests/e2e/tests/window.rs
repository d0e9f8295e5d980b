//! Failing inside the window: everything is put back and the exit code is 20, or 22 where a service stays down.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use backout_kit::{Run, World};

/// The rollback fails and everything is as before.
#[track_caller]
fn put_back(world: &World, more: &[&str]) -> Run {
    let before = world.files();
    let run = world.rollback(more).ends(20);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(run.json["changed"], false);
    assert!(!run.json["error"]["message"].as_str().unwrap().is_empty());
    let after = world.files();
    assert!(after == before, "{}", backout_kit::snapshot::differences(&before, &after).join("\n"));
    assert!(backout_kit::snapshot::leftovers(&world.home).is_empty());
    world.plain(&["status"]).ends(0);
    run
}

fn patience(world: &World) {
    world
        .write_site(&[("First", "first"), ("Second", "second")], "timeouts: (stop: 1, start: 1, status: 20)");
}

#[test]
fn a_service_that_refuses_to_stop() {
    let world = World::small();
    world.services.fault("second", "refuse-stop");
    let run = put_back(&world, &[]);
    assert!(run.json["error"].to_string().contains("Second"));
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_service_that_ignores_the_stop() {
    let world = World::small();
    patience(&world);
    world.services.fault("second", "ignore-stop");
    put_back(&world, &[]);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_service_that_stays_down_needs_a_person_and_recover_closes_the_run() {
    let world = World::small();
    let before = world.files();
    world.services.fault("second", "refuse-start");
    let run = world.rollback(&[]).ends(22);
    assert_eq!(run.json["outcome"], "stuck");
    assert_eq!(world.files(), before, "files are back");
    assert_eq!(world.running(), [true, false]);
    world.plain(&["status"]).ends(21);
    world.rollback(&[]).ends(21);
    world.plain(&["undo"]).ends(21);
    world.plain(&["recover"]).ends(22);
    world.services.mend("second", "refuse-start");
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
}
