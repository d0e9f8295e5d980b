//! What `backout guard` with a profile refuses before it starts: a package manager as the installer, and flags that mean nothing
//! there.
#![cfg(unix)]

use backout_kit::{Run, World, place};
use std::process::Command;

/// A guard of the small product whose installer is a program of this name that fails at once.
fn command(world: &World, more: &[&str], name: &str) -> Command {
    let setup = world.path().join(name);
    place::script("#!/bin/sh\nexit 7\n", &setup);
    let mut command = world.verb_command("guard", &["--yes"]);
    command.args(more).arg("--").arg(setup);
    command
}

#[test]
fn a_package_manager_is_refused_with_its_own_way_back_until_it_is_allowed() {
    let world = World::small();
    let files = world.files();
    for dry in [&[][..], &["--dry-run"]] {
        let run = Run::to_its_end(&mut command(&world, dry, "apt-get")).ends(10);
        assert_eq!(run.error_code(), "BKO-5163");
        let help = run.json["error"]["help"].as_str().unwrap();
        assert!(
            help.contains("apt-get install --allow-downgrades") && help.contains("--allow-packaged"),
            "{help}"
        );
    }
    assert!(!world.state.exists(), "nothing was set aside");
    // Its work is guarded like any other's, and what is not taken back is said.
    let run = Run::to_its_end(&mut command(&world, &["--allow-packaged"], "apt-get")).ends(20);
    assert!(run.json["warnings"].to_string().contains("BKO-5174"), "{run:?}");
    assert!(world.files() == files);
}

#[test]
fn data_is_not_looked_for_with_a_profile_so_taking_it_along_is_wrong_usage() {
    let world = World::small();
    let run = Run::to_its_end(&mut command(&world, &["--include-data"], "setup")).ends(64);
    assert_eq!(run.error_code(), "BKO-9001");
    assert!(!world.state.exists());
}
