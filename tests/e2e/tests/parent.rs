//! The small parent: whatever ends the process that carries a run out, the run is settled and one result is printed.
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use backout_e2e::{held, held_by, worker};
use backout_kit::{Run, World, process, write};
use std::fs;

#[test]
fn a_killed_worker_is_settled_by_its_parent_and_one_result_is_printed() {
    let world = World::small();
    let before = world.files();
    let parent = held(&world, &[]);
    process::kill(worker(&world));
    world.services.go_on("first");
    let run = parent.to_its_end().ends(20);
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
        world.services.kills(service, verb);
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
    let mut parent = held(&world, &[]);
    let worker = worker(&world);
    process::kill(parent.child.id());
    parent.child.wait().unwrap();
    let status = world.plain(&["status"]).ends(11);
    assert_eq!(status.json["data"]["under_way"]["process"], worker);
    world.services.go_on("first");
    process::gone(worker);
    world.plain(&["status"]).ends(0);
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn both_killed_leave_it_to_recover() {
    let world = World::small();
    let before = world.files();
    let mut parent = held(&world, &[]);
    let worker = worker(&world);
    process::kill(parent.child.id());
    process::kill(worker);
    parent.child.wait().unwrap();
    world.services.go_on("first");
    world.plain(&["status"]).ends(21);
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_recover_whose_worker_is_killed_is_settled_too() {
    let world = World::small();
    let mut parent = held(&world, &["--no-parent"]);
    process::kill(parent.child.id());
    parent.child.wait().unwrap();
    world.services.go_on("first");
    world.services.kills("first", "start");
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back", "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
}

#[test]
fn a_stream_of_events_ends_with_the_one_result_of_the_parent() {
    let world = World::small();
    let mut command = world.command(&["rollback", &world.profile, "--yes", "--json=stream"]);
    command.args(world.flags());
    let parent = held_by(&world, command);
    process::kill(worker(&world));
    world.services.go_on("first");
    let run = parent.to_its_end().ends(20);
    let lines: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results: Vec<_> = lines.iter().filter(|l| l["schema"] == "backout.result/v1").collect();
    assert_eq!(results.len(), 1);
    assert_eq!(lines.last().unwrap()["exit_code"], 20);
}

#[test]
fn a_stream_of_events_tells_every_step_there_and_back() {
    let world = World::small();
    // A probe that is not content with whatever it finds.
    let status = world.services.command("status", "nobody");
    let probe = format!("health: [(name: \"answers\", run: {status})],");
    world.write_site(&[("First", "first"), ("Second", "second")], &probe);
    let mut command = world.command(&["rollback", &world.profile, "--yes", "--json=stream"]);
    let run = Run::to_its_end(command.args(world.flags())).ends(20);
    let short = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap_or("result") {
            "phase" => word("phase"),
            "service" => format!("{} {}", word("action"), word("service")),
            counted @ ("swapped" | "staged") => format!("{counted} {}/{}", event["done"], event["total"]),
            other => other.to_owned(),
        }
    };
    let told: Vec<String> = run.stdout.lines().map(short).collect();
    let names = told.iter().filter(|line| line.starts_with("staged")).count();
    let each = |what: &str| (1..=names).map(|n| format!("{what} {n}/{names}")).collect::<Vec<_>>();
    let these = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let down = these(&["quiesce", "stopping First", "stopped First", "stopping Second", "stopped Second"]);
    let up =
        these(&["resume", "starting First", "started First", "starting Second", "started Second", "health"]);
    let there =
        [these(&["preflight", "stage"]), each("staged"), down.clone(), these(&["swap"]), each("swapped")];
    let back = [up.clone(), these(&["unwinding"]), down, each("swapped"), up, these(&["result"])];
    assert_eq!(told, [there.concat(), back.concat()].concat());
    assert!(names >= 9, "files, a folder that comes and the backups that go");
}

#[test]
fn following_shows_the_run_until_it_ends() {
    let world = World::small();
    let parent = held(&world, &[]);
    let seen = world.path().join("seen");
    let mut command = world.command(&["status", "--follow"]);
    let mut follow = command.stderr(fs::File::create(&seen).unwrap()).spawn().unwrap();
    // It follows: then the run may end.
    while fs::read(&seen).unwrap().is_empty() {
        assert!(follow.try_wait().unwrap().is_none(), "there is a run to follow");
        std::thread::yield_now();
    }
    world.services.go_on("first");
    parent.to_its_end().ends(0);
    assert_eq!(follow.wait().unwrap().code(), Some(0));
    let said = fs::read_to_string(seen).unwrap();
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
    let undo = |id: &str| world.plain(&["undo", "--request-id", id]);
    undo("ticket 7").ends(64);
    let undone = undo("ticket 8").ends(0);
    let again = undo("ticket 8").ends(0);
    assert_eq!(again.json["run_id"], undone.json["run_id"]);
}

#[test]
fn a_request_id_stands_for_all_that_was_asked() {
    let world = World::small();
    let first = world.rollback(&["--request-id", "a", "--start-all"]).ends(0);
    let other = world.path().join("other");
    write(&other.join("live/a.conf"), "patched a");
    write(&other.join("backup/a.conf"), "old a");
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
    let mut parent = held(&world, &["--no-parent", "--request-id", "b"]);
    parent.child.kill().unwrap();
    parent.child.wait().unwrap();
    world.services.go_on("first");
    let given_up = world.plain(&["recover", "--abandon"]).ends(0);
    let run = world.rollback(&["--request-id", "b"]).ends(10);
    assert_eq!(run.error_code(), "BKO-1095");
    let id = given_up.json["run_id"].as_str().unwrap();
    assert!(run.json["error"]["message"].as_str().unwrap().contains(id), "{run:?}");
    assert_eq!(world.files(), before);
    world.rollback(&["--request-id", "c"]).ends(0);
}
