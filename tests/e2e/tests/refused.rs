//! Refused with a clear error and nothing touched.
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use backout_e2e::refused;
use backout_kit::{Run, World, write};
use std::fs;

#[test]
fn an_unknown_profile_component_or_variable() {
    let mut world = World::small();
    refused(&world, 10, "nonsense", &["--component", "nonsense"]);
    refused(&world, 10, "nonsense", &["--set", "nonsense=/srv"]);
    refused(&world, 10, "home", &["--set", "home=relative"]);
    world.profile = "no-such-profile".into();
    refused(&world, 10, "no-such-profile", &[]);
    world.profile = "/no/such/folder/profile.ron".into();
    refused(&world, 10, "profile.ron` cannot be read", &[]);
}

#[test]
fn a_missing_variable() {
    let world = World::small();
    write(&world.site, "()");
    refused(&world, 10, "home", &[]);
}

#[test]
fn a_missing_plugin() {
    let world = World::small();
    for entry in fs::read_dir(&world.plugins).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    refused(&world, 10, "file-set", &[]);
}

#[test]
fn malformed_ron_says_where() {
    let world = World::small();
    let good = fs::read_to_string(&world.profile).unwrap();
    fs::write(&world.profile, good.replace("version: \"1\"", "version: 1 2")).unwrap();
    refused(&world, 10, "small.ron:3:", &[]);
    fs::write(&world.profile, good.replace("title:", "tilte:")).unwrap();
    refused(&world, 10, "tilte", &[]);
    fs::write(&world.profile, &good).unwrap();
    let site = fs::read_to_string(&world.site).unwrap();
    fs::write(&world.site, site.replace("vars:", "vats:")).unwrap();
    refused(&world, 10, "site.ron:2:", &[]);
}

#[test]
fn an_unknown_field_in_a_components_config_says_what() {
    let world = World::small();
    let good = fs::read_to_string(&world.profile).unwrap();
    fs::write(&world.profile, good.replace("consume: true", "consume: true, colour: 1")).unwrap();
    refused(&world, 10, "colour", &[]);
}

#[test]
fn services_that_do_not_fit() {
    let world = World::small();
    let both = [("First", "first"), ("Second", "second")];
    world.write_site(&both[..1], "");
    refused(&world, 10, "Second", &[]);
    world.write_site(&[both[0], both[1], ("Third", "third")], "");
    refused(&world, 10, "Third", &[]);
    world.write_site(&both, "");
    world.services.fault("second", "nonsense");
    let run = world.rollback(&[]).ends(10);
    assert!(run.json["error"].to_string().contains("Second"));
    world.services.mend("second", "nonsense");
}

#[test]
fn a_saved_plan_that_no_longer_fits() {
    let world = World::small();
    let plan = world.path().join("plan.ron");
    let plan = plan.to_str().unwrap();
    world.verb("plan", &["-o", plan]).ends(0);
    fs::write(world.home.join("live/b.conf"), "somebody was here").unwrap();
    let mut args = vec!["rollback", "--plan", plan, "--yes", "--json"];
    let flags = world.flags();
    args.extend(flags.iter().map(String::as_str));
    let run = Run::to_its_end(&mut world.command(&args)).ends(12);
    assert!(run.json["error"].to_string().contains("b.conf"), "{run:?}");
    fs::write(world.home.join("live/b.conf"), "patched b").unwrap();
    fs::write(world.home.join("backup/b.conf"), "").unwrap();
    let run = Run::to_its_end(&mut world.command(&args)).ends(12);
    assert!(run.json["error"].to_string().contains("b.conf"), "{run:?}");
    fs::write(world.home.join("backup/b.conf"), "old b").unwrap();
    Run::to_its_end(&mut world.command(&args)).ends(0);
}

#[test]
fn a_state_folder_of_a_newer_format() {
    let world = World::small();
    fs::create_dir(&world.state).unwrap();
    fs::write(world.state.join("format"), "(2, 0)\n").unwrap();
    refused(&world, 10, "newer", &[]);
}

#[test]
fn an_unfinished_run_of_another_state_folder() {
    let world = World::small();
    let marker = world.home.join("live/.backout-01jd0000000000000000000000");
    let other = world.path().join("other");
    fs::create_dir_all(other.join("transactions/01jd0000000000000000000000")).unwrap();
    fs::create_dir(&marker).unwrap();
    let text = format!(
        "(run: \"01jd0000000000000000000000\", state: {:?}, plan: {:?})",
        other.to_str().unwrap(),
        "0".repeat(64)
    );
    fs::write(marker.join("id"), text).unwrap();
    let run = world.rollback(&[]).ends(10);
    let message = run.json["error"]["message"].as_str().unwrap();
    assert!(message.contains(other.to_str().unwrap()), "{run:?}");
}

#[test]
fn without_a_terminal_and_without_yes() {
    let world = World::small();
    let mut command = world.command(&["rollback", &world.profile]);
    let run = Run::to_its_end(command.args(world.flags()).arg("--json")).ends(10);
    assert!(run.json["error"].to_string().contains("--yes"), "{run:?}");
    assert!(!world.state.exists());
}

#[test]
fn a_dry_run_counts_and_writes_nothing() {
    let world = World::small();
    let before = world.files();
    let dry = world.rollback(&["--dry-run"]).ends(0);
    assert!(!world.state.exists());
    assert_eq!(world.files(), before);
    let real = world.rollback(&[]).ends(0);
    assert_eq!(dry.json["counts"], real.json["counts"]);
}

#[test]
fn what_is_not_in_this_version_says_so() {
    let world = World::small();
    for args in [&["report", "x", "-o", "x.html"][..], &["explain", "BKO-1001"]] {
        let run = Run::to_its_end(&mut world.command(args)).ends(64);
        assert!(run.stderr.contains("not in this version"), "{run:?}");
    }
    Run::to_its_end(&mut world.command(&["--no-such-flag"])).ends(64);
}
