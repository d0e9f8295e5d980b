//! Health checks that take a shell to go wrong.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::put_back;
use backout_kit::{World, place, write};
use std::{fs, path::Path};

/// The small product whose first service is a program of its own folder.
fn with_image() -> World {
    let world = World::small();
    let server = world.home.join("bin/server");
    fs::create_dir(server.parent().unwrap()).unwrap();
    place::program(Path::new("/bin/sleep"), &server);
    fs::write(world.services.dir().join("first.image"), server.to_str().unwrap()).unwrap();
    for verb in ["stop", "start"] {
        assert_eq!(world.services.ctl(verb, "first"), 0);
    }
    world
}

/// Lets the first service start something else as long as its files are the old ones.
fn starts_something_else(world: &World) {
    let (dir, home) = (world.services.dir().display(), world.home.display());
    world.services.hook(
        "first",
        "start",
        &format!(
            "if grep -q old {home}/live/a.conf; then echo {dir}/holder >{dir}/first.image; \
             else echo {home}/bin/server >{dir}/first.image; fi"
        ),
    );
}

#[test]
fn a_service_that_runs_its_expected_image_is_well() {
    let world = with_image();
    world.write_site(&[("First", "first"), ("Second", "second")], "images: { \"First\": \"SERVER\" }");
    world.rollback(&[]).ends(0);
}

#[test]
fn a_service_that_runs_something_else_puts_everything_back() {
    let mut world = with_image();
    world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (start: 6, settle: 0)");
    let profile = fs::read_to_string(&world.profile).unwrap();
    let file = world.path().join("image.ron");
    write(&file, profile.replace("(name: \"First\")", "(name: \"First\", image: \"server\")"));
    world.profile = file.to_str().unwrap().to_owned();
    starts_something_else(&world);
    let run = put_back(&world, &[]);
    assert_eq!(run.error_code(), "BKO-2035");
    let message = run.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("First") && message.contains("server"), "{message}");
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn a_service_that_dies_within_the_settle_time_puts_everything_back() {
    let world = World::small();
    world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (settle: 5)");
    let (dir, home) = (world.services.dir().display(), world.home.display());
    // It is seen running, and dies a moment later; on the old files it stays.
    world.services.hook(
        "second",
        "start",
        &format!(
            "if grep -q old {home}/live/a.conf; then : >{dir}/second.die; else rm -f {dir}/second.die; fi"
        ),
    );
    let run = put_back(&world, &[]);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("Second"), "{run:?}");
    assert_eq!(world.running(), [true, true]);
}
