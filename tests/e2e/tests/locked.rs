//! Files in use: nothing that waits for a reboot.

use backout_kit::World;

#[test]
fn nothing_that_waits_for_a_reboot_is_nothing_to_call_off() {
    let world = World::small();
    let run = world.plain(&["recover", "--cancel-reboot"]).ends(0);
    assert_eq!(run.json["outcome"], "nothing-to-do");
    // A run that is unfinished for another reason is recovered, not called off.
    world.services.kills("first", "stop");
    world.rollback(&["--no-parent"]);
    let run = world.plain(&["recover", "--cancel-reboot"]).ends(10);
    assert_eq!(run.error_code(), "BKO-1074");
    world.plain(&["recover"]).ends(0);
    assert_eq!(world.running(), [true, true]);
}
