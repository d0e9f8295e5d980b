//! A guard of a script that stands for an installer.

use backout_kit::{World, place};
use std::{ffi::OsStr, path::PathBuf, process::Command};

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
    world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (settle: 0),");
    let more = ["--service", "First", "Second", "--site", world.site.to_str().unwrap()];
    watching(world, code, &more)
}

/// The same of the folder alone.
pub fn watch_folder(world: &World, code: u8) -> Command {
    watching(world, code, &[])
}

fn watching(world: &World, code: u8, more: &[&str]) -> Command {
    let setup = installer(world, code);
    let mut command = world.command(&["guard", "--yes", "--json", "--no-parent", "--settle", "0"]);
    command.arg("--watch").arg(&world.home).args(more).arg("--").arg(setup);
    command
}

/// Seconds within which no test ends: who waits so long goes back for another reason.
pub const LONG: u64 = 3600;

/// A guard, given as a call of `$0`, and a confirmation as soon as it says that it waits for one. Where that is refused, the guard
/// is called off, and all of it has failed.
const CONFIRMING: &str = r#"
state=$1
shift
{ sh -c 'echo $$ >&2; exec "$0" "$@"' "$0" "$@" 2>&1 >&3 | {
  read -r guard
  while read -r line; do
    case $line in *"waits to be confirmed"*)
      "$0" confirm --json --state-dir "$state" >&2 || { kill -INT "$guard"; exit 1; } ;;
    esac
  done
}; } 3>&1
"#;

/// A guard by `exe` that has so long to be confirmed and is, in this shell, at once.
pub fn confirmed(world: &World, exe: &OsStr) -> Command {
    let guard = guard_with(world, 0, &["--confirm-within", &format!("{LONG}s")]);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", CONFIRMING]).arg(exe).arg(&world.state).args(guard.get_args());
    shell.env_remove("BACKOUT_STATE_DIR");
    shell
}

/// One that nobody confirms.
pub fn unconfirmed(world: &World) -> Command {
    guard_with(world, 0, &["--confirm-within", "1s"])
}
