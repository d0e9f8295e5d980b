//! By `strace`, at a system call.

use super::checked;
use crate::{Snapshot, World};
use std::process::{Command, Stdio};

/// A rollback killed at its `n`th exchange of names: some files are new and some old.
pub fn in_the_swap(n: u32) -> Option<(World, Snapshot)> {
    let world = World::small();
    let before = world.files();
    at(&world, "renameat2", n).then(|| checked(world, before))
}

/// Kills a rollback at its `n`th call. `false`: `strace` does not work here, and nothing was done.
pub fn at(world: &World, call: &str, n: u32) -> bool {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !works.is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI needs strace");
        return false;
    }
    let plain = world.verb_command("rollback", &["--no-parent"]);
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
    command.args([&format!("inject={call}:signal=KILL:when={n}"), "--"]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    assert!(!command.output().unwrap().status.success(), "it was to be killed");
    true
}

pub(super) fn in_the_window() -> Option<(World, Snapshot)> {
    in_the_swap(3)
}
