//! Recovery where more went wrong than a crash.
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use backout_e2e::transaction;
use backout_kit::{Running, World, killed, snapshot};
use std::fs;

#[test]
fn a_damaged_journal_is_left_alone_and_can_be_given_up() {
    let Some((world, _)) = killed::in_the_window() else { return };
    let journal = transaction(&world).join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[40] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let before = world.files();
    let run = world.plain(&["recover"]).ends(22);
    assert!(run.json["error"].to_string().contains("journal"), "{run:?}");
    assert_eq!(run.json["changed"], true, "nobody can say that nothing is");
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [false, false]);
    world.plain(&["status"]).ends(21);
    world.rollback(&[]).ends(21);
    world.plain(&["recover", "--abandon"]).ends(0);
    assert_eq!(world.files(), before);
    assert!(!snapshot::leftovers(&world.home).is_empty(), "before-images are kept");
    world.plain(&["status"]).ends(0);
}

#[test]
fn a_journal_that_was_lost_is_not_taken_for_nothing_done() {
    for whole in [false, true] {
        let Some((world, _)) = killed::in_the_window() else { return };
        let journal = transaction(&world).join("journal");
        if whole {
            fs::remove_file(&journal).unwrap()
        } else {
            fs::write(&journal, "").unwrap()
        }
        let before = world.files();
        world.plain(&["recover"]).ends(22);
        world.plain(&["status"]).ends(21);
        world.rollback(&[]).ends(21);
        assert_eq!(world.files(), before);
        let run = world.plain(&["recover", "--abandon"]).ends(0);
        assert!(run.json["data"]["files"].as_array().unwrap().len() >= 4, "{run:?}");
    }
}

#[test]
fn what_was_staged_and_is_gone_is_missed_only_where_something_was_swapped() {
    for swapped in [false, true] {
        let world = match swapped {
            true => killed::in_the_window().map(|(world, _)| world),
            false => Some(World::small()),
        };
        let Some(world) = world else { return };
        let before = world.files();
        if !swapped {
            world.services.kills("first", "stop");
            world.rollback(&["--no-parent"]);
        }
        for left in snapshot::leftovers(&world.home) {
            let left = world.home.join(left);
            if left.is_dir() {
                fs::remove_dir_all(left).unwrap();
            }
        }
        let recovered = world.plain(&["recover"]);
        if swapped {
            recovered.ends(21);
        } else {
            assert_eq!(recovered.ends(0).json["outcome"], "rolled-back");
            assert_eq!(world.running(), [true, true]);
            world.plain(&["status"]).ends(0);
        }
        assert_eq!(world.files(), before);
    }
}

#[test]
fn giving_up_lists_every_file_with_its_digests() {
    let Some((world, _)) = killed::in_the_window() else { return };
    let before = world.files();
    let run = world.plain(&["recover", "--abandon"]).ends(0);
    let files = run.json["data"]["files"].as_array().unwrap();
    assert!(files.len() >= 4, "{run:?}");
    // Each before-image is named where it lies, whichever way the files have traded places.
    let was = |file: &&serde_json::Value| file["before"] != "Absent" && file["live"] != file["before"];
    for file in files.iter().filter(was) {
        let kept = file["before_image"].as_str().unwrap_or_else(|| panic!("no before-image: {file}"));
        let len = file["before"]["File"]["len"].as_u64();
        assert_eq!(fs::metadata(kept).ok().map(|m| m.len()), len, "{file}");
    }
    assert!(files.iter().any(|f| was(&f)), "{run:?}");
    assert_eq!(world.files(), before);
    let services = run.json["data"]["services"].as_array().unwrap();
    assert_eq!((&services[0]["was"], &services[0]["now"]), (&"running".into(), &"stopped".into()));
    let warned = run.json["warnings"].to_string();
    assert!(warned.contains("`First`") && warned.contains("`Second`"), "{run:?}");
    let start = services[0]["start"].as_str().unwrap();
    assert!(start.contains("ctl") && start.ends_with(" start first") && !start.contains('\''), "{start}");
}

#[test]
fn a_stop_command_that_outlives_the_run_is_waited_for() {
    for patience in [1, 120] {
        let world = World::small();
        world.write_site(
            &[("First", "first"), ("Second", "second")],
            &format!("timeouts: (stop: {patience}, start: 120, status: 120),"),
        );
        let before = world.files();
        world.services.kills("first", "stop");
        world.services.waits("first", "stop");
        world.rollback(&["--no-parent"]);
        assert!(world.services.runs("first"), "the stop goes on and has not done its work yet");
        if patience == 1 {
            let run = world.plain(&["recover"]).ends(21);
            assert_eq!(run.error_code(), "BKO-3002");
            assert!(run.json["error"].to_string().contains("still goes on"), "{run:?}");
            world.services.go_on("first");
        } else {
            let recover = Running::start(&mut world.command(&["recover", "--json"]));
            world.services.go_on("first");
            let run = recover.to_its_end().ends(0);
            assert_eq!(run.json["outcome"], "rolled-back");
        }
        // What is left of the stop may take longer than the run's patience: as long as it goes on nothing is settled.
        (0..120).find(|_| world.plain(&["recover"]).code != Some(21));
        world.plain(&["recover"]).ends(0);
        assert_eq!(world.files(), before);
        assert_eq!(world.running(), [true, true], "it would have been stopped behind our back");
    }
}

#[test]
fn a_changed_plan_is_not_acted_on() {
    let Some((world, _)) = killed::in_the_window() else { return };
    let plan = transaction(&world).join("plan.ron");
    let text = fs::read_to_string(&plan).unwrap();
    let changed = text.replace("a.conf", "x.conf");
    assert_ne!(changed, text);
    fs::write(&plan, changed).unwrap();
    let before = world.files();
    world.plain(&["recover"]).ends(22);
    assert_eq!(world.files(), before);
    fs::write(&plan, text).unwrap();
    world.plain(&["recover"]).ends(0);
}

#[test]
fn a_volume_that_is_not_there_is_waited_for() {
    let Some((world, _)) = killed::in_the_window() else { return };
    let (live, aside) = (world.home.join("live"), world.home.join("unplugged"));
    fs::rename(&live, &aside).unwrap();
    let before = world.files();
    let run = world.plain(&["recover"]).ends(21);
    assert!(run.json["error"].to_string().contains("mount"), "{run:?}");
    assert_eq!(world.files(), before);
    fs::create_dir(&live).unwrap();
    world.plain(&["recover"]).ends(21);
    fs::remove_dir(&live).unwrap();
    fs::rename(&aside, &live).unwrap();
    world.plain(&["recover"]).ends(0);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_second_undo_and_an_undo_by_id_say_what_is_wrong() {
    let world = World::small();
    let run = world.rollback(&[]).ends(0);
    let id = run.json["run_id"].as_str().unwrap().to_owned();
    let undo = world.plain(&["undo", &id]).ends(0);
    let again = |args: &[&str]| world.plain(args).ends(10);
    assert!(again(&["undo", &id]).json["error"].to_string().contains(undo.json["run_id"].as_str().unwrap()));
    again(&["undo"]);
    again(&["undo", "nonsense"]);
}
