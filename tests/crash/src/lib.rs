//! What the sweeps share: the binary under strace, worlds before and after a verb, and the oracle.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test support: stops at the first surprise, prints its figures"
)]

pub mod damage;
pub mod guarded;
pub mod power;
pub mod promise;
pub mod seeds;
pub mod shard;
pub mod tally;

pub use backout_kit::strace::works as have_strace;

use backout_kit::{Snapshot, World, seed, snapshot, strace};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Every system call by which the binary touches files. Those a run does not make cost nothing.
pub const CALLS: [&str; 35] = [
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
    "fremovexattr",
    "flock",
    "ioctl",
];

/// The verbs that are swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `rollback` of a patched product.
    Rollback,
    /// `undo` of that rollback.
    Undo,
}

impl Verb {
    /// A world in the state before the verb, and its files.
    pub fn before(self) -> (World, Snapshot) {
        let world = World::small();
        if self == Verb::Undo {
            world.rollback(&["--no-parent"]).ends(0);
        }
        let files = world.files();
        (world, files)
    }

    /// What the verb makes of a world when nothing goes wrong.
    pub fn after(self) -> Snapshot {
        let (world, _) = self.before();
        assert!(self.command(&world).output().unwrap().status.success());
        world.files()
    }

    /// The verb as a command.
    pub fn command(self, world: &World) -> Command {
        match self {
            Verb::Rollback => world.verb_command("rollback", &["--no-parent"]),
            Verb::Undo => world.command(&["undo", "--yes", "--json", "--jobs", "1", "--no-parent"]),
        }
    }

    /// How often each call is made.
    pub fn calls(self) -> BTreeMap<&'static str, u64> {
        self.calls_in(&self.before().0)
    }

    /// The same in a world that is ready for it, and is behind it afterwards.
    pub fn calls_in(self, world: &World) -> BTreeMap<&'static str, u64> {
        calls(&self.command(world), world.path())
    }

    /// A world in which the verb was killed at the `n`th call of `call`, and its files before. `None`: there is no such call.
    pub fn killed(self, call: &str, n: u64) -> Option<(World, Snapshot)> {
        let (world, old) = self.before();
        let run = self.injected(&world, call, "signal=KILL", n);
        (!run.status.success()).then_some((world, old))
    }

    /// Runs the verb with `what` done to the `n`th call of `call`, counted from 1.
    pub fn injected(self, world: &World, call: &str, what: &str, n: u64) -> Output {
        strace::injected(&self.command(world), call, what, n).output().unwrap()
    }
}

/// How often each call is made by a command that does well; its log goes into `folder`.
pub fn calls(command: &Command, folder: &Path) -> BTreeMap<&'static str, u64> {
    let log = folder.join("strace");
    let filter = format!("trace={}", CALLS.map(|c| format!("?{c}")).join(","));
    let run = strace::under(command, &["-o", log.to_str().unwrap(), "-e", &filter]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let name = line.split('(').next().unwrap_or("");
        if let Some(call) = CALLS.iter().find(|c| **c == name) {
            *counts.entry(*call).or_insert(0) += 1;
        }
    }
    counts
}

/// `recover`, with nobody to settle it if it dies.
pub fn recover(world: &World) -> Command {
    world.command(&["recover", "--json", "--jobs", "1", "--no-parent"])
}

/// A folder and every name below it; links are not followed.
pub fn tree(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path()).collect()
}

/// Whether everything is to be taken that is drawn from otherwise.
pub fn is_whole() -> bool {
    std::env::var_os("BACKOUT_WHOLE").is_some()
}

/// Of so many points at most so many, evenly apart; with each seed others. `BACKOUT_WHOLE` takes all of them.
pub fn drawn<T>(points: Vec<T>, most: usize) -> Vec<T> {
    if is_whole() || points.len() <= most {
        return points;
    }
    let step = points.len().div_ceil(most);
    let seed = seed();
    eprintln!("of {} points every {step}th; BACKOUT_SEED={seed}", points.len());
    let first = usize::try_from(seed).unwrap_or_default() % step;
    points.into_iter().skip(first).step_by(step).collect()
}

/// How a world ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Every file is as before.
    Old,
    /// Every file is as the verb makes it.
    New,
}

/// Recovers, and accepts exactly two results: every file old or every file new; and in both every service runs, a
/// second recovery changes nothing, and nothing is left but what a finished run keeps.
pub fn settled(world: &World, old: &Snapshot, new: &Snapshot, at: &str) -> Side {
    let recovered = world.plain(&["recover"]);
    promised!(recovered.code == Some(0), "{at}: {recovered:?}");
    let files = world.files();
    let side = match (files == *old, files == *new) {
        (true, _) => Side::Old,
        (_, true) => Side::New,
        _ => promise::broken(format_args!(
            "{at}: a mixture\n{}",
            snapshot::differences(&files, old).join("\n")
        )),
    };
    promised!(world.running().iter().all(|r| *r), "{at}: a service that ran does not run");
    let again = world.plain(&["recover"]);
    promised!(again.json["outcome"] == "nothing-to-do", "{at}: {again:?}");
    promised!(world.files() == files, "{at}: a second recover changed something");
    let status = world.plain(&["status"]);
    promised!(status.code == Some(0), "{at}: {status:?}");
    for folder in snapshot::leftovers(&world.home) {
        let id = Path::new(&folder)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_start_matches(".backout-")
            .to_owned();
        promised!(
            world.state.join("history").join(&id).join("journal").is_file(),
            "{at}: {folder} without its journal"
        );
    }
    let open = fs::read_dir(world.state.join("transactions")).map(|d| d.count()).unwrap_or(0);
    promised!(open == 0, "{at}: transactions left");
    side
}
