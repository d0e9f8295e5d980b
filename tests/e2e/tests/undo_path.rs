//! Undo of any finished run in any order that is still consistent, and of single files of one.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::TreeSpec;
use backout_kit::{Run, ServerProtect, World, snapshot};
use std::fs;

fn content(world: &World, name: &str) -> String {
    fs::read_to_string(world.home.join("live").join(name)).unwrap()
}

fn id(run: &Run) -> String {
    run.json["run_id"].as_str().unwrap().to_owned()
}

/// Fails unless the trees are the same.
#[track_caller]
fn same(world: &World, before: &snapshot::Snapshot) {
    let after = world.files();
    assert!(after == *before, "{}", snapshot::differences(before, &after).join("\n"));
}

#[test]
fn one_file_of_a_run_is_taken_back_with_its_backup_and_a_warning_of_the_mixed_state() {
    let world = World::small();
    let before = world.files();
    let run = id(&world.rollback(&[]).ends(0));
    let undo = world.plain(&["undo", &run, "--path", "live/a.conf"]).ends(0);
    assert_eq!((content(&world, "a.conf"), content(&world, "b.conf")), ("patched a".into(), "old b".into()));
    assert_eq!(
        fs::read_to_string(world.home.join("backup/a.conf")).unwrap(),
        "old a",
        "its backup is back too"
    );
    assert!(!world.home.join("backup/b.conf").exists());
    let warning = undo.json["warnings"].to_string();
    assert!(
        warning.contains("BKO-4052") && warning.contains("mixed state") && warning.contains(&run),
        "{warning}"
    );
    assert!(
        warning.contains("and 9 of its changes stay"),
        "a new folder comes and goes with what is in it: {warning}"
    );
    // The rest, later: the run counts as undone only now.
    world.plain(&["undo"]).ends(0);
    same(&world, &before);
    assert_eq!(world.plain(&["undo", &run]).ends(10).error_code(), "BKO-1064");
}

#[test]
fn several_files_of_a_run_are_taken_back_and_can_be_rolled_back_again() {
    let world = World::small();
    world.rollback(&[]).ends(0);
    let rolled = world.files();
    let path = world.home.join("live").join("b.conf");
    world.plain(&["undo", "--path", "live/a.conf", path.to_str().unwrap()]).ends(0);
    assert_eq!(
        (content(&world, "a.conf"), content(&world, "b.conf")),
        ("patched a".into(), "patched b".into())
    );
    assert_eq!(content(&world, "sub/c.conf"), "old c");
    world.rollback(&[]).ends(0);
    same(&world, &rolled);
}

#[test]
fn a_file_comes_back_with_the_folders_above_it_that_the_run_took_away() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let (kept, other) = (sp.tree.home.join("HotFix/sub/deep/a.dll"), sp.tree.home.join("HotFix/sub/b.dll"));
    let elsewhere = sp.tree.home.join("HotFix/elsewhere/c.dll");
    backout_kit::write(&elsewhere, "waiting c");
    backout_kit::write(&kept, "waiting a");
    backout_kit::write(&other, "waiting b");
    sp.world.rollback(&["--clear-hotfix"]).ends(0);
    assert!(!kept.exists() && !other.exists());
    sp.world.plain(&["undo", "--path", "sub/deep/a.dll"]).ends(0);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "waiting a");
    assert!(!other.exists() && !elsewhere.parent().unwrap().exists());
    // What somebody has put there since is not the undo's to change.
    backout_kit::write(&other, "mine");
    let refused = sp.world.plain(&["undo"]).ends(10);
    assert!(refused.json["error"]["message"].as_str().unwrap().contains("b.dll"), "{refused:?}");
    fs::remove_file(&other).unwrap();
    sp.world.plain(&["undo"]).ends(0);
    assert_eq!(fs::read_to_string(&other).unwrap(), "waiting b");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "waiting c");
}

