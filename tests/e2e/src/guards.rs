//! Guards of installers that are scripts.

use backout_kit::{Snapshot, World, place, snapshot};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// An installer that does its work.
pub const GOOD: &str = r#"
"$ctl" stop first
echo v3 >"$home/live/a.conf"
echo v3 >"$home/live/sub/c.conf"
mkdir "$home/live/added"
echo new >"$home/live/added/n.conf"
rm "$home/live/b.conf"
setsid "$ctl" start first
echo "installed"
"#;

/// Lays an installer: a script that finds the product in `$home`, its services' control in `$ctl`, and a folder of its own in
/// `$here`. By another process, as what a test has open for writing cannot be run.
pub fn installer(world: &World, lines: &str) -> PathBuf {
    let file = world.path().join("setup.sh");
    let (home, ctl) = (world.home.display(), world.services.dir().join("ctl"));
    let here = world.path().display();
    let head = format!("#!/bin/sh\nhome='{home}'\nctl='{}'\nhere='{here}'", ctl.display());
    place::script(&format!("{head}\n{lines}\n"), &file);
    file
}

/// A call of guard with this installer.
pub fn command(world: &World, more: &[&str], lines: &str) -> Command {
    let setup = installer(world, lines);
    let mut command = world.verb_command("guard", &["--yes"]);
    command.args(more).arg("--").arg(setup);
    command
}

/// A world, what it holds, and that all its services run.
pub fn before() -> (World, Snapshot) {
    let world = World::small();
    let files = world.files();
    (world, files)
}

/// Nothing of the installer is left, every service runs, and nothing is open or lies about.
#[track_caller]
pub fn is_before(world: &World, old: &Snapshot) {
    let now = world.files();
    assert!(now == *old, "{}", snapshot::differences(&now, old).join("\n"));
    settled(world);
}

/// Every service runs, and nothing is open or lies about.
#[track_caller]
pub fn settled(world: &World) {
    assert!(world.running().iter().all(|r| *r), "a service that ran does not run");
    assert_eq!(snapshot::leftovers(&world.home), Vec::<String>::new());
    world.plain(&["status"]).ends(0);
    assert_eq!(fs::read_dir(world.state.join("transactions")).unwrap().count(), 0);
}

/// The number in a file that a script wrote.
pub fn pid(file: &Path) -> u32 {
    loop {
        if let Ok(pid) = fs::read_to_string(file).unwrap_or_default().trim().parse() {
            return pid;
        }
        std::thread::yield_now();
    }
}

/// A file system in memory that goes with this.
#[derive(Debug)]
pub struct Small(tempfile::TempDir);

impl Small {
    /// `None`: it is not for us to mount. In CI it is.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a test that was skipped should say so, and in CI none is"
    )]
    pub fn of(size: &str) -> Option<Self> {
        let at = tempfile::TempDir::with_prefix("backout-small-").unwrap();
        let options = format!("size={size},mode=755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at.path()).output();
        if !mounted.is_ok_and(|o| o.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI mounts file systems");
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self(at))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}
