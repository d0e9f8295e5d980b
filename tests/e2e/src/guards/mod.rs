//! Guards of installers that are scripts: of the shell, or of the kit's own program where there is none.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod scripted;

pub use scripted::*;

use backout_kit::{Run, Snapshot, World, snapshot};
use std::{fs, path::Path};

/// A guard with this installer, to its end.
pub fn guard(world: &World, more: &[&str], lines: &str) -> Run {
    Run::to_its_end(&mut command(world, more, lines))
}

/// What a file of the product holds.
#[track_caller]
pub fn text(world: &World, name: &str) -> String {
    fs::read_to_string(world.home.join(name)).unwrap()
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

/// No guard that is over holds space in the state folder.
#[track_caller]
pub fn holds_no_space(world: &World) {
    for run in fs::read_dir(world.state.join("history")).unwrap().flatten() {
        assert!(!["space", "reserve"].iter().any(|name| run.path().join(name).exists()), "{run:?}");
    }
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
