//! By the first service that it starts: all files are new.

use super::checked;
use crate::{Snapshot, World};

pub(super) fn in_the_window() -> Option<(World, Snapshot)> {
    let world = World::small();
    let before = world.files();
    world.services.kills("first", "start");
    world.rollback(&["--no-parent"]);
    // The command goes on behind the death of who gave it.
    while !world.services.runs("first") {
        std::thread::yield_now();
    }
    world.services.ctl("stop", "first");
    Some(checked(world, before))
}
