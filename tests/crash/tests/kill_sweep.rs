//! The real binary is killed at every system call of a run that touches files, one call at a time; then `recover`.
//! The oracle accepts exactly two results: every file old or every file new; and in both, every service that ran runs.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test: makes files, stops at the first surprise, prints its figures"
)]

use backout_kit::{Snapshot, World, snapshot};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// Every system call by which the binary touches files. Those a run does not make cost nothing.
const CALLS: [&str; 34] = [
    "openat",
    "openat2",
    "open",
    "creat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlinkat",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "copy_file_range",
    "sendfile",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "syncfs",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "utimensat",
    "fsetxattr",
    "flock",
    "ioctl",
];

/// What is swept.
struct Sweep {
    verb: &'static str,
    /// The number of kills, and how the runs ended.
    points: u64,
    old: u64,
    new: u64,
}

fn have_strace() -> bool {
    let works =
        Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        assert!(std::env::var_os("CI").is_none(), "CI needs strace, and it does not work here");
        eprintln!("skipped: strace does not work here");
    }
    works
}

/// The command under strace: only the binary's own first thread is traced, never the services it starts.
fn under_strace(command: &Command, options: &[String]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(options).arg("--").arg(command.get_program()).args(command.get_args());
    traced.stdin(std::process::Stdio::null());
    traced
}

/// How often each call is made.
fn count(command: &Command) -> BTreeMap<&'static str, u64> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let filter = format!("trace={}", CALLS.map(|c| format!("?{c}")).join(","));
    let options = ["-qq", "-o", log.path().to_str().unwrap(), "-e", &filter].map(str::to_owned);
    let run = under_strace(command, &options).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = fs::read_to_string(log.path()).unwrap();
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let name = line.split('(').next().unwrap_or("");
        if let Some(call) = CALLS.iter().find(|c| **c == name) {
            *counts.entry(*call).or_insert(0) += 1;
        }
    }
    counts
}

/// A world in the state before the swept verb, and the two snapshots that may come out.
fn before(verb: &str) -> (World, Snapshot, Snapshot) {
    let world = World::small();
    let old = world.files();
    if verb == "rollback" {
        return (world, old, Snapshot::new());
    }
    world.rollback(&[]).ends(0);
    let rolled = world.files();
    (world, rolled, old)
}

fn command(world: &World, verb: &str) -> Command {
    if verb == "rollback" {
        return world.verb_command("rollback", &[]);
    }
    let mut command = world.command(&["undo", "--yes", "--json"]);
    command.args(["--jobs", "1"]);
    command
}

/// What the verb makes of a world when nothing goes wrong.
fn after(verb: &str) -> Snapshot {
    let (world, ..) = before(verb);
    assert!(command(&world, verb).output().unwrap().status.success());
    world.files()
}

fn sweep(verb: &'static str) -> Sweep {
    let (probe, ..) = before(verb);
    let counts = count(&command(&probe, verb));
    drop(probe);
    let new = after(verb);
    let mut sweep = Sweep { verb, points: 0, old: 0, new: 0 };
    for (call, count) in &counts {
        for n in 1..=*count {
            die_at(&mut sweep, call, n, &new);
        }
    }
    eprintln!(
        "{}: {} kills, {} ended old, {} ended new; {counts:?}",
        sweep.verb, sweep.points, sweep.old, sweep.new
    );
    sweep
}

fn die_at(sweep: &mut Sweep, call: &str, n: u64, new: &Snapshot) {
    let (world, old, _) = before(sweep.verb);
    let at = format!("{} killed at {call} no. {n}", sweep.verb);
    let inject = format!("inject={call}:signal=KILL:when={n}");
    let trace = format!("trace={call}");
    let options = ["-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned);
    let run = under_strace(&command(&world, sweep.verb), &options).output().unwrap();
    let killed = !run.status.success();
    sweep.points += 1;
    let recovered = world.plain(&["recover"]);
    assert!(recovered.code == Some(0), "{at}: {recovered:?}");
    let files = world.files();
    let is_new = same(&files, new);
    let is_old = same(&files, &old);
    assert!(is_old || is_new, "{at}: a mixture\n{}", snapshot::differences(&files, &old).join("\n"));
    assert!(killed || is_new, "{at}: not killed, and yet old");
    assert!(world.running().iter().all(|r| *r), "{at}: a service that ran does not run");
    let again = world.plain(&["recover"]);
    assert_eq!(again.json["outcome"], "nothing-to-do", "{at}: {again:?}");
    assert!(same(&world.files(), &files), "{at}: a second recover changed something");
    assert_eq!(world.plain(&["status"]).code, Some(0), "{at}");
    leftovers_belong(&world, is_old && sweep.verb == "rollback", &at);
    if is_old { sweep.old += 1 } else { sweep.new += 1 }
}

/// Staged files get the times of their sources and the rest of the live file, so whole entries are compared.
fn same(a: &Snapshot, b: &Snapshot) -> bool {
    a == b
}

/// After the old state nothing may be left; after the new one only what a finished run keeps.
fn leftovers_belong(world: &World, none: bool, at: &str) {
    let left = snapshot::leftovers(&world.home);
    assert!(!none || left.is_empty(), "{at}: {left:?}");
    for folder in left {
        let id = Path::new(&folder)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_start_matches(".backout-")
            .to_owned();
        assert!(
            world.state.join("history").join(&id).join("journal").is_file(),
            "{at}: {folder} without its journal"
        );
    }
    let open = fs::read_dir(world.state.join("transactions")).map(|d| d.count()).unwrap_or(0);
    assert_eq!(open, 0, "{at}: transactions left");
}

#[test]
fn a_rollback_killed_at_any_system_call_ends_old_or_new() {
    if have_strace() {
        let sweep = sweep("rollback");
        assert!(sweep.points > 100 && sweep.old > 0 && sweep.new > 0);
    }
}

#[test]
fn an_undo_killed_at_any_system_call_ends_old_or_new() {
    if have_strace() {
        let sweep = sweep("undo");
        assert!(sweep.points > 100 && sweep.old > 0 && sweep.new > 0);
    }
}
