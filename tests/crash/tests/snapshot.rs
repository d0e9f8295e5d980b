//! The real binary is killed at its system calls while it takes a snapshot, and while it removes one: there is a whole
//! snapshot or none, and the next one that is taken removes what is left.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and prints its figures"
)]

use backout_crash::{calls, drawn, have_strace, promised, settled, shard, tally};
use backout_kit::{Run, World, strace, write};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

/// As many points as a day's run takes.
const POINTS: usize = 26;

fn create(world: &World) -> Command {
    let mut command = world.command(&["snapshot", "create", &world.profile]);
    command.args(world.flags()).args(["--json", "--jobs", "1"]);
    command
}

fn names(world: &World) -> Vec<String> {
    let Ok(entries) = fs::read_dir(world.state.join("snapshots")) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn whole(world: &World) -> Vec<String> {
    names(world).into_iter().filter(|n| !n.starts_with('.')).collect()
}

fn sweep(what: &str, before: fn() -> World, command: fn(&World) -> Command) {
    if !have_strace() {
        return;
    }
    let calls = calls(&command(&before()), before().path());
    let points = calls.iter().flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n))).collect();
    let ends = shard::over(drawn(points, POINTS), |(call, n)| {
        let world = before();
        let (files, had) = (world.files(), whole(&world).len());
        let at = format!("{what} killed at {call} no. {n}");
        let run = strace::injected(&command(&world), call, "signal=KILL", n).output().unwrap();
        assert!(!run.status.success(), "{at}: it was to be killed");
        promised!(world.files() == files, "{at}: a file of the product has changed");
        promised!(world.plain(&["status"]).code == Some(0), "{at}: a run is open");
        // Whatever has an id is whole.
        let verified = world.plain(&["snapshot", "verify"]);
        promised!(verified.code == Some(0), "{at}: {verified:?}");
        let has = whole(&world).len();
        Run::to_its_end(&mut create(&world)).ends(0);
        promised!(names(&world).iter().all(|n| !n.starts_with('.')), "{at}: left: {:?}", names(&world));
        assert_eq!(whole(&world).len(), has + 1, "{at}");
        world.plain(&["snapshot", "verify"]).ends(0);
        has.cmp(&had)
    });
    let done = ends.iter().filter(|end| end.is_ne()).count();
    tally::add("kills", ends.len() as u64);
    eprintln!("{what}: {} kills, {done} of them behind the turn; {calls:?}", ends.len());
    assert!(ends.len() > 12);
}

#[test]
fn a_snapshot_killed_while_it_is_taken_is_whole_or_nothing() {
    sweep("snapshot create", World::small, create);
}

#[test]
fn going_back_to_a_snapshot_killed_at_any_system_call_ends_old_or_new() {
    back(
        World::small,
        |_| true,
        |world| {
            write(&world.home.join("live/a.conf"), "other");
            write(&world.home.join("fresh/deep/x"), "x");
            fs::remove_dir_all(world.home.join("live/sub")).unwrap();
        },
    );
}

fn link(to: &str, path: &Path) {
    let _ = fs::remove_file(path);
    symlink(to, path).unwrap();
    let then = filetime::FileTime::from_unix_time(1_200_000_000, 7);
    filetime::set_symlink_file_times(path, then, then).unwrap();
}

fn attribute(path: &Path, name: &str) {
    rustix::fs::setxattr(path, name, b"value", rustix::fs::XattrFlags::empty()).unwrap();
}

#[test]
fn going_back_to_what_lies_beside_the_bytes_killed_at_any_system_call_ends_old_or_new() {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let furnished = || {
        let world = World::small();
        let live = world.home.join("live");
        link("a.conf", &live.join("turned"));
        link("nowhere", &live.join("lost"));
        attribute(&live.join("sub"), "user.then");
        fs::create_dir(live.join("empty")).unwrap();
        world
    };
    // Opening a file leaves nothing behind that another call does not.
    back(
        furnished,
        |call| !call.starts_with("open"),
        move |world| {
            let live = world.home.join("live");
            mode(&live.join("a.conf"), 0o600);
            attribute(&live.join("b.conf"), "user.now");
            attribute(&live.join("sub"), "user.now");
            mode(&live.join("sub"), 0o700);
            mode(&world.home, 0o750);
            link("b.conf", &live.join("turned"));
            fs::remove_file(live.join("lost")).unwrap();
            link("sub", &live.join("came"));
            fs::remove_dir(live.join("empty")).unwrap();
            fs::create_dir(live.join("fresh")).unwrap();
        },
    );
}

fn back(fresh: impl Fn() -> World + Sync, wanted: fn(&str) -> bool, change: impl Fn(&World) + Sync) {
    if !have_strace() {
        return;
    }
    let before = || {
        let world = fresh();
        let run = Run::to_its_end(&mut create(&world)).ends(0);
        let id = run.json["data"]["id"].as_str().unwrap().to_owned();
        change(&world);
        (world, id)
    };
    let back = |world: &World, id: &str| {
        world.verb_command("rollback", &["--no-parent", "--from", &format!("snapshot:{id}")])
    };
    let (world, id) = before();
    let calls = calls(&back(&world, &id), world.path());
    let new = world.files();
    let points = calls.iter().filter(|(call, _)| wanted(call));
    let points = points.flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n))).collect();
    let sides = shard::over(drawn(points, POINTS), |(call, n)| {
        let (world, id) = before();
        let old = world.files();
        let at = format!("going back to a snapshot killed at {call} no. {n}");
        strace::injected(&back(&world, &id), call, "signal=KILL", n).output().unwrap();
        let side = settled(&world, &old, &new, &at);
        world.plain(&["snapshot", "verify"]).ends(0);
        side
    });
    tally::add("kills", sides.len() as u64);
    eprintln!("going back to a snapshot: {} kills; {calls:?}", sides.len());
    assert!(sides.len() > 12);
}

#[test]
fn a_snapshot_killed_while_it_is_removed_is_whole_or_gone() {
    let two = || {
        let world = World::small();
        for _ in 0..2 {
            Run::to_its_end(&mut create(&world)).ends(0);
        }
        world
    };
    sweep("snapshot drop", two, |world| {
        let first = whole(world)[0].clone();
        let mut command = world.command(&["snapshot", "drop", &first]);
        command.args(["--yes", "--json"]);
        command
    });
}
