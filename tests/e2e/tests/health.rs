//! Health: what must hold after the window, or everything is put back.

use backout_e2e::{put_back, refused};
use backout_kit::{World, write};

const SERVICES: [(&str, &str); 2] = [("First", "first"), ("Second", "second")];

/// A probe that asks for the status of a service of this world.
fn probe(world: &World, name: &str, about: Option<&str>, asks: &str) -> String {
    let status = world.services.command("status", asks);
    let about = about.map_or_else(String::new, |service| format!("service: {service:?}, "));
    format!("(name: {name:?}, {about}run: {status})")
}

fn site(world: &World, probes: &[String]) {
    world.write_site(&SERVICES, &format!("health: [{}]", probes.join(", ")));
}

#[test]
fn a_probe_of_a_service_that_is_content_changes_nothing() {
    let world = World::small();
    site(&world, &[probe(&world, "answers", Some("First"), "first"), probe(&world, "all", None, "second")]);
    world.rollback(&[]).ends(0);
}

#[test]
fn a_probe_of_a_service_that_is_not_content_puts_everything_back() {
    let world = World::small();
    site(&world, &[probe(&world, "answers", Some("First"), "nobody")]);
    let run = put_back(&world, &[]);
    assert_eq!(run.error_code(), "BKO-2008");
    assert!(run.json["error"]["message"].as_str().unwrap().contains("answers"), "{run:?}");
    assert_eq!(world.running(), [true, true]);
    assert!(
        run.json["warnings"].to_string().contains("BKO-4011"),
        "on the old files it is a warning: {run:?}"
    );
}

#[test]
fn a_probe_of_a_service_that_was_found_stopped_is_not_run() {
    let world = World::small();
    site(&world, &[probe(&world, "answers", Some("Second"), "nobody")]);
    world.services.ctl("stop", "second");
    world.rollback(&[]).ends(0);
    assert_eq!(world.running(), [true, false]);
}

#[test]
fn a_probe_or_an_image_of_a_service_that_the_profile_does_not_have_is_refused() {
    let world = World::small();
    site(&world, &[probe(&world, "answers", Some("Third"), "first")]);
    refused(&world, 10, "Third", &[]);
    world.write_site(&SERVICES, "images: { \"Fourth\": \"server\" }");
    refused(&world, 10, "Fourth", &[]);
}

#[test]
fn a_profile_whose_probe_or_image_cannot_be_meant_is_refused() {
    let mut world = World::small();
    let text = std::fs::read_to_string(&world.profile).unwrap();
    let file = world.path().join("odd.ron");
    world.profile = file.to_str().unwrap().to_owned();
    for (from, to, says) in [
        ("(name: \"First\")", "(name: \"First\", image: \"bin/server\")", "bin/server"),
        ("timeouts:", "health: [(name: \"p\", service: \"Third\", run: [\"/x\"])], timeouts:", "Third"),
    ] {
        write(&file, text.replace(from, to));
        refused(&world, 10, says, &[]);
    }
}
