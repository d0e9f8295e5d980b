//! Failing inside the window: everything is put back and the exit code is 20, or 22 where a service stays down.

use backout_e2e::put_back;
use backout_kit::World;

/// A stop that does nothing is soon seen to; what is to be started again has its time.
fn patience(world: &World) {
    let timeouts = "timeouts: (stop: 1, start: 120, status: 120)";
    world.write_site(&[("First", "first"), ("Second", "second")], timeouts);
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
    // A service that does not come up is waited for as long as this.
    world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (start: 20)");
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
