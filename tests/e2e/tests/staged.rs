//! Stage by day, commit by night.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::{snapshots, staged};
use backout_kit::{Run, World, snapshot, write};
use std::{fs, path::Path};

const SERVICES: [(&str, &str); 2] = [("First", "first"), ("Second", "second")];

/// The small product, whose backups stay where they are.
fn with_kept_backups() -> World {
    let world = World::small();
    let profile = fs::read_to_string(&world.profile).unwrap();
    fs::write(&world.profile, profile.replace("consume: true", "consume: false")).unwrap();
    world
}

/// A name in a folder, as it is printed.
fn within(folder: &str, name: &str) -> String {
    Path::new(folder).join(name).display().to_string()
}

#[track_caller]
fn is_new(world: &World) {
    for name in ["a.conf", "b.conf", "sub/c.conf", "new/deep/d.conf"] {
        let text = fs::read_to_string(world.home.join("live").join(name)).unwrap();
        assert!(text.starts_with("old "), "{name}: {text}");
    }
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
}

/// The commit is refused as stale, names what drifted, and has touched nothing; the run waits on.
#[track_caller]
fn stale(world: &World, id: &str, names: &str) -> Run {
    let before = world.files();
    world.services.clear_log();
    let run = world.plain(&["commit", id]).ends(12);
    assert_eq!((&run.json["changed"], &run.json["run_id"]), (&false.into(), &id.into()), "{run:?}");
    let message = run.json["error"]["message"].as_str().unwrap();
    assert!(message.contains(names), "`{names}` is not in {message}");
    assert!(world.files() == before && !world.services.log().iter().any(|l| l.starts_with("st")), "{run:?}");
    assert_eq!(world.plain(&["status"]).ends(21).json["outcome"], "staged");
    run
}

#[test]
fn what_is_staged_by_day_is_committed_by_night_and_can_be_undone() {
    let world = World::small();
    let before = world.files();
    let id = staged(&world, &[]);
    let status = world.plain(&["status"]).ends(21);
    assert_eq!(
        (&status.json["data"]["open"]["run"], &status.json["outcome"]),
        (&id.as_str().into(), &"staged".into())
    );
    assert!(status.json["error"]["help"].as_str().unwrap().contains(&format!("`backout commit {id}`")));
    let dry = world.plain(&["commit", "--dry-run"]).ends(0);
    assert_eq!((&dry.json["counts"]["replaced"], &dry.json["run_id"]), (&3.into(), &id.as_str().into()));
    assert!(world.files() == before && world.services.log().is_empty(), "a dry run changes nothing");
    assert_eq!(world.plain(&["recover"]).ends(0).json["counts"], dry.json["counts"]);
    let run = world.plain(&["commit", &id]).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["run_id"]), (&"done".into(), &id.as_str().into()), "{run:?}");
    assert!(run.json["window_ms"].is_u64() && run.json["changed"] == true);
    assert_eq!(run.json["counts"], dry.json["counts"]);
    is_new(&world);
    let log = world.services.log();
    assert_eq!(log.iter().filter(|l| l.starts_with("stop")).count(), 2, "{log:?}");
    // Once more is nothing to do; and the run is in the history like any other.
    let again = world.plain(&["commit", &id[..20]]).ends(0);
    assert_eq!((&again.json["outcome"], &again.json["changed"]), (&"nothing-to-do".into(), &false.into()));
    assert_eq!(world.plain(&["commit"]).ends(10).error_code(), "BKO-5201");
    assert_eq!(world.plain(&["show", &id]).ends(0).json["data"]["fate"], "committed");
    world.plain(&["undo", &id]).ends(0);
    assert_eq!(world.files(), before);
    assert_eq!(world.plain(&["commit", &id]).ends(10).error_code(), "BKO-5203");
}

