//! By `strace`, at a system call.

use super::checked;
use crate::{Snapshot, World, strace};

/// A rollback killed at its `n`th exchange of names: some files are new and some old.
pub fn in_the_swap(n: u64) -> Option<(World, Snapshot)> {
    let world = World::small();
    let before = world.files();
    at(&world, "renameat2", n).then(|| checked(world, before))
}

/// Kills a rollback at its `n`th call. `false`: `strace` does not work here, and nothing was done.
pub fn at(world: &World, call: &str, n: u64) -> bool {
    if !strace::works() {
        return false;
    }
    let rollback = world.verb_command("rollback", &["--no-parent"]);
    let run = strace::injected(&rollback, call, "signal=KILL", n).output().unwrap();
    assert!(!run.status.success(), "it was to be killed");
    true
}

pub(super) fn in_the_window() -> Option<(World, Snapshot)> {
    in_the_swap(3)
}
