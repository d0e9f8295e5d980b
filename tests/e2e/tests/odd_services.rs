//! Services that are not simply up or down: broken by the patch, at work, come up meanwhile, half gone, half started.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Machine, Run, World};
use std::{
    fs,
    process::{Command, Stdio},
};

fn machine() -> Option<Machine> {
    let mut machine = Machine::off()?;
    machine.boot();
    machine.systemctl(&["start", "second"]);
    Some(machine)
}

/// `rollback` under strace, which does `inject` to it.
fn traced(machine: &Machine, call: &str, inject: &str) -> Command {
    let at = |name: &str| machine.path().join(name).to_str().unwrap().to_owned();
    let mut command = machine.command("strace", &["-qq", "-o", "/dev/null"]);
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{inject}"), "--"]);
    command.args([&at("backout"), "rollback", &at("small.ron"), "--site", &at("site.ron")]);
    command.args(["--plugin-dir", &at("plugins"), "--json", "--yes", "--no-parent"]);
    command.args(["--state-dir", &at("state")]);
    command
}

/// A service that the patch has broken: systemd starts it over and over.
fn broken_by_the_patch(machine: &mut Machine) {
    let at = machine.path().display().to_string();
    let ill =
        format!("ExecStartPre=/bin/grep -q old {at}/home/live/a.conf\nRestart=always\nRestartSec=600\n");
    machine.unit("second.service", &machine.service_unit("second", "", &ill));
    machine.boot();
    machine.systemctl(&["start", "--no-block", "second"]);
    while machine.systemctl(&["show", "-p", "SubState", "--value", "second"]) != "auto-restart" {
        std::thread::yield_now();
    }
}

#[test]
fn a_service_that_the_patch_broke_does_not_keep_a_failed_rollback_from_being_put_back() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let at = machine.path().display();
    let picky = format!("ExecStartPre=/bin/grep -q patched {at}/home/live/a.conf\n");
    machine.unit("first.service", &machine.service_unit("first", "DefaultDependencies=no\n", &picky));
    broken_by_the_patch(&mut machine);
    let before = machine.files();
    let run = machine.backout(&["rollback"]);
    assert_eq!(machine.files(), before);
    // It was restarting before, and is restarting now.
    assert_eq!(machine.systemctl(&["show", "-p", "SubState", "--value", "second"]), "auto-restart");
    run.ends(20);
    machine.backout(&["status"]).ends(0);
}

#[test]
fn the_same_where_no_file_was_touched() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let at = machine.path().display();
    let drift = format!("ExecStopPost=/bin/sh -c 'echo drifted >{at}/home/live/b.conf'\n");
    machine.unit("first.service", &machine.service_unit("first", "DefaultDependencies=no\n", &drift));
    broken_by_the_patch(&mut machine);
    machine.backout(&["rollback"]).ends(20);
    machine.backout(&["status"]).ends(0);
}

#[test]
fn a_job_that_needs_the_service_and_is_just_at_work_does_not_fail_the_rollback() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let needs = "Requires=first.service\nAfter=first.service\n";
    // However late we look: what it has said stays.
    let work =
        format!("Type=oneshot\nExecStart=/bin/sh -c 'touch {}/at-work; sleep 4'\n", machine.path().display());
    machine.unit("job.service", &format!("[Unit]\n{needs}[Service]\n{work}"));
    machine.boot();
    machine.systemctl(&["start", "second"]);
    machine.systemctl(&["start", "--no-block", "job"]);
    while !machine.path().join("at-work").exists() {
        std::thread::yield_now();
    }
    // Done, or refused before anything is stopped: both are sound. Not 22.
    let run = machine.backout(&["rollback"]);
    assert!(matches!(run.code, Some(0 | 10)), "{run:?}");
    machine.backout(&["status"]).ends(0);
}

#[test]
fn a_dependent_that_came_up_after_the_plan_was_made_runs_again_too() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let needs = "Requires=first.service\nAfter=first.service\n";
    machine.unit("third.service", &machine.service_unit("third", needs, ""));
    machine.boot();
    machine.systemctl(&["start", "second"]);
    // It stops itself behind its plan, and goes on when it is told to.
    let mut held = traced(&machine, "syncfs", "signal=STOP:when=1");
    let mut run = held.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ours = |name: &std::ffi::OsStr| name.to_str().unwrap().starts_with(".backout-");
    while !fs::read_dir(machine.home.join("live")).unwrap().flatten().any(|e| ours(&e.file_name())) {
        assert!(run.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    machine.systemctl(&["start", "third"]);
    assert!(machine.runs("third"));
    while run.try_wait().unwrap().is_none() {
        // Whoever has not stopped yet does not hear it: again.
        machine.command("sh", &["-c", "kill -CONT -1"]).output().unwrap();
    }
    let run = Run::of(&run.wait_with_output().unwrap());
    assert!(matches!(run.code, Some(0 | 10)), "{run:?}");
    assert!(machine.runs("first") && machine.runs("second"));
    assert!(machine.runs("third"), "it ran before the first stop");
}

#[test]
fn what_a_stopped_service_has_left_running_sees_no_mixture() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let at = machine.path().display();
    let leave = format!("KillMode=process\nExecStart=/bin/sh -c '{at}/service {at} second & sleep 0.3'\n");
    machine.unit("second.service", &format!("[Service]\n{leave}"));
    machine.boot();
    machine.systemctl(&["start", "second"]);
    while machine.runs("second") {
        std::thread::yield_now();
    }
    traced(&machine, "renameat2", "delay_enter=100000").output().unwrap();
    assert!(!machine.seen().iter().any(|s| s.ends_with("mixed")), "{:?}", machine.seen());
}

#[test]
fn a_start_that_outlives_its_worker_is_not_given_once_more_beside_it() {
    let world = World::small();
    let lines = "if [ ! -e $dir/once ]; then touch $dir/once $dir/busy; kill -KILL $PPID; sleep 2; rm -f $dir/busy; \
                 elif [ -e $dir/busy ]; then echo 'another start is under way'; exit 1; fi";
    world.services.hook("first", "start", lines);
    world.rollback(&[]).ends(0);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn an_undo_of_what_somebody_has_put_back_already_stops_nothing() {
    let world = World::small();
    let copy = world.path().join("copy");
    let cp = |from: &std::path::Path, to: &std::path::Path| {
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    cp(&world.home, &copy);
    world.rollback(&[]).ends(0);
    for file in ["live/a.conf", "live/b.conf", "live/sub/c.conf"] {
        fs::copy(copy.join(file), world.home.join(file)).unwrap();
    }
    fs::remove_file(world.home.join("live/gone.conf")).unwrap();
    fs::remove_dir_all(world.home.join("live/new")).unwrap();
    cp(&copy.join("backup"), &world.home);
    world.services.clear_log();
    let undo = world.plain(&["undo"]).ends(0);
    assert!(world.services.log().is_empty(), "{:?}", world.services.log());
    assert_eq!(undo.json["changed"], false);
}
