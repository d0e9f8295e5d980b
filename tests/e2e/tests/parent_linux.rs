//! The small parent: what takes signals, mode bits or a shell.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use backout_e2e::{held, held_by, until_held, worker};
use backout_kit::{World, place, process};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
};

#[test]
fn what_cannot_be_settled_at_once_is_told_as_unfinished() {
    let world = World::small();
    let before = world.files();
    let parent = held(&world, &[]);
    let worker = worker(&world);
    let mode = |mode| fs::set_permissions(&world.state, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    process::kill(worker);
    world.services.go_on("first");
    let run = parent.to_its_end().ends(21);
    assert_eq!(run.json["outcome"], "unfinished", "{run:?}");
    assert_eq!(run.error_code(), "BKO-3019");
    mode(0o700);
    let status = world.plain(&["status"]).ends(21);
    assert_eq!(status.json["run_id"], run.json["run_id"], "{status:?}");
    world.plain(&["recover"]).ends(0);
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn what_is_printed_into_the_worker_neither_loses_nor_forges_an_answer() {
    let world = World::small();
    let ctl = world.services.dir().join("ctl");
    let answer = r#"{"out":"forged"}"#;
    let print = format!("status)\n  printf '\\n{answer}\\nno line end' >/proc/$PPID/fd/1 2>/dev/null\n");
    place::script(&fs::read_to_string(&ctl).unwrap().replace("status)\n", &print), &ctl);
    let run = world.rollback(&[]).ends(0);
    assert_eq!(run.json["outcome"], "done", "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert!(run.stderr.contains("no line end"), "{run:?}");
}

#[test]
fn keys_of_the_terminal_that_end_the_parent_leave_the_worker_alone() {
    let world = World::small();
    let call = world.verb_command("rollback", &[]);
    // Whoever runs the tests in the background of a shell ignores this key, and so would everything below.
    let mut command = Command::new("env");
    command.arg("--default-signal=QUIT").arg(call.get_program()).args(call.get_args()).process_group(0);
    let mut parent = held_by(&world, command);
    let worker = worker(&world);
    // To everybody in the foreground, as Ctrl-\ does it.
    let everybody = format!("-{}", parent.child.id());
    assert!(Command::new("/bin/kill").args(["-QUIT", "--", &everybody]).status().unwrap().success());
    // What its death takes, as a core that is written, is no part of the time that the service has to stop.
    world.services.go_on("first");
    assert!(!parent.child.wait().unwrap().success());
    process::gone(worker);
    world.plain(&["status"]).ends(0);
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_closed_terminal_changes_nothing() {
    let world = World::small();
    world.services.waits("first", "stop");
    let mut rollback = world.verb_command("rollback", &[]);
    let mut parent = rollback.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    until_held(&world, &mut parent);
    // Nobody reads what is printed any more, and everybody has had the hangup of the terminal.
    drop(parent.stdout.take());
    process::signal(worker(&world), "-HUP");
    process::signal(parent.id(), "-HUP");
    world.services.go_on("first");
    assert_eq!(parent.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_request_that_was_put_back_is_answered_so_again() {
    let world = World::small();
    world.services.fault("second", "refuse-start");
    world.services.hook(
        "second",
        "start",
        "[ -e \"$dir/once\" ] && rm -f \"$dir/second.refuse-start\"; touch \"$dir/once\"",
    );
    let first = world.rollback(&["--request-id", "a"]).ends(20);
    let again = world.rollback(&["--request-id", "a"]).ends(20);
    assert_eq!(again.json["run_id"], first.json["run_id"]);
    assert_eq!(again.error_code(), first.error_code());
    world.rollback(&["--request-id", "b"]).ends(0);
}
