//! Files in use: what is told of whoever holds one, and what is not for this system.
#![cfg(unix)]

use backout_kit::World;

#[test]
fn a_reboot_replaces_nothing_here_and_that_is_said_before_anything_is_touched() {
    let world = World::small();
    let before = world.files();
    world.services.clear_log();
    for more in [&["--dry-run"][..], &[]] {
        let run = world.rollback(&[more, &["--on-locked", "reboot"]].concat()).ends(10);
        assert_eq!(run.error_code(), "BKO-1072");
        assert!(run.json["error"]["message"].to_string().contains("nothing was touched"), "{run:?}");
    }
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
    assert_eq!(world.services.log(), [] as [String; 0], "nobody was told anything");
}
