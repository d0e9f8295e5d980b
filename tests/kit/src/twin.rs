//! The twin of `systemctl` at the real one's place, in a mount namespace of its own for each command.

use crate::{binary, call, place, systemd::Systemd, write};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// A machine whose `systemctl` is the twin. Its `/run` and `/etc/systemd/system` are its own.
#[derive(Debug)]
pub struct Twin {
    folder: tempfile::TempDir,
}

impl Twin {
    /// Makes one. `None`, with a word on standard error, where no mount namespace can be had.
    pub fn new() -> Option<Self> {
        if !call::have_parts() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("backout-twin-").tempdir().unwrap();
        for made in ["etc/systemd/system", "run/systemd/system", "run/twin/loaded"] {
            fs::create_dir_all(folder.path().join(made)).unwrap();
        }
        static TWIN: OnceLock<PathBuf> = OnceLock::new();
        let twin = TWIN.get_or_init(|| binary::program("backout-kit", "twin-systemctl"));
        fs::create_dir(folder.path().join("bin")).unwrap();
        place::program(twin, &folder.path().join("bin/systemctl"));
        Some(Self { folder })
    }

    /// What its journal says about any unit.
    pub fn journal(&self, text: &str) {
        let file = self.folder.path().join("bin/journalctl");
        place::script(&format!("#!/bin/sh\ncat <<'END'\n{text}\nEND\n"), &file);
    }

    /// Makes it misbehave, or behave again with "".
    pub fn odd(&self, how: &str) {
        write(&self.folder.path().join("run/twin/odd"), how);
    }
}

impl Systemd for Twin {
    fn etc(&self, below: &str) -> PathBuf {
        self.folder.path().join("etc").join(below)
    }

    fn command(&self, program: &str) -> Command {
        // Nothing of the machine is changed: what is put over its folders is gone with the namespace.
        let script = "set -e
            mount -t overlay -o lowerdir=\"$1/bin:/usr/bin\" overlay /usr/bin
            mount -t overlay -o lowerdir=\"$1/etc:/etc\" overlay /etc
            mount --bind \"$1/etc/systemd/system\" /etc/systemd/system
            mount --bind \"$1/run\" /run
            shift
            cd /
            exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", script, "sh"]).arg(self.folder.path()).arg(program);
        command.env_clear().env("PATH", "/usr/bin:/usr/sbin").stdin(Stdio::null());
        command
    }
}
