//! A small product with actions of a plugin beside its files.

use crate::{World, binary::library, place, world::SMALL};
use std::{fs, path::PathBuf};

/// The component with actions, behind the one with files.
const COMPONENT: &str = r#"
    ( id: "deeds", title: (en: "deeds"),
      role: Restore(plugin: "deed", config: (deeds: [
        (file: "live/one.txt", text: "new one"), (file: "live/two.txt", text: "new two"),
      ])),
      presence: (marker: "home/live/a.conf"),
      services: [(name: "First")] ),
  ],
  timeouts"#;

/// The small product, patched, with services that run and two files that the plugin `deed` gives other texts: `one.txt` is
/// there, `two.txt` is not.
pub fn world() -> World {
    given_deeds(World::small(), SMALL.to_owned())
}

/// The same without services.
pub fn without_services() -> World {
    let profile = SMALL.replace(r#"services: [(name: "First"), (name: "Second")]"#, "");
    given_deeds(World::without_services(), profile)
}

fn given_deeds(world: World, small: String) -> World {
    let mut profile = small.replace("\n  ],\n  timeouts", COMPONENT);
    if world.names.is_empty() {
        profile = profile.replace(r#"services: [(name: "First")]"#, "");
    }
    fs::write(&world.profile, profile).unwrap();
    let from = library("backout-kit", "deed");
    let to = world.plugins.join(from.file_name().unwrap());
    fs::copy(&from, &to).unwrap();
    place::shield(&to);
    fs::create_dir(world.path().join("ctl")).unwrap();
    let one = world.home.join("live/one.txt");
    fs::write(&one, "old one").unwrap();
    filetime::set_file_mtime(&one, filetime::FileTime::from_unix_time(1_300_000_000, 0)).unwrap();
    place::shield(&one);
    world
}

/// Says how an operation of the plugin is to go wrong: `tell(&world, "apply", "die")`. An empty word mends it.
pub fn tell(world: &World, operation: &str, how: &str) {
    fs::write(ctl(world, operation), how).unwrap();
}

/// A file by which the plugin is told something, or tells it.
pub fn ctl(world: &World, name: &str) -> PathBuf {
    world.path().join("ctl").join(name)
}

/// What the plugin was asked to apply and to undo since this was asked last: `apply live/one.txt`.
pub fn asked(world: &World) -> Vec<String> {
    let notes = ctl(world, "asked");
    let lines = fs::read_to_string(&notes).unwrap_or_default();
    let _ = fs::remove_file(notes);
    lines.lines().map(str::to_owned).collect()
}

/// What the two files hold.
pub fn texts(world: &World) -> [Option<String>; 2] {
    ["one.txt", "two.txt"].map(|name| fs::read_to_string(world.home.join("live").join(name)).ok())
}