#[test]
fn a_run_that_waits_is_left_be_by_whatever_does_not_mean_it() {
    let world = World::small();
    let id = staged(&world, &[]);
    let left = snapshot::leftovers(&world.home);
    assert!(!left.is_empty());
    for recover in
        [&["recover"][..], &["recover", "--boot=files"], &["recover", "--boot=services"], &["recover"]]
    {
        let run = world.plain(recover).ends(0);
        assert_eq!((&run.json["outcome"], &run.json["run_id"]), (&"staged".into(), &id.as_str().into()));
    }
    for refused in [world.rollback(&[]), world.rollback(&["--stage-only"]), world.plain(&["undo"])] {
        let refused = refused.ends(21);
        assert_eq!((refused.error_code(), &refused.json["outcome"]), ("BKO-5200", &"staged".into()));
        assert_eq!(refused.json["run_id"], id.as_str());
        assert!(refused.json["error"]["help"].as_str().unwrap().contains(&format!("`backout commit {id}`")));
    }
    assert_eq!(world.verb("plan", &[]).ends(21).error_code(), "BKO-5200");
    world.verb("verify", &[]).ends(0);
    assert_eq!(world.verb("doctor", &[]).json["data"]["rollback"]["possible"], "whole");
    world.plain(&["history"]).ends(0);
    world.plain(&["history", "prune", "--keep", "0", "--days", "0", "--yes"]).ends(0);
    world.plain(&["history", "prune"]).ends(0);
    snapshots::taken(&world, &[]);
    assert_eq!(snapshot::leftovers(&world.home), left);
    // A service that was stopped meanwhile is left stopped, one that was started again is none the wiser.
    world.services.ctl("stop", "second");
    world.services.ctl("stop", "first");
    world.services.ctl("start", "first");
    world.plain(&["commit"]).ends(0);
    assert_eq!(world.running(), [true, false]);
    assert_eq!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "old a");
}

#[test]
fn a_target_that_drifts_is_named_and_can_be_mended() {
    let world = World::small();
    let id = staged(&world, &[]);
    write(&world.home.join("live/a.conf"), "edited");
    let run = stale(&world, &id, &within("live", "a.conf"));
    let message = run.json["error"]["message"].as_str().unwrap();
    assert!(!message.contains(&within("backup", "a.conf")), "that is as it was: {message}");
    write(&world.home.join("live/a.conf"), "patched a");
    fs::remove_file(world.home.join("live/b.conf")).unwrap();
    stale(&world, &id, &within("live", "b.conf"));
    write(&world.home.join("live/b.conf"), "patched b");
    world.plain(&["commit", &id]).ends(0);
    is_new(&world);
}

#[test]
fn a_backup_that_drifts_is_named() {
    let world = with_kept_backups();
    let id = staged(&world, &[]);
    for (name, text) in [("b.conf", "old b"), ("gone.conf", "old gone")] {
        let backup = world.home.join("backup").join(name);
        write(&backup, "other");
        stale(&world, &id, &within("backup", name));
        fs::remove_file(&backup).unwrap();
        stale(&world, &id, name);
        write(&backup, text);
    }
    // Each of what has changed once, and no target because of another's backup.
    write(&world.home.join("backup/b.conf"), "other");
    write(&world.home.join("live/a.conf"), "edited");
    let both = stale(&world, &id, &within("live", "a.conf"));
    assert_eq!(both.json["error"]["message"].as_str().unwrap().matches("b.conf").count(), 1, "{both:?}");
    write(&world.home.join("backup/b.conf"), "old b");
    write(&world.home.join("live/a.conf"), "patched a");
    write(&world.home.join("backup/more.conf"), "one more");
    stale(&world, &id, "more.conf");
    fs::remove_file(world.home.join("backup/more.conf")).unwrap();
    world.plain(&["commit", &id]).ends(0);
    is_new(&world);
}

#[test]
fn what_lies_staged_is_read_once_more() {
    let world = World::small();
    let id = staged(&world, &[]);
    let slot = fs::read_dir(world.home.join("live").join(format!(".backout-{id}"))).unwrap();
    let slot = slot.map(|e| e.unwrap().path()).find(|p| p.to_str().unwrap().ends_with("-a.conf")).unwrap();
    let good = fs::read(&slot).unwrap();
    fs::write(&slot, "old x").unwrap();
    stale(&world, &id, slot.to_str().unwrap());
    fs::write(&slot, good).unwrap();
    world.plain(&["commit"]).ends(0);
    is_new(&world);
}

