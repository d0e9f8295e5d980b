use backout_kit::{World, place};
use std::{
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

/// The same call by a process that may have so many files open, and may allow itself so many.
pub fn with_open_files(call: &Command, soft: u32, hard: u32) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={soft}:{hard}")).arg(call.get_program()).args(call.get_args());
    for (name, value) in call.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// The lines of an installer that make so many folders, at most 2000, each in the one before, in this one of the product's.
pub fn nested(folder: &str, levels: usize) -> String {
    format!("( cd \"$home/{folder}\" && mkdir -p {} )\n", vec!["d"; levels].join("/"))
}

/// Something that is mounted as long as this is there.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// `mount` with these words, there. `None`: it is not for us to mount. In CI it is.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a test that was skipped should say so, and in CI none is"
    )]
    pub fn at(at: &Path, words: &[&str]) -> Option<Self> {
        let mounted = Command::new("mount").args(words).arg(at).output();
        if !mounted.is_ok_and(|o| o.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI mounts file systems");
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A file system in memory that goes with this.
#[derive(Debug)]
pub struct Small {
    // The first, as fields are dropped in their order.
    _mounted: Mounted,
    at: tempfile::TempDir,
}

impl Small {
    /// `None`: as [`Mounted::at`].
    pub fn of(size: &str) -> Option<Self> {
        let at = tempfile::TempDir::with_prefix("backout-small-").unwrap();
        let options = format!("size={size},mode=755");
        let mounted = Mounted::at(at.path(), &["-t", "tmpfs", "-o", &options, "tmpfs"])?;
        Some(Self { _mounted: mounted, at })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.at.path()
    }
}
