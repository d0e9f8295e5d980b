//! `backout apply`: a profile that goes forward changes settings, and `undo` takes them back.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, World};
use std::fs;

const SETTINGS: &str = r#"(
  name: "fixed", title: (en: "A fixed address"),
  product: (name: "Small", version: "1", patch: "fixed address", patched: None),
  goes: Forward, names: Folded,
  variables: [
    (name: "home", about: (en: "where it is")),
    (name: "own_address", holds: Text, about: (en: "this machine's own address")),
  ],
  components: [
    ( id: "server", title: (en: "server"),
      role: Restore(plugin: "settings", config: (ini: [
        (file: "home/spnsopt.dat", section: "FixedComputerIP", key: "HostName", value: "$own_address"),
        (file: "home/spnsopt.dat", section: "Other", key: "Mode", value: "2"),
      ])),
      presence: (marker: "home/live/a.conf"),
      services: [(name: "First")] ),
  ],
  timeouts: (stop: 20, start: 20, status: 20, exit: 5, settle: 0),
)"#;

/// A product with an INI file in Shift-JIS, and a profile that sets two of its values.
fn world() -> World {
    let world = World::small();
    fs::write(&world.profile, SETTINGS).unwrap();
    world.write_site(&[("First", "first")], "");
    fs::write(world.home.join("SPNSOPT.dat"), BEFORE).unwrap();
    world
}

const BEFORE: &[u8] = b"; \x95\x5c\x8e\xa6\r\n[Other]\r\nmode = 1\r\nName=\x83\x5c\r\n";
const AFTER: &[u8] = b"; \x95\x5c\x8e\xa6\r\n[Other]\r\nmode = 2\r\nName=\x83\x5c\r\n\
    [FixedComputerIP]\r\nHostName=192.0.2.7\r\n";
const ADDRESS: [&str; 2] = ["--set", "own_address=192.0.2.7"];

fn options(world: &World) -> Vec<u8> {
    fs::read(world.home.join("SPNSOPT.dat")).unwrap()
}

fn message(run: &Run) -> &str {
    run.json["error"]["message"].as_str().unwrap_or_default()
}

#[test]
fn settings_are_applied_with_the_service_down_and_undo_takes_them_back() {
    let world = world();
    let before = world.files();
    let planned = world.verb("plan", &[ADDRESS.as_slice(), &["--detailed-exitcode"]].concat()).ends(2);
    assert_eq!(planned.json["counts"]["replaced"], 1);
    world.services.clear_log();
    let done = world.verb("apply", &ADDRESS).ends(0);
    assert_eq!((&done.json["changed"], &done.json["counts"]["services"]), (&true.into(), &1.into()));
    assert_eq!(options(&world), AFTER);
    assert!(world.running()[0]);
    assert!(world.services.log().iter().any(|line| line.contains("stop")));
    assert!(!world.home.join("spnsopt.dat").exists() || cfg!(windows), "the live spelling stays");
    let again = world.verb("apply", &ADDRESS).ends(0);
    assert_eq!((&again.json["changed"], &again.json["outcome"]), (&false.into(), &"nothing-to-do".into()));
    let listed = world.plain(&["history"]).ends(0);
    assert_eq!(listed.json["data"]["runs"][0]["kind"], "apply");
    world.plain(&["undo"]).ends(0);
    let mut after = world.files();
    // What the undo of a run keeps is not the product's.
    after.retain(|name, _| before.contains_key(name));
    assert_eq!(after, before);
}

#[test]
fn a_file_that_is_not_there_is_made_and_taken_away_again() {
    let world = world();
    fs::remove_file(world.home.join("SPNSOPT.dat")).unwrap();
    world.verb("apply", &ADDRESS).ends(0);
    let made = fs::read(world.home.join("spnsopt.dat")).unwrap();
    assert_eq!(made, b"[FixedComputerIP]\r\nHostName=192.0.2.7\r\n[Other]\r\nMode=2\r\n");
    world.plain(&["undo"]).ends(0);
    assert!(!world.home.join("spnsopt.dat").exists());
}

#[test]
fn a_dry_run_changes_nothing() {
    let world = world();
    let before = world.files();
    let dry = world.verb("apply", &[ADDRESS.as_slice(), &["--dry-run"]].concat()).ends(0);
    assert_eq!(dry.json["counts"]["replaced"], 1);
    assert_eq!(world.files(), before);
    assert!(!world.state.exists());
}

#[test]
fn each_verb_takes_profiles_of_its_own_direction() {
    let forward = world();
    let refused = forward.verb("rollback", &ADDRESS).ends(10);
    assert_eq!(refused.error_code(), "BKO-1113");
    assert!(message(&refused).contains("takes its product forward"), "{}", message(&refused));
    let plan = forward.path().join("plan.ron");
    let plan = plan.to_str().unwrap();
    forward.verb("plan", &[ADDRESS.as_slice(), &["-o", plan]].concat()).ends(0);
    forward.verb("rollback", &["--plan", plan]).ends(64);
    forward.verb("apply", &["--plan", plan]).ends(0);
    assert_eq!(options(&forward), AFTER);
    let back = World::small();
    let refused = back.verb("apply", &[]).ends(10);
    assert_eq!(refused.error_code(), "BKO-1113");
}

#[test]
fn values_that_are_missing_or_more_than_a_value_are_refused() {
    let world = world();
    let missing = world.verb("apply", &[]).ends(10);
    assert!(message(&missing).contains("`own_address` has no value"), "{}", message(&missing));
    let broken = world.verb("apply", &["--set", "own_address=192.0.2.7\n[Other]"]).ends(10);
    assert!(message(&broken).contains("control character"), "{}", message(&broken));
    fs::write(world.home.join("SPNSOPT.dat"), "[Other]\nMode=1\nMODE=2\n").unwrap();
    let twice = world.verb("apply", &ADDRESS).ends(10);
    assert!(message(&twice).contains("twice"), "{}", message(&twice));
}

#[cfg(unix)]
#[test]
fn where_there_is_no_registry_a_profile_that_needs_one_says_so() {
    let world = world();
    let with = SETTINGS
        .replace("(ini: [", r#"(registry: [(key: r"HKLM\SOFTWARE\P", value: "v", data: Sz("1"))], ini: ["#);
    fs::write(&world.profile, with).unwrap();
    let refused = world.verb("apply", &ADDRESS).ends(10);
    assert!(message(&refused).contains("has no registry"), "{}", message(&refused));
}
