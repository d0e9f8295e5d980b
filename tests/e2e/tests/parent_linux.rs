//! The small parent: what takes signals, mode bits or a shell.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, World};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A rollback that is stopping its first service and does not go on before the returned file exists.
fn held(world: &World, more: &[&str]) -> (Child, PathBuf) {
    held_by(world, world.verb_command("rollback", more))
}

fn held_by(world: &World, mut command: Command) -> (Child, PathBuf) {
    let (reached, go) = (world.path().join("reached"), world.path().join("go"));
    let wait =
        format!("touch '{}'; while [ ! -e '{}' ]; do sleep 0.01; done", reached.display(), go.display());
    world.services.hook("first", "stop", &wait);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    while !reached.exists() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::yield_now();
    }
    (run, go)
}

/// The process that carries the run of `parent` out.
fn worker(parent: &Child) -> String {
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    fs::read_to_string(children).unwrap().trim().to_owned()
}

fn signal(pid: &str, signal: &str) {
    assert!(Command::new("/bin/kill").args([signal, pid]).status().unwrap().success());
}

#[test]
fn what_cannot_be_settled_at_once_is_told_as_unfinished() {
    let world = World::small();
    let before = world.files();
    let (parent, go) = held(&world, &[]);
    let mode = |mode| fs::set_permissions(&world.state, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    signal(&worker(&parent), "-KILL");
    fs::write(&go, "").unwrap();
    let run = Run::of(&parent.wait_with_output().unwrap()).ends(21);
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
    fs::write(&ctl, fs::read_to_string(&ctl).unwrap().replace("status)\n", &print)).unwrap();
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
    let (mut parent, go) = held_by(&world, command);
    let worker = worker(&parent);
    // To everybody in the foreground, as Ctrl-\ does it.
    assert!(
        Command::new("/bin/kill")
            .args(["-QUIT", "--", &format!("-{}", parent.id())])
            .status()
            .unwrap()
            .success()
    );
    // What its death takes, as a core that is written, is no part of the time that the service has to stop.
    fs::write(&go, "").unwrap();
    assert!(!parent.wait().unwrap().success());
    while PathBuf::from(format!("/proc/{worker}")).exists() {
        std::thread::yield_now();
    }
    world.plain(&["status"]).ends(0);
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_closed_terminal_changes_nothing() {
    let world = World::small();
    let (mut parent, go) = held(&world, &[]);
    // Nobody reads what is printed any more, and everybody has had the hangup of the terminal.
    drop(parent.stdout.take());
    signal(&worker(&parent), "-HUP");
    signal(&parent.id().to_string(), "-HUP");
    fs::write(&go, "").unwrap();
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