#[test]
fn a_dry_run_and_a_path_of_no_file_change_nothing() {
    let world = World::small();
    let run = id(&world.rollback(&[]).ends(0));
    let rolled = world.files();
    let dry = world.plain(&["undo", &run, "--dry-run", "--path", "live/a.conf"]).ends(0);
    assert_eq!(dry.json["counts"]["replaced"], 1);
    let refused = world.plain(&["undo", &run, "--path", "nothing.conf"]).ends(10);
    assert_eq!(refused.error_code(), "BKO-1141");
    assert!(
        refused.json["error"]["message"].as_str().unwrap().contains("--path nothing.conf"),
        "{refused:?}"
    );
    same(&world, &rolled);
}

#[test]
fn runs_of_components_that_share_no_file_are_undone_in_any_order() {
    let sp = ServerProtect::new(&TreeSpec { information_server: false, ..TreeSpec::default() });
    let before = sp.world.files();
    let first = id(&sp.world.rollback(&["--component", "cm-agent"]).ends(0));
    let middle = sp.world.files();
    let second = id(&sp.world.rollback(&["--component", "normal-server"]).ends(0));
    sp.world.plain(&["undo", &first]).ends(0);
    sp.world.plain(&["undo", &second]).ends(0);
    same(&sp.world, &before);
    // And the other way round.
    let first = id(&sp.world.rollback(&["--component", "cm-agent"]).ends(0));
    same(&sp.world, &middle);
    let second = id(&sp.world.rollback(&["--component", "normal-server"]).ends(0));
    sp.world.plain(&["undo", &second]).ends(0);
    sp.world.plain(&["undo", &first]).ends(0);
    same(&sp.world, &before);
}

#[test]
fn what_a_later_run_put_on_top_is_named_file_and_run() {
    let world = World::small();
    let first = id(&world.rollback(&[]).ends(0));
    // Patched again, with other files, and rolled back from other backups.
    let aside = world.path().join("aside");
    fs::create_dir_all(&aside).unwrap();
    fs::write(aside.join("a.conf"), "older a").unwrap();
    fs::write(world.home.join("live/a.conf"), "patched a").unwrap();
    let from = format!("dir:{}", aside.display());
    let second = id(&world.rollback(&["--from", &from]).ends(0));
    assert_eq!(content(&world, "a.conf"), "older a");
    let top = world.files();
    let refused = world.plain(&["undo", &first]).ends(10);
    assert_eq!(refused.error_code(), "BKO-1065");
    let message = refused.json["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("a.conf") && message.contains(&second) && !message.contains("b.conf"),
        "{message}"
    );
    assert!(refused.json["error"]["help"].as_str().unwrap().contains(&format!("backout undo {second}")));
    same(&world, &top);
    // What is neither's is nobody's.
    fs::write(world.home.join("live/a.conf"), "mine").unwrap();
    let refused = world.plain(&["undo", &first]).ends(10);
    let message = refused.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("a.conf") && !message.contains(&second), "{message}");
    fs::write(world.home.join("live/a.conf"), "older a").unwrap();
    // Single files that nothing lies on can be taken back all the same.
    world.plain(&["undo", &first, "--path", "live/b.conf"]).ends(0);
    assert_eq!(
        (content(&world, "a.conf"), content(&world, "b.conf")),
        ("older a".into(), "patched b".into())
    );
    world.plain(&["undo", &second]).ends(0);
    fs::write(world.home.join("live/a.conf"), "old a").unwrap();
    world.plain(&["undo", &first]).ends(0);
    assert_eq!(content(&world, "sub/c.conf"), "patched c");
}

#[test]
fn what_somebody_else_changed_is_named_without_a_run() {
    let world = World::small();
    let run = id(&world.rollback(&[]).ends(0));
    fs::write(world.home.join("live/a.conf"), "mine").unwrap();
    let refused = world.plain(&["undo", &run]).ends(10);
    let message = refused.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("a.conf") && !message.contains("changed it later"), "{message}");
}

#[test]
fn a_request_for_some_files_is_not_one_for_all() {
    let world = World::small();
    let run = id(&world.rollback(&[]).ends(0));
    let part = ["undo", &run, "--path", "live/a.conf", "--request-id", "k"];
    let done = id(&world.plain(&part).ends(0));
    let again = world.plain(&part).ends(0);
    assert_eq!((id(&again), &again.json["data"]["replayed"]), (done, &true.into()));
    world.plain(&["undo", &run, "--request-id", "k"]).ends(64);
}
