//! Runs that go on when they are let.

use backout_kit::{Running, World};
use std::process::{Child, Command};

/// A rollback that is stopping its first service, and goes on when that is let: `world.services.go_on("first")`.
pub fn held(world: &World, more: &[&str]) -> Running {
    held_by(world, world.verb_command("rollback", more))
}

/// The same of a command that the caller has made.
pub fn held_by(world: &World, mut command: Command) -> Running {
    world.services.waits("first", "stop");
    let mut run = Running::start(&mut command);
    until_held(world, &mut run.child);
    run
}

/// Waits until the first service of a run that was just started waits in its stop.
#[track_caller]
pub fn until_held(world: &World, run: &mut Child) {
    while !world.services.waiting("first") {
        assert!(run.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::yield_now();
    }
}

/// The process that carries the run out that is under way.
#[track_caller]
pub fn worker(world: &World) -> u32 {
    let status = world.plain(&["status"]).ends(11);
    u32::try_from(status.json["data"]["under_way"]["process"].as_u64().unwrap()).unwrap()
}
