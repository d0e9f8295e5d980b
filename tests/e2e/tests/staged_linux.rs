//! Stage by day, commit by night: rights, as Linux has them, and actions of plugins.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use backout_e2e::{snapshots, staged};
use backout_kit::{Run, World, deeds};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

#[test]
fn rights_that_were_changed_since_are_kept() {
    let world = World::small();
    let live = world.home.join("live/a.conf");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let (b, modified) =
        (mode(&world.home.join("live/b.conf")), fs::metadata(&live).unwrap().modified().unwrap());
    staged(&world, &[]);
    fs::set_permissions(&live, Permissions::from_mode(0o600)).unwrap();
    world.plain(&["commit"]).ends(0);
    assert_eq!((mode(&live), mode(&world.home.join("live/b.conf"))), (0o600, b));
    assert_eq!(fs::read_to_string(&live).unwrap(), "old a");
    assert_eq!(fs::metadata(&live).unwrap().modified().unwrap(), modified, "times are the backup's");
    world.plain(&["undo"]).ends(0);
    assert_eq!((mode(&live), fs::read_to_string(&live).unwrap()), (0o600, "patched a".to_owned()));
}

#[test]
fn actions_are_staged_with_their_memo_and_looked_at_again() {
    let world = deeds::world();
    let before = world.files();
    let id = staged(&world, &[]);
    let one = world.home.join("live/one.txt");
    let text = fs::read(&one).unwrap();
    fs::write(&one, "somebody else's").unwrap();
    let run = world.plain(&["commit"]).ends(12);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("deeds"), "{run:?}");
    fs::write(&one, text).unwrap();
    world.plain(&["commit", &id]).ends(0);
    assert_eq!(fs::read_to_string(&one).unwrap(), "new one");
    world.plain(&["undo"]).ends(0);
    assert_eq!(world.files().len(), before.len());
}

#[test]
fn what_a_run_that_is_staged_leaves_undone_is_said_when_it_is_staged_and_as_long_as_it_waits() {
    let world = deeds::world();
    let id = snapshots::taken(&world, &[]);
    fs::write(world.home.join("live/a.conf"), "other").unwrap();
    let staging = world.rollback(&["--from", &format!("snapshot:{id}"), "--stage-only"]);
    for run in [staging, world.plain(&["recover"])] {
        let run = run.ends(0);
        let warnings = run.json["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|w| w["code"] == "BKO-4054"), "{run:?}");
    }
}

#[test]
fn whatever_refuses_a_commit_before_its_window_names_the_run_that_waits_on() {
    let world = World::small();
    let before = world.files();
    let id = staged(&world, &[]);
    let waits = |run: &Run| {
        assert_eq!(run.json["run_id"], id.as_str(), "{run:?}");
        assert!(world.files() == before && world.running() == [true, true]);
        assert_eq!(world.plain(&["status"]).ends(21).json["outcome"], "staged");
    };
    let mut refused = 0;
    for call in 1..60 {
        world.services.fail(call..=9999);
        let run = world.plain(&["commit"]);
        world.services.mended(call);
        if run.code != Some(10) {
            break;
        }
        waits(&run);
        refused += 1;
    }
    assert!((4..59).contains(&refused), "only {refused} calls come before the window");
}

#[test]
fn a_commit_without_what_it_staged_names_the_run_that_waits_on() {
    let world = World::small();
    let before = world.files();
    let id = staged(&world, &[]);
    let staging = world.home.join("live").join(format!(".backout-{id}"));
    let away = world.path().join("away");
    fs::rename(&staging, &away).unwrap();
    let run = world.plain(&["commit"]).ends(10);
    assert_eq!(run.json["run_id"], id.as_str(), "{run:?}");
    assert_eq!(world.files(), before);
    fs::rename(&away, &staging).unwrap();
    world.plain(&["commit"]).ends(0);
}
