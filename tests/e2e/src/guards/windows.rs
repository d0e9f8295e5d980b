use backout_kit::{World, binary};
use std::{fs, path::PathBuf, process::Command};

/// An installer that does its work.
pub const GOOD: &str = r"
run $ctl stop first
write $home\live\a.conf v3
write $home\live\sub\c.conf v3
mkdir $home\live\added
write $home\live\added\n.conf new
remove $home\live\b.conf
run $ctl start first
say installed
";

/// The program that does what a script says.
pub fn setup() -> PathBuf {
    binary::program("backout-kit", "setup")
}

/// Lays a script for [`setup`]: `$home` is the product, `$ctl` its services' control, `$here` a folder of the script's own.
pub fn script(world: &World, name: &str, lines: &str) -> PathBuf {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let lines = lines.replace("$home", &text(world.home.clone()));
    let lines = lines.replace("$ctl", &text(world.services.dir().join("ctl.exe")));
    let file = world.path().join(name);
    fs::write(&file, lines.replace("$here", &text(world.path().to_owned()))).unwrap();
    file
}

/// A call of guard with this installer.
pub fn command(world: &World, more: &[&str], lines: &str) -> Command {
    let script = script(world, "setup.txt", lines);
    let mut command = world.verb_command("guard", &["--yes"]);
    command.args(more).arg("--").arg(setup()).arg(script);
    command
}
