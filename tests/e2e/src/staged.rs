//! Runs that are staged by day.

use backout_kit::World;

/// Stages a rollback and says its id.
#[track_caller]
pub fn staged(world: &World, more: &[&str]) -> String {
    let (before, running) = (world.files(), world.running());
    world.services.clear_log();
    let all: Vec<&str> = ["--stage-only"].iter().chain(more).copied().collect();
    let run = world.rollback(&all).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"staged".into(), &false.into()), "{run:?}");
    assert!(world.files() == before, "staging changes no file");
    assert!(world.services.log().is_empty(), "staging touches no service: {:?}", world.services.log());
    assert_eq!(world.running(), running);
    run.json["run_id"].as_str().unwrap().to_owned()
}
