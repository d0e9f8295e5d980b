//! Worlds that some runs are recorded in.

use backout_kit::{Run, World, deeds, write};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

/// A world with actions, whose plugin is small: a run keeps a copy of it.
pub(super) fn acting() -> World {
    let world = deeds::without_services();
    let plugins = fs::read_dir(&world.plugins).unwrap().map(|entry| entry.unwrap().path());
    for plugin in plugins.filter(|path| path.extension().is_some_and(|end| end == "so")) {
        assert!(Command::new("strip").arg(plugin).status().unwrap().success());
    }
    world
}

/// A snapshot of the world, which is changed behind it in every way that a snapshot takes back.
pub(super) fn snapshot_behind_it(world: &World) -> String {
    let live = world.home.join("live");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let link = |to: &str, name: &str| {
        let _ = fs::remove_file(live.join(name));
        symlink(to, live.join(name)).unwrap();
        let then = filetime::FileTime::from_unix_time(1_200_000_000, 7);
        filetime::set_symlink_file_times(live.join(name), then, then).unwrap();
    };
    link("a.conf", "turned");
    link("nowhere", "lost");
    fs::create_dir(live.join("empty")).unwrap();
    let mut create = world.command(&["snapshot", "create", &world.profile]);
    let taken = Run::to_its_end(create.args(world.flags()).arg("--json")).ends(0);
    write(&live.join("b.conf"), "other");
    mode(&live.join("a.conf"), 0o600);
    mode(&live.join("sub"), 0o700);
    mode(&world.home, 0o750);
    link("b.conf", "turned");
    fs::remove_file(live.join("lost")).unwrap();
    link("sub", "came");
    fs::remove_dir(live.join("empty")).unwrap();
    write(&world.home.join("fresh/deep/x"), "x");
    taken.json["data"]["id"].as_str().unwrap().to_owned()
}
