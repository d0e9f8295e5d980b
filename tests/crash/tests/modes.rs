//! What lies on the disk in the middle of a run is never open to more people than what it takes the place of: at each call
//! by which a run makes files and sets their rights, and in what a kill leaves there.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test sets rights, stops at the first surprise and prints its figures"
)]

use backout_crash::{Verb, have_strace, promised, settled, tree};
use backout_kit::{Snapshot, World, snapshot};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// Calls behind which a staged file may lie there half dressed, and those by which the window goes on.
const CALLS: [&str; 9] =
    ["mkdirat", "write", "fchmod", "fchown", "utimensat", "fsync", "syncfs", "renameat2", "pwrite64"];

/// A world whose files only their owner may read, with backups that are open to everybody.
fn secret() -> (World, Snapshot) {
    let (world, _) = Verb::Rollback.before();
    let rights = |folder: &str, mode: u32| {
        for entry in tree(&world.home.join(folder)).iter().filter(|e| e.is_file()) {
            fs::set_permissions(entry, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    rights("live", 0o600);
    rights("backup", 0o666);
    let files = world.files();
    (world, files)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Nothing of ours is wider than it may be; how many names were looked at.
fn closed(world: &World, at: &str) -> usize {
    let (mut looked, mut ours) = (0, Vec::new());
    for folder in snapshot::leftovers(&world.home) {
        promised!(mode(Path::new(&folder)) == 0o700, "{at}: {folder}");
        ours.extend(tree(Path::new(&folder)));
    }
    if world.state.exists() {
        promised!(mode(&world.state) == 0o700, "{at}: the state folder");
        ours.extend(tree(&world.state).into_iter().filter(|p| p.is_dir()));
    }
    for path in ours {
        // Files that are new to the product take their rights from a backup, within those of their folder. They, and folders
        // that are staged in whole, lie in a folder that nobody else can enter.
        let texts = ["old a", "old b", "old c", "patched a", "patched b", "patched c"];
        let replaces = fs::read_to_string(&path).is_ok_and(|text| texts.contains(&text.as_str()));
        // A backup that is taken away is moved as it is.
        let moved = path.starts_with(world.home.join("backup"));
        let most = match (moved, replaces) {
            (true, _) => 0o777,
            (false, true) => 0o600,
            (false, false) => 0o755,
        };
        promised!(mode(&path) & !most == 0, "{at}: {} is {:o}", path.display(), mode(&path));
        looked += 1;
    }
    for name in ["a.conf", "b.conf", "sub/c.conf"] {
        promised!(mode(&world.home.join("live").join(name)) == 0o600, "{at}: {name}");
    }
    looked
}

#[test]
fn nothing_is_open_to_more_people_than_what_it_takes_the_place_of() {
    if !have_strace() {
        return;
    }
    let (after, _) = secret();
    let made = Verb::Rollback.calls_in(&after);
    let new = after.files();
    closed(&after, "at the end");
    let (mut kills, mut looked) = (0, 0);
    for call in CALLS {
        for n in (1..=made.get(call).copied().unwrap_or(0)).step_by(if call == "write" { 5 } else { 2 }) {
            let (world, old) = secret();
            let at = format!("killed at {call} no. {n}");
            Verb::Rollback.injected(&world, call, "signal=KILL", n);
            looked += closed(&world, &at);
            settled(&world, &old, &new, &at);
            kills += 1;
        }
    }
    eprintln!("modes: {kills} kills, {looked} names looked at, 0 violations");
    assert!(looked > 100);
}
