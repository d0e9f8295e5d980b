//! Runs that were killed where it matters.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod moment;

use crate::{Snapshot, World};

#[cfg(unix)]
pub use moment::{at, in_the_swap};

/// A rollback of a small product that was killed in its window: `Armed` is on record, and no service runs. With the files
/// as they were before. `None`: it cannot be done here.
pub fn in_the_window() -> Option<(World, Snapshot)> {
    moment::in_the_window()
}

/// It is what it should be.
fn checked(world: World, before: Snapshot) -> (World, Snapshot) {
    assert_eq!(world.running(), [false, false], "killed inside the window");
    world.plain(&["status"]).ends(21);
    (world, before)
}
