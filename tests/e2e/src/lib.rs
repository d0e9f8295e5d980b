//! End-to-end tests: see `tests/`. Here is what those of all systems and those of one have in common.
#![expect(clippy::unwrap_used, reason = "test support: stops at the first surprise")]

pub mod guards;
mod held;
mod history;
mod oracle;
pub mod snapshots;
mod staged;

pub use held::{held, held_by, until_held, worker};
pub use history::{every_leftover_has_its_journal, prune, runs};
pub use oracle::{put_back, refused};
pub use staged::staged;

use backout_kit::World;
use std::{fs, path::PathBuf};

/// The folder of the run that is open.
#[track_caller]
pub fn transaction(world: &World) -> PathBuf {
    fs::read_dir(world.state.join("transactions")).unwrap().next().unwrap().unwrap().path()
}
