//! The verbs of snapshots.

use backout_kit::{Run, World};

/// `snapshot create` of the world's product.
pub fn create(world: &World, more: &[&str]) -> Run {
    let mut command = world.command(&["snapshot", "create", &world.profile]);
    Run::to_its_end(command.args(world.flags()).arg("--json").args(more))
}

/// `snapshot create` of the world's product, and the id.
#[track_caller]
pub fn taken(world: &World, more: &[&str]) -> String {
    let run = create(world, more).ends(0);
    assert_eq!(run.json["changed"], true);
    run.json["data"]["id"].as_str().unwrap().to_owned()
}

/// Another verb of `snapshot`.
pub fn call(world: &World, args: &[&str]) -> Run {
    let mut command = world.command(&["snapshot"]);
    Run::to_its_end(command.args(args).args(["--json", "--yes"]))
}