#[test]
fn profile_site_and_a_services_image_are_what_they_were() {
    let world = World::small();
    let id = staged(&world, &[]);
    world.write_site(&SERVICES, "images: { \"First\": \"other\" },");
    stale(&world, &id, "probes have changed");
    world.write_site(&SERVICES, "timeouts: (stop: 7),");
    stale(&world, &id, "waiting times");
    world.write_site(&SERVICES, "");
    let profile = fs::read_to_string(&world.profile).unwrap();
    fs::write(&world.profile, format!("{profile}\n// one more line\n")).unwrap();
    stale(&world, &id, "profile");
    fs::write(&world.profile, profile).unwrap();
    world.plain(&["commit"]).ends(0);
    is_new(&world);
}

#[test]
fn a_run_that_is_called_off_leaves_nothing_behind() {
    let world = World::small();
    let before = world.files();
    let id = staged(&world, &[]);
    let run = world.plain(&["recover", "--cancel-staged"]).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"rolled-back".into(), &false.into()));
    assert_eq!(world.files(), before);
    assert!(snapshot::leftovers(&world.home).is_empty() && world.services.log().is_empty());
    world.plain(&["status"]).ends(0);
    let over = world.plain(&["commit", &id]).ends(10);
    assert!(
        over.error_code() == "BKO-5203" && over.json["error"].to_string().contains("called off"),
        "{over:?}"
    );
    assert_eq!(world.plain(&["recover", "--cancel-staged"]).ends(0).json["outcome"], "nothing-to-do");
    world.rollback(&[]).ends(0);
    is_new(&world);
}

#[test]
fn a_commit_of_something_else_says_what_waits() {
    let world = World::small();
    assert_eq!(world.plain(&["commit"]).ends(10).error_code(), "BKO-5201");
    assert_eq!(world.plain(&["commit", "01jd"]).ends(10).error_code(), "BKO-5202");
    let id = staged(&world, &[]);
    for wrong in ["zzz", "", "..", "../x"] {
        let run = world.plain(&["commit", wrong]).ends(10);
        assert_eq!(run.error_code(), "BKO-5202");
        assert!(run.json["error"]["message"].as_str().unwrap().contains(&id), "{run:?}");
    }
    let mut unasked = world.command(&["commit", "--json"]);
    assert_eq!(Run::to_its_end(&mut unasked).ends(10).error_code(), "BKO-1067");
    assert_eq!(world.plain(&["status"]).ends(21).json["outcome"], "staged");
}

#[test]
fn a_commit_of_a_run_that_is_over_leaves_the_one_that_waits() {
    let world = with_kept_backups();
    let over = world.rollback(&[]).ends(0).json["run_id"].as_str().unwrap().to_owned();
    write(&world.home.join("live/a.conf"), "patched a");
    let waits = staged(&world, &[]);
    let before = world.files();
    let run = world.plain(&["commit", &over]).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["run_id"]), (&"nothing-to-do".into(), &over.as_str().into()));
    assert_eq!(world.files(), before);
    world.plain(&["commit", &waits]).ends(0);
    is_new(&world);
}

#[test]
fn a_commit_that_is_refused_before_its_window_can_be_tried_again() {
    let world = World::small();
    let before = world.files();
    let id = staged(&world, &[]);
    let late = world.plain(&["commit", "--timeout", "0"]).ends(10);
    assert_eq!((late.error_code(), &late.json["run_id"]), ("BKO-5207", &id.as_str().into()));
    world.services.fault("second", "nonsense");
    assert_eq!(world.plain(&["commit"]).ends(10).json["run_id"], id.as_str());
    world.services.mend("second", "nonsense");
    assert!(world.files() == before && world.plain(&["status"]).json["outcome"] == "staged");
    world.plain(&["commit"]).ends(0);
    is_new(&world);
}

#[test]
fn a_commit_that_fails_in_its_window_ends_like_a_rollback() {
    let world = World::small();
    let before = world.files();
    staged(&world, &[]);
    world.services.fault("second", "refuse-stop");
    let run = world.plain(&["commit"]).ends(20);
    assert_eq!(run.json["outcome"], "rolled-back");
    assert_eq!((world.files(), world.running()), (before.clone(), vec![true, true]));
    assert!(snapshot::leftovers(&world.home).is_empty());
    world.services.mend("second", "refuse-stop");
    // A probe that is not content with whatever it finds.
    let status = world.services.command("status", "nobody");
    world.write_site(&SERVICES, &format!("health: [(name: \"answers\", run: {status})],"));
    staged(&world, &[]);
    assert_eq!(world.plain(&["commit"]).ends(20).error_code(), "BKO-2008");
    assert!(world.files() == before && snapshot::leftovers(&world.home).is_empty());
}

