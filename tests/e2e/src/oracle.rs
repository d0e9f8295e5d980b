//! What a run that did not do its work has left: nothing.

use backout_kit::{Run, World, snapshot};

/// The verb is refused with `code`, names what it is about, and nothing has changed.
#[track_caller]
pub fn refused(world: &World, code: i32, says: &str, more: &[&str]) -> Run {
    let before = world.files();
    let running = world.running();
    world.services.clear_log();
    let run = world.rollback(more).ends(code);
    let error = run.json["error"].to_string();
    assert!(error.contains(says), "`{says}` is not in {error}");
    assert!(run.error_code().starts_with("BKO-"), "{error}");
    assert!(!run.json["error"]["help"].is_null(), "what to do next is missing: {error}");
    assert_eq!(run.json["changed"], false);
    assert_eq!(world.files(), before);
    assert!(world.services.log().is_empty(), "no service may be touched");
    assert_eq!(world.running(), running);
    assert!(snapshot::leftovers(&world.home).is_empty());
    run
}

/// The rollback fails and everything is as before.
#[track_caller]
pub fn put_back(world: &World, more: &[&str]) -> Run {
    let before = world.files();
    let run = world.rollback(more).ends(20);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!(run.json["changed"], false);
    assert!(!run.json["error"]["message"].as_str().unwrap().is_empty());
    let after = world.files();
    assert!(after == before, "{}", snapshot::differences(&before, &after).join("\n"));
    assert!(snapshot::leftovers(&world.home).is_empty());
    world.plain(&["status"]).ends(0);
    run
}
