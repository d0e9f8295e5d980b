//! A call behind a reboot, as far as the system says which boot it is: Linux's own word for that is another one for it. What runs
//! goes on, unlike behind a real reboot.

use crate::call;
use std::{io::Write, process::Command};
use tempfile::NamedTempFile;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A boot that calls can be made in.
#[derive(Debug)]
pub struct AnotherBoot(NamedTempFile);

impl AnotherBoot {
    /// `None`: what a process sees is not for us to change.
    pub fn begin() -> Option<Self> {
        if !call::have_parts() {
            return None;
        }
        let mut id = NamedTempFile::with_prefix("backout-boot-").unwrap();
        writeln!(id, "5a3ec1f0-0000-4000-8000-{:012x}", std::process::id()).unwrap();
        Some(Self(id))
    }

    /// The same call in this boot.
    pub fn of(&self, call: &Command) -> Command {
        let script = format!("mount --bind \"$1\" {BOOT_ID} && shift && exec \"$@\"");
        let mut there = Command::new("unshare");
        there.args(["--mount", "--", "sh", "-c", &script, "sh"]).arg(self.0.path());
        call::wrapped(there, call)
    }
}
