//! Faults in the window that take a shell, a signal or `strace`: everything is put back as well.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use backout_e2e::{held, put_back, until_held, worker};
use backout_kit::{Run, World, process, strace};
use std::{
    fs,
    io::{self, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

#[test]
fn a_service_that_fails_to_start_on_the_new_files() {
    let world = World::small();
    let live = world.home.join("live/a.conf");
    world.services.hook("second", "start", &format!("grep -q old {} && exit 1", live.display()));
    let run = put_back(&world, &[]);
    assert!(run.json["error"].to_string().contains("Second"));
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_service_that_dies_right_after_its_start() {
    let world = World::small();
    world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (settle: 5, status: 120)");
    let live = world.home.join("live/a.conf");
    let fault = world.services.dir().join("second.die");
    let lines = format!("rm -f {0}; grep -q old {1} && touch {0}", fault.display(), live.display());
    world.services.hook("second", "start", &lines);
    put_back(&world, &[]);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_target_that_changes_before_it_is_armed() {
    let world = World::small();
    let live = world.home.join("live/b.conf");
    world.services.hook("first", "stop", &format!("printf drifted >{}", live.display()));
    let run = world.rollback(&[]).ends(20);
    assert!(run.json["error"].to_string().contains("b.conf"));
    assert_eq!(fs::read(&live).unwrap(), b"drifted", "what somebody wrote stays");
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"patched a");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_service_that_rewrites_its_own_file_before_the_health_check_fails() {
    let world = World::small();
    let live = world.home.join("live/b.conf");
    world.services.hook(
        "first",
        "start",
        &format!("grep -q old {0} && printf rewritten >{0}", live.display()),
    );
    world.services.hook(
        "second",
        "start",
        &format!("grep -q old {} && exit 1", world.home.join("live/a.conf").display()),
    );
    let run = world.rollback(&[]).ends(20);
    assert_eq!(fs::read(&live).unwrap(), b"patched b", "the before-image is back");
    let left = backout_kit::snapshot::leftovers(&world.home);
    assert_eq!(left.len(), 1, "{left:?}");
    let drift = fs::read_dir(format!("{}/drift", left[0])).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read(&drift).unwrap(), b"rewritten", "what the service wrote is kept");
    assert!(run.json["warnings"].to_string().contains("drift"), "{run:?}");
    assert_eq!(world.running(), [true, true]);
}

/// A process whose signals are looked at, where that can be done.
struct Heard {
    seen: PathBuf,
    strace: Option<Child>,
}

impl Heard {
    fn by(world: &World, process: u32) -> Self {
        let seen = world.path().join("heard");
        let mut command = Command::new("strace");
        command.args(["-qq", "-f", "-e", "trace=none", "-e", "signal=INT", "-o"]).arg(&seen);
        command.args(["-p", &process.to_string()]);
        let mut strace = strace::works().then(|| command.spawn().unwrap());
        while strace.as_mut().is_some_and(|s| s.try_wait().unwrap().is_none()) && !strace::is_traced(process)
        {
            std::thread::yield_now();
        }
        Self { seen, strace }
    }

    /// Until it has been interrupted.
    fn wait(self) {
        let Some(mut strace) = self.strace else { return };
        while !fs::read_to_string(&self.seen).is_ok_and(|text| text.contains("SIGINT")) {
            assert!(strace.try_wait().unwrap().is_none(), "it ended, and was not interrupted");
            std::thread::yield_now();
        }
        // What it traced goes on without it.
        process::signal(strace.id(), "-TERM");
        strace.wait().unwrap();
    }
}

#[test]
fn ctrl_c_in_the_window_puts_everything_back() {
    let world = World::small();
    let before = world.files();
    let run = held(&world, &[]);
    // A stop is never called off half-way: it ends once the worker has heard that it is to be the last.
    let heard = Heard::by(&world, worker(&world));
    process::signal(run.child.id(), "-INT");
    heard.wait();
    world.services.go_on("first");
    let run = run.to_its_end().ends(20);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn ctrl_c_is_heard_behind_a_full_pipe_that_nobody_reads() {
    let world = World::small();
    let before = world.files();
    let (mut read, mut full) = io::pipe().unwrap();
    full.write_all(&vec![b'\n'; rustix::pipe::fcntl_getpipe_size(&full).unwrap()]).unwrap();
    world.services.waits("first", "stop");
    let mut rollback = world.command(&["rollback", &world.profile, "--yes", "--json=stream"]);
    let mut parent = rollback.args(world.flags()).stdout(full).stderr(Stdio::null()).spawn().unwrap();
    // With it goes our copy of the pipe's other end.
    drop(rollback);
    until_held(&world, &mut parent);
    let heard = Heard::by(&world, worker(&world));
    process::signal(parent.id(), "-INT");
    heard.wait();
    world.services.go_on("first");
    let mut said = String::new();
    read.read_to_string(&mut said).unwrap();
    assert_eq!(parent.wait().unwrap().code(), Some(20), "{said}");
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&last["outcome"], &last["exit_code"]), (&"rolled-back".into(), &20.into()), "{said}");
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_hangup_changes_nothing() {
    let world = World::small();
    let run = held(&world, &[]);
    process::signal(run.child.id(), "-HUP");
    world.services.go_on("first");
    run.to_its_end().ends(0);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_time_out_in_the_window_puts_everything_back() {
    // The time must be enough to come as far as the window: on a slow machine more of it.
    for seconds in [2_u64, 8, 32, 128] {
        let world = World::small();
        let before = world.files();
        world.services.hook("first", "stop", &format!("touch $dir/in-the-window; sleep {}", seconds + 1));
        let run = world.rollback(&["--timeout", &seconds.to_string()]);
        assert_eq!(world.files(), before);
        assert_eq!(world.running(), [true, true]);
        if world.services.dir().join("in-the-window").exists() {
            run.ends(20);
            return;
        }
    }
    panic!("no run came as far as its window");
}

#[test]
fn a_killed_run_is_open_until_recover_settles_it() {
    let world = World::small();
    let before = world.files();
    let mut run = held(&world, &["--no-parent"]);
    world.verb("plan", &[]).ends(11);
    process::kill(run.child.id());
    run.child.wait().unwrap();
    world.services.go_on("first");
    world.plain(&["status"]).ends(21);
    world.verb("plan", &[]).ends(21);
    let doctor = world.verb("doctor", &[]).ends(31);
    assert!(doctor.json["data"]["problems"].to_string().contains("BKO-3001"), "{doctor:?}");
    let refused = world.rollback(&[]).ends(21);
    assert_eq!(refused.json["outcome"], "unfinished");
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(world.files(), before);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_rename_that_fails_half_way_puts_everything_back() {
    if !strace::works() {
        return;
    }
    let world = World::small();
    let before = world.files();
    let plain = world.verb_command("rollback", &["--no-parent"]);
    let mut failed = 0;
    for n in 1..=8 {
        let run = Run::of(&strace::injected(&plain, "renameat2", "error=EIO", n).output().unwrap());
        match run.code {
            Some(20) => {
                failed += 1;
                assert_eq!(world.files(), before, "rename no. {n}");
            }
            Some(0) => {
                world.plain(&["undo"]).ends(0);
            }
            Some(10) => assert_eq!(world.files(), before, "rename no. {n}"),
            _ => panic!("rename no. {n}: {run:?}"),
        }
        assert_eq!(world.running(), [true, true], "rename no. {n}");
        world.plain(&["status"]).ends(0);
    }
    assert!(failed > 0, "no rename of the window was hit");
}

#[test]
fn a_service_that_somebody_starts_while_another_stops_is_stopped_again() {
    let world = World::small();
    // A watchdog: the service that is down already is up again before the last one is down.
    world.services.hook("second", "stop", "\"$dir/ctl\" start first");
    world.rollback(&[]).ends(0);
    let expected = ["stop first", "stop second", "start first", "stop first", "start first", "start second"];
    assert_eq!(world.services.log(), expected);
    assert_eq!(world.running(), [true, true]);
}
