//! Recovery where more went wrong than a crash.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, Snapshot, World, snapshot};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A rollback killed at its `n`th exchange of names: `Armed` is on record, some files are new and some old. `None`:
/// strace does not work here.
fn killed_in_the_swap(n: u32) -> Option<(World, Snapshot)> {
    let works =
        Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        assert!(std::env::var_os("CI").is_none(), "CI needs strace");
        return None;
    }
    let world = World::small();
    let before = world.files();
    let plain = world.verb_command("rollback", &["--no-parent"]);
    let inject = format!("inject=renameat2:signal=KILL:when={n}");
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e", &inject, "--"]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    assert!(!command.output().unwrap().status.success(), "it was to be killed");
    assert_eq!(world.running(), [false, false], "killed inside the window");
    world.plain(&["status"]).ends(21);
    Some((world, before))
}

fn transaction(world: &World) -> PathBuf {
    fs::read_dir(world.state.join("transactions")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_run_killed_in_the_swap_is_carried_to_its_end() {
    let Some((world, _)) = killed_in_the_swap(3) else { return };
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "completed");
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
    assert_eq!(world.running(), [true, true]);
    world.plain(&["undo"]).ends(0);
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"patched a");
}

#[test]
fn services_that_boot_started_on_a_mixture_are_stopped_first() {
    let Some((world, _)) = killed_in_the_swap(3) else { return };
    world.services.ctl("start", "first");
    world.services.ctl("start", "second");
    world.services.clear_log();
    world.plain(&["recover"]).ends(0);
    assert_eq!(world.services.log(), ["stop first", "stop second", "start first", "start second"]);
}

#[test]
fn a_file_that_somebody_changed_after_the_crash_turns_the_run_back() {
    let Some((world, before)) = killed_in_the_swap(2) else { return };
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
fn a_damaged_journal_is_left_alone_and_can_be_given_up() {
    let Some((world, _)) = killed_in_the_swap(3) else { return };
    let journal = transaction(&world).join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[40] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let before = world.files();
    let run = world.plain(&["recover"]).ends(22);
    assert!(run.json["error"].to_string().contains("journal"), "{run:?}");
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
        let Some((world, _)) = killed_in_the_swap(3) else { return };
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
fn giving_up_lists_every_file_with_its_digests() {
    let Some((world, _)) = killed_in_the_swap(3) else { return };
    let before = world.files();
    let run = world.plain(&["recover", "--abandon"]).ends(0);
    assert!(run.json["data"]["files"].as_array().unwrap().len() >= 4, "{run:?}");
    assert_eq!(world.files(), before);
    let services = run.json["data"]["services"].as_array().unwrap();
    assert_eq!((&services[0]["was"], &services[0]["now"]), (&"running".into(), &"stopped".into()));
    let warned = run.json["warnings"].to_string();
    assert!(
        warned.contains("`First`") && warned.contains("`Second`") && warned.contains("ctl start"),
        "{run:?}"
    );
}

#[test]
fn a_stop_command_that_outlives_the_run_is_waited_for() {
    for patience in [1, 20] {
        let world = World::small();
        world.write_site(
            &[("First", "first"), ("Second", "second")],
            &format!("timeouts: (stop: {patience}),"),
        );
        let before = world.files();
        let go = world.path().join("go");
        let wait = format!("kill -KILL $PPID; while [ ! -e '{}' ]; do sleep 0.01; done", go.display());
        world.services.hook("first", "stop", &wait);
        let killed = world.rollback(&["--no-parent"]);
        assert_eq!(killed.code, None, "{killed:?}");
        assert!(world.services.runs("first"), "the stop goes on and has not done its work yet");
        if patience == 1 {
            let run = world.plain(&["recover"]).ends(21);
            assert_eq!(run.error_code(), "BKO-3002");
            assert!(run.json["error"].to_string().contains("still goes on"), "{run:?}");
            fs::write(&go, "").unwrap();
        } else {
            let recover = world.command(&["recover", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
            fs::write(&go, "").unwrap();
            let run = Run::of(&recover.wait_with_output().unwrap()).ends(0);
            assert_eq!(run.json["outcome"], "rolled-back");
        }
        world.plain(&["recover"]).ends(0);
        assert_eq!(world.files(), before);
        assert_eq!(world.running(), [true, true], "it would have been stopped behind our back");
    }
}

#[test]
fn a_changed_plan_is_not_acted_on() {
    let Some((world, _)) = killed_in_the_swap(3) else { return };
    let plan = transaction(&world).join("plan.ron");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace("live/a.conf", "live/x.conf")).unwrap();
    let before = world.files();
    world.plain(&["recover"]).ends(22);
    assert_eq!(world.files(), before);
    fs::write(&plan, text).unwrap();
    world.plain(&["recover"]).ends(0);
}

#[test]
fn a_volume_that_is_not_there_is_waited_for() {
    let Some((world, _)) = killed_in_the_swap(3) else { return };
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
fn a_program_that_others_may_change_is_not_run_by_a_recovery() {
    use std::os::unix::fs::PermissionsExt;
    let Some((world, _)) = killed_in_the_swap(3) else { return };
    let ctl = world.services.dir().join("ctl");
    fs::set_permissions(&ctl, fs::Permissions::from_mode(0o777)).unwrap();
    world.services.clear_log();
    world.plain(&["recover"]).ends(22);
    assert!(world.services.log().is_empty());
    fs::set_permissions(&ctl, fs::Permissions::from_mode(0o755)).unwrap();
    world.plain(&["recover"]).ends(0);
}

#[test]
fn a_second_undo_and_an_undo_by_id_say_what_is_wrong() {
    let world = World::small();
    let run = world.rollback(&[]).ends(0);
    let id = run.json["run_id"].as_str().unwrap().to_owned();
    let undo = world.plain(&["undo", &id]).ends(0);
    let again =
        |args: &[&str]| Run::of(&world.command(args).arg("--yes").arg("--json").output().unwrap()).ends(10);
    assert!(again(&["undo", &id]).json["error"].to_string().contains(undo.json["run_id"].as_str().unwrap()));
    again(&["undo"]);
    again(&["undo", "nonsense"]);
}

#[test]
fn a_run_without_a_record_whose_product_is_gone_keeps_nobody_from_working() {
    let world = World::small();
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI needs strace");
        return;
    }
    let plain = world.verb_command("rollback", &["--no-parent"]);
    let mut command = Command::new("strace");
    // The first write of the journal preallocates it, the second is its first record.
    let inject = "inject=pwrite64:signal=KILL:when=2";
    command.args(["-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", inject, "--"]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    assert!(!command.output().unwrap().status.success(), "it was to be killed");
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
