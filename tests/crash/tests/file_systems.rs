//! Real file systems on loop devices lose their power in the middle of a run: what they had not written is gone. They
//! are mounted again, replay their own journals, and the recovery settles the run.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests make files, stop at the first surprise and print their figures"
)]

use backout_crash::{Side, Verb, have_strace, is_whole, settled, tally};
use backout_kit::{Snapshot, World};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How many cuts of each file system, spread over the whole run: in a day, and where everything is taken.
const CUTS: [usize; 2] = [12, 48];

/// Only what fails waits so long.
const LONG: Duration = Duration::from_secs(120);

static LOOP: Mutex<()> = Mutex::new(());

/// A file system of its own, in a file.
struct Medium {
    dir: TempDir,
    kind: &'static str,
    /// Every state of it is a file of its own: a loop device that goes on for a while must not see another's bytes.
    image: PathBuf,
    images: u32,
}

fn ok(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

impl Medium {
    /// An empty one; `None`: not to be had here.
    fn new(kind: &'static str) -> Option<Self> {
        let dir = TempDir::with_prefix("backout-medium-").unwrap();
        let mut medium = Self { image: PathBuf::new(), kind, images: 0, dir };
        medium.image = medium.fresh();
        File::create(&medium.image).unwrap().set_len(512 << 20).unwrap();
        std::fs::create_dir(medium.mounted()).unwrap();
        let made = ok(Command::new(format!("mkfs.{kind}")).arg(&medium.image));
        let works = made && medium.mount() && medium.unmount();
        if !works {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs {kind} on a loop device, and it does not work here"
            );
            eprintln!("skipped: no {kind} on a loop device here");
        }
        works.then_some(medium)
    }

    fn fresh(&mut self) -> PathBuf {
        self.images += 1;
        self.dir.path().join(format!("image-{}", self.images))
    }

    fn mounted(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    /// Mounts it, and says on standard error why it cannot be.
    fn mount(&self) -> bool {
        // Copies of one xfs look like one disk that is there twice.
        let options = if self.kind == "xfs" { "loop,nouuid" } else { "loop" };
        // Free loop devices are found and taken in two steps: one at a time, and again if somebody else was faster.
        let _one = LOOP.lock().unwrap_or_else(PoisonError::into_inner);
        (0..5).any(|_| {
            let mut mount = Command::new("mount");
            mount.args(["-t", self.kind, "-o", options]).arg(&self.image).arg(self.mounted());
            mount.stdin(Stdio::null()).status().is_ok_and(|s| s.success())
        })
    }

    /// What a killed run has started may still be about to end, and have the medium in use until then.
    fn unmount(&self) -> bool {
        let until = Instant::now() + LONG;
        loop {
            let done = ok(Command::new("umount").arg(self.mounted()));
            if done || Instant::now() > until {
                return done;
            }
            std::thread::yield_now();
        }
    }

    /// A copy of what is on the medium now, or of a copy.
    fn copy(&mut self, of: &Path) -> PathBuf {
        let copy = self.fresh();
        assert!(ok(Command::new("cp").arg("--sparse=always").arg(of).arg(&copy)));
        copy
    }

    /// The medium as it was copied once, mounted in place of what is there.
    fn put_back(&mut self, copy: &Path) {
        let image = self.copy(copy);
        self.change_to(image);
    }

    fn change_to(&mut self, image: PathBuf) {
        assert!(self.unmount());
        std::fs::remove_file(std::mem::replace(&mut self.image, image)).unwrap();
        assert!(self.mount(), "{} does not mount again", self.kind);
    }

    /// The power goes: what has not been written is lost.
    fn cut(&mut self) {
        // btrfs cannot be told to forget. For all of them the medium as it is at this moment takes its place: another
        // test's namespace may have the mount too, and mounting the same image again would give the one that is shut down.
        ok(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.mounted()));
        let image = self.copy(&self.image.clone());
        self.change_to(image);
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        ok(Command::new("umount").arg("-l").arg(self.mounted()));
    }
}

fn survives(kind: &'static str) {
    let Some(mut medium) = Medium::new(kind).filter(|_| have_strace()) else { return };
    assert!(medium.mount());
    let world = World::without_services_in(&medium.mounted());
    let old = world.files();
    // Whoever has a namespace of its own at this moment keeps it mounted, and nothing is written when it goes here.
    assert!(ok(Command::new("sync").arg("--file-system").arg(medium.mounted())));
    assert!(medium.unmount());
    let before = medium.copy(&medium.image.clone());
    assert!(medium.mount());
    let calls = Verb::Rollback.calls_in(&world);
    let new: Snapshot = world.files();
    let points: Vec<(&str, u64)> =
        calls.iter().flat_map(|(call, n)| (1..=*n).map(move |n| (*call, n))).collect();
    let (mut old_side, mut new_side) = (0, 0);
    for (call, n) in points.iter().step_by(points.len().div_ceil(CUTS[usize::from(is_whole())])) {
        medium.put_back(&before);
        Verb::Rollback.injected(&world, call, "signal=KILL", *n);
        medium.cut();
        match settled(&world, &old, &new, &format!("{kind} cut at {call} no. {n}")) {
            Side::Old => old_side += 1,
            Side::New => new_side += 1,
        }
    }
    tally::add("power cuts of real file systems", old_side + new_side);
    eprintln!(
        "{kind}: {} power cuts, {old_side} ended old, {new_side} ended new, 0 violations",
        old_side + new_side
    );
}

#[test]
fn ext4_loses_its_power() {
    survives("ext4");
}

#[test]
fn xfs_loses_its_power() {
    survives("xfs");
}

#[test]
fn btrfs_loses_its_power() {
    survives("btrfs");
}
