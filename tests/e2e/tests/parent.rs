//! The small parent: whatever ends the process that carries a run out, the run is settled and one result is printed.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, World};
use std::{
    fs,
    io::Read,
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
fn a_killed_worker_is_settled_by_its_parent_and_one_result_is_printed() {
    let world = World::small();
    let before = world.files();
    let (parent, go) = held(&world, &[]);
    signal(&worker(&parent), "-KILL");
    fs::write(&go, "").unwrap();
    let run = Run::of(&parent.wait_with_output().unwrap()).ends(20);
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(run.error_code(), "BKO-2030");
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
    let shown = world.plain(&["show", run.json["run_id"].as_str().unwrap()]).ends(0);
    assert_eq!(shown.json["data"]["fate"], "put-back");
}

#[test]
fn a_worker_killed_after_the_swap_is_carried_to_its_end() {
    for (service, verb) in [("first", "start"), ("second", "start")] {
        let world = World::small();
        world.services.hook(service, verb, "kill -KILL $PPID; rm -f \"$dir/$name.hook-start\"");
        let run = world.rollback(&[]).ends(0);
        assert_eq!(run.json["outcome"], "completed", "{run:?}");
        assert_eq!(run.json["changed"], true);
        assert_eq!(run.json["exit_code"], 0);
        assert!(run.json["warnings"].to_string().contains("BKO-4030"), "{run:?}");
        assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
        assert_eq!(world.running(), [true, true]);
        world.plain(&["undo"]).ends(0);
    }
}

#[test]
fn the_death_of_the_parent_does_not_end_the_worker() {
    let world = World::small();
    let (mut parent, go) = held(&world, &[]);
    let worker = worker(&parent);
    signal(&parent.id().to_string(), "-KILL");
    parent.wait().unwrap();
    let status = world.plain(&["status"]).ends(11);
    assert_eq!(status.json["data"]["under_way"]["process"].to_string(), worker);
    fs::write(&go, "").unwrap();
    while PathBuf::from(format!("/proc/{worker}")).exists() {
        std::thread::yield_now();
    }
    world.plain(&["status"]).ends(0);
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn both_killed_leave_it_to_recover() {
    let world = World::small();
    let before = world.files();
    let (mut parent, go) = held(&world, &[]);
    let worker = worker(&parent);
    signal(&parent.id().to_string(), "-KILL");
    signal(&worker, "-KILL");
    parent.wait().unwrap();
    fs::write(&go, "").unwrap();
    world.plain(&["status"]).ends(21);
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
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
fn a_recover_whose_worker_is_killed_is_settled_too() {
    let world = World::small();
    let (mut parent, go) = held(&world, &["--no-parent"]);
    signal(&parent.id().to_string(), "-KILL");
    parent.wait().unwrap();
    fs::write(&go, "").unwrap();
    world.services.hook("first", "start", "kill -KILL $PPID; rm -f \"$dir/$name.hook-start\"");
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back", "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
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
fn a_stream_of_events_ends_with_the_one_result_of_the_parent() {
    let world = World::small();
    let mut command = world.command(&["rollback", &world.profile, "--yes", "--json=stream"]);
    command.args(world.flags());
    let (parent, go) = held_by(&world, command);
    signal(&worker(&parent), "-KILL");
    fs::write(&go, "").unwrap();
    let output = parent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(20));
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let results: Vec<_> = lines.iter().filter(|l| l["schema"] == "backout.result/v1").collect();
    assert_eq!(results.len(), 1);
    assert_eq!(lines.last().unwrap()["exit_code"], 20);
}

#[test]
fn following_shows_the_run_until_it_ends() {
    let world = World::small();
    let (parent, go) = held(&world, &[]);
    let mut follow = world.command(&["status", "--follow"]).stderr(Stdio::piped()).spawn().unwrap();
    fs::write(&go, "").unwrap();
    parent.wait_with_output().unwrap();
    assert_eq!(follow.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    follow.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("stopping First") && said.contains("making it final"), "{said}");
}

#[test]
fn the_same_request_id_returns_the_first_result_and_does_nothing() {
    let world = World::small();
    let first = world.rollback(&["--request-id", "ticket 7"]).ends(0);
    assert_eq!(first.json["request_id"], "ticket 7");
    world.services.clear_log();
    let again = world.rollback(&["--request-id", "ticket 7"]).ends(0);
    for field in ["run_id", "changed", "counts", "window_ms", "outcome", "request_id", "warnings"] {
        assert_eq!(again.json[field], first.json[field], "{field}");
    }
    assert_eq!(again.json["data"]["replayed"], true);
    assert!(world.services.log().is_empty());
    let other =
        Run::of(&world.command(&["undo", "--yes", "--json", "--request-id", "ticket 7"]).output().unwrap());
    other.ends(64);
    let undo = |id: &str| world.command(&["undo", "--yes", "--json", "--request-id", id]).output().unwrap();
    let undone = Run::of(&undo("ticket 8")).ends(0);
    let again = Run::of(&undo("ticket 8")).ends(0);
    assert_eq!(again.json["run_id"], undone.json["run_id"]);
}

#[test]
fn a_request_id_stands_for_all_that_was_asked() {
    let world = World::small();
    let first = world.rollback(&["--request-id", "a", "--start-all"]).ends(0);
    let other = world.path().join("other");
    assert!(Command::new("cp").arg("-a").arg(&world.home).arg(&other).status().unwrap().success());
    fs::write(other.join("live/a.conf"), "patched a").unwrap();
    let set = format!("home={}", other.display());
    for more in [&["--start-all", "--set", &set][..], &[], &["--start-all", "--component", "files"]] {
        let words = [&["--request-id", "a"], more].concat();
        assert_eq!(world.rollback(&words).ends(64).json["changed"], false, "{more:?}");
    }
    assert_eq!(fs::read(other.join("live/a.conf")).unwrap(), b"patched a");
    let again = world.rollback(&["--start-all", "--request-id", "a"]).ends(0);
    assert_eq!(again.json["run_id"], first.json["run_id"]);
}

#[test]
fn a_request_whose_run_was_given_up_is_not_carried_out_once_more() {
    let world = World::small();
    let before = world.files();
    let (mut parent, go) = held(&world, &["--no-parent", "--request-id", "b"]);
    parent.kill().unwrap();
    parent.wait().unwrap();
    fs::write(&go, "").unwrap();
    let given_up = world.plain(&["recover", "--abandon"]).ends(0);
    let run = world.rollback(&["--request-id", "b"]).ends(10);
    assert_eq!(run.error_code(), "BKO-1095");
    let id = given_up.json["run_id"].as_str().unwrap();
    assert!(run.json["error"]["message"].as_str().unwrap().contains(id), "{run:?}");
    assert_eq!(world.files(), before);
    world.rollback(&["--request-id", "c"]).ends(0);
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
