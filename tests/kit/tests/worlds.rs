//! What a world leaves behind: nothing.
#![cfg(unix)]

use backout_kit::World;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The image of a process that runs.
fn image(pid: &str) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc").join(pid).join("exe")).ok()
}

#[track_caller]
fn until(what: &str, seen: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(600);
    while !seen() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn the_services_of_a_world_end_with_it() {
    let world = World::small();
    let folder = world.path().to_owned();
    let pid = |name: &str| {
        let text = fs::read_to_string(world.services.dir().join(format!("{name}.pid"))).unwrap();
        text.split_whitespace().next().unwrap().to_owned()
    };
    let pids = ["first", "second"].map(pid);
    let runs = |pid: &String| image(pid).is_some_and(|i| i.starts_with(&folder));
    // A process just forked is still the shell.
    until("each runs its own program", || pids.iter().all(runs));
    drop(world);
    assert!(!folder.exists());
    until("none outlives its world", || !pids.iter().any(runs));
}
