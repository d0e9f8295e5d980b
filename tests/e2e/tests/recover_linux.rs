//! Recovery of runs that were killed at a system call, and what takes mode bits.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::transaction;
use backout_kit::{World, killed, snapshot, strace};
use std::fs;

#[test]
fn a_run_killed_in_the_swap_is_carried_to_its_end() {
    let Some((world, _)) = killed::in_the_swap(3) else { return };
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "completed");
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
    assert_eq!(world.running(), [true, true]);
    world.plain(&["undo"]).ends(0);
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"patched a");
}

#[test]
fn services_that_boot_started_on_a_mixture_are_stopped_first() {
    let Some((world, _)) = killed::in_the_swap(3) else { return };
    world.services.ctl("start", "first");
    world.services.ctl("start", "second");
    world.services.clear_log();
    world.plain(&["recover"]).ends(0);
    assert_eq!(world.services.log(), ["stop first", "stop second", "start first", "start second"]);
}

#[test]
fn a_file_that_somebody_changed_after_the_crash_turns_the_run_back() {
    let Some((world, before)) = killed::in_the_swap(2) else { return };
    // Swaps are done in order, so the last file of the plan is not swapped yet.
    let drifted = world.home.join("live/sub/c.conf");
    fs::write(&drifted, "somebody was here").unwrap();
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert!(run.json["warnings"].to_string().contains("c.conf"), "{run:?}");
    assert_eq!(fs::read(&drifted).unwrap(), b"somebody was here", "what was never swapped stays as it is");
    let differ = snapshot::differences(&before, &world.files());
    assert!(differ.len() == 1 && differ[0].starts_with("live/sub/c.conf"), "{differ:?}");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_program_that_others_may_change_is_not_run_by_a_recovery() {
    use std::os::unix::fs::PermissionsExt;
    let Some((world, _)) = killed::in_the_swap(3) else { return };
    let ctl = world.services.dir().join("ctl");
    fs::set_permissions(&ctl, fs::Permissions::from_mode(0o777)).unwrap();
    world.services.clear_log();
    world.plain(&["recover"]).ends(22);
    assert!(world.services.log().is_empty());
    fs::set_permissions(&ctl, fs::Permissions::from_mode(0o755)).unwrap();
    world.plain(&["recover"]).ends(0);
}

#[test]
fn a_run_without_a_record_whose_product_is_gone_keeps_nobody_from_working() {
    let world = World::small();
    // The first write of the journal preallocates it, the second is its first record.
    if !killed::at(&world, "pwrite64", 2) {
        return;
    }
    let left = transaction(&world);
    assert!(left.join("plan.ron").exists());
    assert!(!fs::read_to_string(left.join("journal")).unwrap_or_default().contains("Begin"));
    let away = world.path().join("away");
    fs::rename(&world.home, &away).unwrap();
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "nothing-to-do");
    world.plain(&["history", "prune"]).ends(0);
    fs::rename(&away, &world.home).unwrap();
    world.rollback(&[]).ends(0);
    assert!(!left.exists());
}

#[test]
fn giving_up_says_of_each_service_what_it_was() {
    let world = World::small();
    assert_eq!(world.services.ctl("stop", "second"), 0);
    if !killed::at(&world, "renameat2", 3) {
        return;
    }
    let run = world.plain(&["recover", "--abandon"]).ends(0);
    let services = run.json["data"]["services"].as_array().unwrap().iter();
    let were: Vec<_> =
        services.map(|s| (s["service"].as_str().unwrap(), s["was"].as_str().unwrap())).collect();
    assert_eq!(were, [("First", "running"), ("Second", "stopped")]);
}

/// A folder of an open run is a symbolic link that leads out of the product. Each recovery says what to do, and nothing comes
/// of it; with the folder back the run is settled.
fn waits_for_its_folder(world: &World, folder: &str, code: i32) {
    let (there, away) = (world.home.join(folder), world.home.join("away"));
    fs::rename(&there, &away).unwrap();
    let outside = world.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("e.conf"), "not the product's").unwrap();
    std::os::unix::fs::symlink(&outside, &there).unwrap();
    for _ in 0..2 {
        let run = world.plain(&["recover"]).ends(code);
        let said = |part: &str| run.json["error"][part].as_str().unwrap().to_owned();
        let (message, help) = (said("message"), said("help"));
        assert!(message.contains(folder) && message.contains("symbolic link"), "{message}");
        assert!(message.contains("lost"), "{message}");
        assert!(help.contains(&format!("{folder}`")) && help.contains("take the link away"), "{help}");
        assert!(help.contains("`backout recover`"), "{help}");
        assert_eq!(run.json["changed"], true);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(outside.join("e.conf")).unwrap(), "not the product's");
    }
    fs::remove_file(&there).unwrap();
    fs::rename(&away, &there).unwrap();
    world.plain(&["recover"]).ends(0);
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
}

#[test]
fn a_folder_that_became_a_link_is_named_with_what_to_do_and_nothing_is_lost() {
    let Some((world, _)) = killed::in_the_swap(3) else { return };
    waits_for_its_folder(&world, "live/sub", 21);
}

#[test]
fn so_is_one_that_goes_away_and_holds_no_staged_files_of_its_own() {
    let world = World::small();
    world.rollback(&["--no-parent"]).ends(0);
    let old = world.files();
    let undo = world.command(&["undo", "--yes", "--json", "--no-parent"]);
    if !strace::works() {
        return;
    }
    assert!(!strace::injected(&undo, "renameat2", "signal=KILL", 1).output().unwrap().status.success());
    waits_for_its_folder(&world, "live/new", 22);
    assert!(snapshot::differences(&old, &world.files()).is_empty(), "it went back");
}
