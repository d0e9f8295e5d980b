//! Throw-away worlds for tests: real files, real service processes, the real binary and plugins.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test fixtures make files, and stop at the first surprise"
)]

#[cfg(unix)]
mod another_boot;
#[cfg(unix)]
pub mod bad;
pub mod binary;
#[cfg(unix)]
pub mod call;
#[cfg(unix)]
pub mod deeds;
pub mod killed;
#[cfg(unix)]
pub mod machine;
pub mod place;
pub mod process;
pub mod registry;
#[cfg(windows)]
pub mod registry_link;
#[cfg(windows)]
pub mod scm;
pub mod serverprotect;
pub mod service;
pub mod snapshot;
#[cfg(unix)]
pub mod strace;
#[cfg(unix)]
pub mod systemd;
#[cfg(unix)]
pub mod twin;
pub mod world;

#[cfg(unix)]
pub use another_boot::AnotherBoot;
pub use binary::{Run, Running, built};
#[cfg(unix)]
pub use machine::Machine;
pub use serverprotect::ServerProtect;
pub use service::Services;
pub use snapshot::{Snapshot, snapshot};
#[cfg(unix)]
pub use systemd::{Booted, Systemd};
#[cfg(unix)]
pub use twin::Twin;
pub use world::World;

use std::path::Path;

/// What all random draws come from: `BACKOUT_SEED`, or the same every time.
///
/// # Panics
/// Where that is no number.
pub fn seed() -> u64 {
    std::env::var("BACKOUT_SEED").map_or(1, |text| text.parse().unwrap())
}

/// Writes a fixture file, with its folders.
#[track_caller]
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(path, bytes).unwrap();
}