#[test]
fn a_commit_whose_process_dies_is_settled_by_its_parent_or_by_recover() {
    for (verb, code, parent) in
        [("stop", 20, true), ("start", 0, true), ("stop", 0, false), ("start", 0, false)]
    {
        let world = World::small();
        let before = world.files();
        let id = staged(&world, &[]);
        world.services.kills("first", verb);
        let run = match parent {
            true => world.plain(&["commit"]),
            false => {
                world.plain(&["commit", "--no-parent"]);
                world.plain(&["status"]).ends(21);
                world.plain(&["recover"])
            }
        };
        let run = run.ends(code);
        let outcome = if verb == "stop" { "rolled-back" } else { "completed" };
        assert_eq!(
            (&run.json["outcome"], &run.json["run_id"]),
            (&outcome.into(), &id.as_str().into()),
            "{run:?}"
        );
        match verb {
            "stop" => assert!(world.files() == before && world.running() == [true, true]),
            _ => is_new(&world),
        }
        world.plain(&["status"]).ends(0);
    }
}

#[test]
fn the_same_request_stages_once() {
    let world = World::small();
    let ask = ["--stage-only", "--request-id", "tonight"];
    let id = staged(&world, &ask[1..]);
    let again = world.rollback(&ask).ends(0);
    assert_eq!((&again.json["run_id"], &again.json["data"]["replayed"]), (&id.as_str().into(), &true.into()));
    let other: Vec<&str> = ask.iter().copied().chain(["--start-all"]).collect();
    world.rollback(&other).ends(64);
    world.plain(&["commit"]).ends(0);
    let after = world.rollback(&ask).ends(0);
    assert_eq!((&after.json["run_id"], &after.json["outcome"]), (&id.as_str().into(), &"done".into()));
}

#[test]
fn a_commit_without_its_profile_says_that_the_run_still_waits() {
    let world = World::small();
    let id = staged(&world, &[]);
    let profile = fs::read(&world.profile).unwrap();
    fs::remove_file(&world.profile).unwrap();
    let refused = world.plain(&["commit"]).ends(10);
    let message = refused.json["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("{id} still waits")), "{message}");
    assert_eq!(refused.json["run_id"], id.as_str());
    write(Path::new(&world.profile), profile);
    world.plain(&["commit"]).ends(0);
}

#[test]
fn the_same_request_commits_once_and_tells_it_again() {
    let world = World::small();
    let id = staged(&world, &[]);
    let drifted = world.home.join("live/a.conf");
    let was = fs::read(&drifted).unwrap();
    write(&drifted, "drift");
    let ask = ["commit", "--request-id", "tonight"];
    world.plain(&ask).ends(12);
    write(&drifted, &was);
    let first = world.plain(&ask).ends(0);
    for named in [&ask[..], &["commit", &id, "--request-id", "tonight"]] {
        let again = world.plain(named).ends(0);
        assert_eq!(again.json["data"]["replayed"], true);
        assert_eq!((&again.json["run_id"], &again.json["changed"]), (&first.json["run_id"], &true.into()));
    }
    world.plain(&["commit", "--request-id", "another"]).ends(10);
    world.plain(&["undo"]).ends(0);
}

#[test]
fn a_generation_can_be_staged_too_and_its_snapshot_stays() {
    let world = World::small();
    let before = world.files();
    let first = snapshots::taken(&world, &[]);
    write(&world.home.join("live/a.conf"), "other");
    write(&world.home.join("live/added.conf"), "new");
    let id = staged(&world, &["--from", &format!("snapshot:{first}")]);
    snapshots::taken(&world, &[]);
    assert_eq!(snapshots::call(&world, &["drop", &first]).ends(10).error_code(), "BKO-1124");
    write(&world.home.join("live/late.conf"), "newer");
    stale(&world, &id, "late.conf");
    fs::remove_file(world.home.join("live/late.conf")).unwrap();
    world.plain(&["commit"]).ends(0);
    assert!(world.files() == before, "{}", snapshot::differences(&world.files(), &before).join("\n"));
}
