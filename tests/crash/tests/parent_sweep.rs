//! The process that carries a run out is killed at every system call by which something becomes durable; its parent
//! settles the run, prints one result, and ends with the code that is true.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and prints its figures"
)]

use backout_crash::{Verb, drawn, have_strace, promise::broken, promised, shard, tally};
use backout_kit::{Run, World, process, snapshot, strace};
use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Calls by which something becomes durable, or is told.
const CALLS: [&str; 9] =
    ["mkdirat", "write", "pwrite64", "fsync", "syncfs", "renameat", "renameat2", "unlinkat", "flock"];

/// So many of them are taken in a day.
const POINTS: usize = 70;
/// How often what is waited for is looked at: a processor that only looks is one that the run has not.
const LOOK: Duration = Duration::from_millis(1);

/// The state folder's lock, taken by this process: whoever wants it waits.
fn take_lock(world: &World) -> fs::File {
    world.plain(&["history", "prune"]).ends(0);
    fs::create_dir_all(&world.state).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&world.state, fs::Permissions::from_mode(0o700)).unwrap();
    let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(world.state.join("lock"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    lock
}

/// The process that carries the run of `parent` out, once it is there.
fn worker(parent: &mut Child) -> String {
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    loop {
        assert!(parent.try_wait().unwrap().is_none(), "the run ended early");
        let pid = fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
        if !pid.is_empty() {
            return pid;
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until the tracer has the worker. One that was killed before we saw that has been traced too: then its tracer has
/// ended behind it.
fn until_traced(pid: u32, strace: &mut Child) {
    let status = format!("/proc/{pid}/status");
    // Its first thread is the one that is traced.
    let traced = |status: String| !status.contains("TracerPid:\t0\n");
    while !fs::read_to_string(&status).is_ok_and(traced) {
        if let Some(ended) = strace.try_wait().unwrap() {
            assert!(!process::is_there(pid), "strace did not attach: {ended}");
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// Runs the verb and kills its worker at the `n`th call of `call`.
fn killed(verb: Verb, world: &World, call: &str, n: u64) -> Run {
    let lock = take_lock(world);
    let mut command = match verb {
        Verb::Rollback => world.verb_command("rollback", &[]),
        Verb::Undo => world.command(&["undo", "--yes", "--json"]),
    };
    command.args(["--lock-timeout", "600"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parent = command.spawn().unwrap();
    let pid = worker(&mut parent);
    let (trace, kill) = (format!("trace={call}"), strace::injection(call, "signal=KILL", n));
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o", "/dev/null", "-e", &trace, "-e", &kill, "-p", &pid]);
    let mut strace = strace.stderr(Stdio::null()).spawn().unwrap();
    until_traced(pid.parse().unwrap(), &mut strace);
    drop(lock);
    let run = Run::of(&parent.wait_with_output().unwrap());
    let _ = strace.kill();
    strace.wait().unwrap();
    run
}

fn sweep(verb: Verb) {
    if !have_strace() {
        return;
    }
    let (calls, new) = (verb.calls(), verb.after());
    let points = calls.iter().filter(|(call, _)| CALLS.contains(call));
    let points = points.flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n))).collect();
    let codes = shard::over(drawn(points, POINTS), |(call, n)| {
        let (world, old) = verb.before();
        let at = format!("{verb:?}, worker killed at {call} no. {n}");
        let run = killed(verb, &world, call, n);
        let code = run.code.unwrap_or(-1);
        let results = run.stdout.lines().count();
        promised!(results == 1 && run.json["exit_code"] == code, "{at}: {run:?}");
        let expected = match code {
            0 => &new,
            10 | 20 => &old,
            _ => broken(format_args!("{at}: {run:?}")),
        };
        let files = world.files();
        let differ = snapshot::differences(&files, expected);
        promised!(differ.is_empty(), "{at}: ended {code}\n{}", differ.join("\n"));
        promised!(world.running().iter().all(|r| *r), "{at}: a service that ran does not run");
        let status = world.plain(&["status"]);
        promised!(status.code == Some(0), "{at}: {status:?}");
        let again = world.plain(&["recover"]);
        promised!(again.json["outcome"] == "nothing-to-do", "{at}: {again:?}");
        code
    });
    let mut ends: BTreeMap<i32, u64> = BTreeMap::new();
    for code in codes {
        *ends.entry(code).or_insert(0) += 1;
    }
    tally::add("kills", ends.values().sum());
    eprintln!("{verb:?}: workers killed, by exit code: {ends:?}; 0 violations");
    assert!(ends.contains_key(&0) && ends.contains_key(&20), "{ends:?}");
}

#[test]
fn a_rollback_whose_process_is_killed_is_settled_by_its_parent() {
    sweep(Verb::Rollback);
}

#[test]
fn an_undo_whose_process_is_killed_is_settled_by_its_parent() {
    sweep(Verb::Undo);
}
