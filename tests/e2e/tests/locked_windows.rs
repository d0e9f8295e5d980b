//! A file of a server with services of the system's own manager is held open by another process. Two of these are roles of
//! `cargo xtask test windows`, which reboots between them.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{
    Run, Snapshot, World, place,
    scm::{Holding, Installed},
    snapshot,
    snapshot::differences,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the run was left: program, state folder, product's folder, and what the tree is to be like.
const LEFT: &str = r"C:\backout-left";

#[track_caller]
fn same(found: &Snapshot, wanted: &Snapshot) {
    assert!(found == wanted, "{}", differences(wanted, found).join("\n"));
}

/// A file that a rollback replaces.
fn a_target(machine: &Installed) -> PathBuf {
    let mut files = machine.product.tree.files.iter();
    files.find(|f| f.backup.is_some() && f.live.exists()).unwrap().live.clone()
}

/// Puts the program where a recovery at boot may run it from, and makes that.
fn recovers_at_boot(world: &mut World) {
    // Of a test that died.
    Command::new("sc").args(["delete", "backout-recovery"]).stdout(Stdio::null()).status().unwrap();
    let program = world.path().join("backout.exe");
    place::program(&world.program, &program);
    world.program = program;
    world.plain(&["boot", "install"]).ends(0);
}

#[track_caller]
fn names(run: &Run, file: &Path, process: u32) {
    let error = run.json["error"].to_string();
    let file = file.file_name().unwrap().to_str().unwrap();
    assert!(error.contains(file) && error.contains(&process.to_string()), "{error}");
}

#[test]
fn whoever_holds_a_file_is_named_and_everything_is_put_back() {
    let machine = Installed::new();
    let world = &machine.product.world;
    let before = world.files();
    let file = a_target(&machine);
    let holding = Holding::new(&file);
    let run = world.rollback(&[]).ends(20);
    names(&run, &file, holding.process());
    same(&world.files(), &before);
    assert_eq!(machine.running(), [true; 3]);
    drop(holding);
    world.rollback(&[]).ends(0);
}

#[test]
fn whoever_lets_nobody_read_a_file_is_named_before_anything_is_touched() {
    let machine = Installed::new();
    let file = a_target(&machine);
    let holding = Holding::alone(&file);
    let run = machine.product.world.rollback(&[]).ends(10);
    assert_eq!(run.error_code(), "BKO-1077", "{}", run.json);
    names(&run, &file, holding.process());
    assert_eq!(machine.running(), [true; 3]);
}

#[test]
fn what_is_left_to_a_reboot_changes_nothing_before_it_and_can_be_called_off() {
    let mut machine = Installed::new();
    let file = a_target(&machine);
    let without = machine.product.world.rollback(&["--on-locked", "reboot"]).ends(10);
    assert!(without.json["error"]["help"].to_string().contains("boot install"), "{}", without.json);
    recovers_at_boot(&mut machine.product.world);
    let world = &machine.product.world;
    let before = world.files();
    let holding = Holding::new(&file);
    for (codes, code) in [(&[][..], 30), (&["--msi-codes"], 3010)] {
        let run = world.rollback(&[&["--on-locked", "reboot"], codes].concat()).ends(code);
        assert_eq!(
            (&run.json["outcome"], &run.json["reboot_required"]),
            (&"reboot-pending".into(), &true.into())
        );
        same(&world.files(), &before);
        assert_eq!(machine.running(), [true; 3]);
        world.plain(&["status"]).ends(21);
        world.plain(&["recover", "--cancel-reboot"]).ends(0);
    }
    drop(holding);
    same(&world.files(), &before);
    world.plain(&["boot", "remove"]).ends(0);
    world.rollback(&[]).ends(0);
    assert_eq!(machine.running(), [true; 3]);
}

#[test]
#[ignore = "a role"]
fn leave_to_the_reboot() {
    let mut machine = Installed::new();
    recovers_at_boot(&mut machine.product.world);
    let world = &machine.product.world;
    let old = world.files();
    world.rollback(&[]).ends(0);
    let new = world.files();
    world.plain(&["undo"]).ends(0);
    let holding = Holding::new(&a_target(&machine));
    world.rollback(&["--on-locked", "reboot"]).ends(30);
    same(&world.files(), &old);
    assert_eq!(machine.running(), [true; 3]);
    drop(holding);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let left = [text(&world.program), text(&world.state), text(&world.home), format!("{new:#?}")];
    fs::write(LEFT, left.join("\n")).unwrap();
    machine.leave();
}

#[test]
#[ignore = "a role"]
fn settled_behind_the_reboot() {
    let text = fs::read_to_string(LEFT).unwrap();
    let left: Vec<&str> = text.splitn(4, '\n').collect();
    let [program, state, home, new] = left.try_into().unwrap();
    let call = |args: &[&str]| {
        Run::to_its_end(Command::new(program).args(args).args(["--state-dir", state, "--json"]))
    };
    // The recovery at boot may be at it, or be through.
    let run = call(&["recover", "--lock-timeout", "120"]).ends(0);
    println!("recover behind the reboot: {}", run.json["outcome"]);
    let shown = call(&["history"]).ends(0);
    let runs = shown.json["data"]["runs"].as_array().unwrap();
    assert_eq!(runs[0]["fate"], "committed", "{}", shown.json);
    let found = format!("{:#?}", snapshot(Path::new(home)));
    assert!(found == new, "{found}\n\n{new}");
    assert_eq!(Installed::left_running(), [true; 3]);
    call(&["boot", "remove"]).ends(0);
    Installed::clear();
    fs::remove_dir_all(Path::new(program).parent().unwrap()).unwrap();
    fs::remove_file(LEFT).unwrap();
}
