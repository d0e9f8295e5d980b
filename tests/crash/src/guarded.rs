//! A guard of a script that stands for an installer.

use backout_kit::{World, place};
use std::{path::PathBuf, process::Command};

/// What the installer does; its files have the same time in every world.
const WORK: &str = r#"
echo v3 >"$home/live/a.conf"
rm "$home/live/b.conf"
mkdir "$home/live/added"
echo new >"$home/live/added/n.conf"
touch -d @1300000000 "$home/live/a.conf" "$home/live/added/n.conf"
"#;

/// An installer that does its work and ends with this code.
pub fn installer(world: &World, code: u8) -> PathBuf {
    let file = world.path().join("setup.sh");
    place::script(&format!("#!/bin/sh\nhome='{}'\n{WORK}\nexit {code}\n", world.home.display()), &file);
    file
}

/// A call of `guard` with it.
pub fn guard(world: &World, code: u8) -> Command {
    guard_with(world, code, &[])
}

/// The same with more flags.
pub fn guard_with(world: &World, code: u8, more: &[&str]) -> Command {
    let setup = installer(world, code);
    let mut command = world.verb_command("guard", &["--yes", "--no-parent", "--settle", "0"]);
    command.args(more).arg("--").arg(setup);
    command
}

/// The same of the world's folder and services, without a profile.
pub fn watch(world: &World, code: u8) -> Command {
    let setup = installer(world, code);
    world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (settle: 0),");
    let mut command = world.command(&["guard", "--yes", "--json", "--no-parent", "--settle", "0"]);
    command.arg("--watch").arg(&world.home).args(["--service", "First", "Second", "--site"]).arg(&world.site);
    command.arg("--").arg(setup);
    command
}
