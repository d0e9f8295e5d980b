//! Files in use: what is told of whoever holds one, and what is not for this system.
#![cfg(unix)]

use backout_kit::{
    World,
    place::{can_be_immutable, chattr},
};
use std::process::{Command, Stdio};

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

#[test]
fn a_file_that_cannot_be_swapped_is_named_with_whoever_has_it_open() {
    let world = World::small();
    let before = world.files();
    let target = world.home.join("live/a.conf");
    if !can_be_immutable(&target) {
        return;
    }
    world.services.hook("second", "stop", &format!("chattr +i '{}'", target.display()));
    let mut reader = Command::new("tail");
    reader
        .args(["-n", "0", "-f"])
        .arg(&target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut reader = reader.spawn().unwrap();
    let pid = reader.id();
    let has_it = || {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|file| file == target)
    };
    while !has_it() {
        assert!(reader.try_wait().unwrap().is_none(), "nobody has it open");
        std::thread::yield_now();
    }
    let run = world.rollback(&[]);
    reader.kill().unwrap();
    reader.wait().unwrap();
    assert!(chattr("-i", &target));
    let run = run.ends(20);
    let message = run.json["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("it is held by `tail` (process {pid})")), "{message}");
    assert_eq!((world.files(), world.running()), (before, vec![true, true]));
}
