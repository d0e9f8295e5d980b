//! Actions: what plugins do themselves is done, or taken back, with the files of the run; whatever goes wrong.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{
    Run, Running, Snapshot, World,
    deeds::{self, asked, ctl, tell, texts},
};
use std::fs;

/// Not long for somebody who never answers, and long for whoever does; else as long as it takes.
fn patience(how: &str) -> &'static [&'static str] {
    if how == "hang" { &["--plugin-timeout", "8"] } else { &[] }
}

fn old() -> [Option<String>; 2] {
    [Some("old one".to_owned()), None]
}
fn new() -> [Option<String>; 2] {
    ["new one", "new two"].map(|text| Some(text.to_owned()))
}

#[track_caller]
fn is_old(world: &World, before: &Snapshot) {
    assert_eq!(texts(world), old());
    assert_eq!(&world.files(), before);
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
}

#[track_caller]
fn is_new(world: &World) {
    assert_eq!(texts(world), new());
    assert_eq!(fs::read_to_string(world.home.join("live/b.conf")).unwrap(), "old b");
    assert_eq!(world.running(), [true, true]);
    world.plain(&["status"]).ends(0);
}

fn message(run: &Run) -> String {
    run.json["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_run_with_actions_and_its_undo_go_round_in_a_circle() {
    let world = deeds::world();
    let before = world.files();
    let done = world.rollback(&[]).ends(0);
    assert_eq!((&done.json["counts"]["actions"], &done.json["changed"]), (&2.into(), &true.into()));
    is_new(&world);
    let shown = world.plain(&["show", done.json["run_id"].as_str().unwrap()]).ends(0);
    let records = shown.json["data"]["records"].as_array().unwrap();
    let acting: Vec<&str> = records.iter().filter_map(|r| r["record"].as_str()).collect();
    let acting: Vec<&str> = acting.into_iter().filter(|r| r.starts_with("Appl")).collect();
    assert_eq!(acting, ["Applying", "Applied", "Applying", "Applied"]);
    // Without any plugin folder: the run keeps what it needs.
    fs::remove_dir_all(&world.plugins).unwrap();
    let undone = world.plain(&["undo"]).ends(0);
    assert_eq!(undone.json["counts"]["actions"], 2);
    assert_eq!(texts(&world), old());
    let mut after = world.files();
    // What the backup folder's undo brings back is there; folders that the run made are gone.
    after.retain(|name, _| before.contains_key(name));
    assert_eq!(after, before);
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn where_plugins_must_be_pinned_the_copies_that_a_run_keeps_need_no_pin() {
    let world = deeds::world();
    let before = world.files();
    world.rollback(&["--require-pinned"]).ends(10);
    assert_eq!(world.files(), before);
    for entry in fs::read_dir(&world.plugins).unwrap() {
        let library = entry.unwrap().path();
        world.plain(&["plugin", "trust", library.to_str().unwrap()]).ends(0);
    }
    world.rollback(&["--require-pinned"]).ends(0);
    is_new(&world);
    fs::remove_dir_all(&world.plugins).unwrap();
    world.plain(&["undo", "--require-pinned"]).ends(0);
    assert_eq!(texts(&world), old());
}

#[test]
fn a_plan_names_actions_and_a_saved_one_binds_them() {
    let world = deeds::world();
    let before = world.files();
    let file = world.path().join("plan.ron");
    let planned = world.verb("plan", &["-o", file.to_str().unwrap()]).ends(0);
    assert_eq!(planned.json["counts"]["actions"], 2);
    let profile = fs::read_to_string(&world.profile).unwrap();
    let other = profile.replace("new two", "newer two");
    fs::write(&world.profile, other).unwrap();
    let stale = world.rollback(&["--plan", file.to_str().unwrap()]).ends(12);
    assert!(message(&stale).contains("the action write (deeds) is another"), "{}", message(&stale));
    is_old(&world, &before);
}

#[test]
fn an_action_that_dies_hangs_or_fails_is_undone_with_everything_else() {
    for (how, says) in [
        ("die", "was ended by SIGABRT"),
        ("half", "was ended by SIGABRT"),
        ("late", "was ended by SIGABRT"),
        ("hang", "no answer within 8 s"),
        ("fail", "it was told to fail"),
    ] {
        let world = deeds::world();
        let before = world.files();
        tell(&world, "apply", how);
        let run = world.rollback(patience(how)).ends(20);
        assert_eq!(run.error_code(), "BKO-2031", "{how}");
        assert!(message(&run).contains(says), "{how}: {}", message(&run));
        is_old(&world, &before);
    }
}

#[test]
fn an_action_that_cannot_be_prepared_stops_no_service() {
    for (operation, how) in [("prepare", "die"), ("prepare", "fail"), ("state", "between"), ("state", "die")]
    {
        let world = deeds::world();
        let before = world.files();
        world.services.clear_log();
        tell(&world, operation, how);
        let run = world.rollback(&[]).ends(10);
        assert_eq!(run.error_code(), "BKO-1111", "{operation} {how}");
        is_old(&world, &before);
        assert!(!world.services.log().iter().any(|line| line.contains("stop")), "{operation} {how}");
    }
}

#[test]
fn an_undo_that_dies_keeps_no_file_from_going_back_and_recover_ends_it_once_it_is_mended() {
    for how in ["die", "half", "hang"] {
        let world = deeds::world();
        let before = world.files();
        tell(&world, "apply", "half");
        tell(&world, "undo", how);
        let run = world.rollback(patience(how)).ends(22);
        assert_eq!(run.error_code(), "BKO-3020", "{how}");
        assert_eq!(fs::read_to_string(world.home.join("live/b.conf")).unwrap(), "patched b");
        assert_eq!(world.running(), [false, false], "{how}");
        let again = world.plain(&[&["recover"][..], patience(how)].concat()).ends(22);
        assert_eq!(again.error_code(), "BKO-3020", "{how}");
        tell(&world, "undo", "");
        world.plain(&["recover"]).ends(0);
        is_old(&world, &before);
    }
}

#[test]
fn what_looks_as_before_is_taken_back_all_the_same_as_nobody_knows_whether_it_is_on_the_medium() {
    let world = deeds::world();
    let before = world.files();
    tell(&world, "apply", "half");
    tell(&world, "undo", "die");
    world.rollback(&[]).ends(22);
    fs::write(world.home.join("live/one.txt"), "old one").unwrap();
    asked(&world);
    assert_eq!(world.plain(&["recover"]).ends(22).error_code(), "BKO-3020");
    tell(&world, "undo", "");
    let settled = world.plain(&["recover"]).ends(0);
    assert_eq!(settled.json["outcome"], "rolled-back");
    assert_eq!(asked(&world), ["undo live/one.txt", "undo live/one.txt"]);
    assert_eq!(texts(&world), old());
    assert!(world.files().keys().eq(before.keys()));
    assert_eq!(world.running(), [true, true]);
}

/// A run whose worker and plugin are both killed once the first action is done and before that is on record. Nobody
/// settles it.
fn killed_behind_the_first_action() -> (World, Snapshot) {
    let world = deeds::world();
    let before = world.files();
    tell(&world, "apply", "wait");
    let mut run = Running::start(&mut world.verb_command("rollback", &["--no-parent"]));
    run.until(|| ctl(&world, "reached").exists());
    run.child.kill().unwrap();
    run.to_its_end();
    tell(&world, "apply", "");
    (world, before)
}

#[test]
fn a_run_killed_between_an_action_and_its_record_asks_how_far_it_got() {
    let (world, _) = killed_behind_the_first_action();
    assert_eq!(world.plain(&["status"]).ends(21).json["outcome"], "unfinished");
    // The plugin's own folder is not needed. What was applied may be in the page cache alone, so it is applied again.
    fs::remove_dir_all(&world.plugins).unwrap();
    let settled = world.plain(&["recover"]).ends(0);
    assert_eq!(settled.json["outcome"], "completed");
    assert_eq!(asked(&world), ["apply live/one.txt", "apply live/one.txt", "apply live/two.txt"]);
    is_new(&world);
    world.plain(&["undo"]).ends(0);
    assert_eq!(texts(&world), old());
}

#[test]
fn an_action_in_between_after_a_crash_is_taken_back_with_everything_else() {
    let (world, before) = killed_behind_the_first_action();
    fs::write(world.home.join("live/one.txt"), "ha").unwrap();
    let settled = world.plain(&["recover"]).ends(0);
    assert_eq!(settled.json["outcome"], "rolled-back");
    is_old(&world, &before);
}

#[test]
fn a_plugin_that_cannot_say_how_far_it_got_leaves_the_run_to_a_person_with_every_file_back() {
    let (world, _) = killed_behind_the_first_action();
    tell(&world, "state", "die");
    world.plain(&["recover"]).ends(22);
    assert_eq!(fs::read_to_string(world.home.join("live/b.conf")).unwrap(), "patched b");
    let given_up = world.plain(&["recover", "--abandon"]).ends(0);
    let stands: Vec<&str> = given_up.json["data"]["actions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|a| a["stands"].as_str())
        .collect();
    assert_eq!(stands, ["in doubt: look at what it changes", "not done"]);
}

#[test]
fn a_copy_of_a_plugin_that_was_changed_is_not_run() {
    let (world, _) = killed_behind_the_first_action();
    let mut copies = Vec::new();
    for run in fs::read_dir(world.state.join("transactions")).unwrap() {
        copies.extend(fs::read_dir(run.unwrap().path().join("plugins")).unwrap().map(|f| f.unwrap().path()));
    }
    assert_eq!(copies.len(), 1, "{copies:?}");
    let mut bytes = fs::read(&copies[0]).unwrap();
    bytes.push(0);
    fs::write(&copies[0], bytes).unwrap();
    let stuck = world.plain(&["recover"]).ends(22);
    assert!(message(&stuck).contains("has changed"), "{}", message(&stuck));
}

#[test]
fn a_parent_settles_what_its_worker_left_with_an_action_under_way() {
    let world = deeds::world();
    let before = world.files();
    tell(&world, "apply", "wait");
    let mut run = Running::start(&mut world.verb_command("rollback", &[]));
    run.until(|| ctl(&world, "reached").exists());
    let children = format!("/proc/{0}/task/{0}/children", run.child.id());
    let worker = fs::read_to_string(children).unwrap();
    tell(&world, "apply", "");
    let killed = std::process::Command::new("/bin/kill").args(["-KILL", worker.trim()]).status();
    assert!(killed.unwrap().success());
    let run = run.to_its_end();
    match run.code {
        Some(0) => is_new(&world),
        Some(20) => is_old(&world, &before),
        other => panic!("{other:?}: {}", run.stderr),
    }
}

#[test]
fn an_undo_refuses_where_somebody_else_changed_what_an_action_changed() {
    let world = deeds::world();
    world.rollback(&[]).ends(0);
    fs::write(world.home.join("live/two.txt"), "somebody's").unwrap();
    let refused = world.plain(&["undo"]).ends(10);
    assert_eq!(refused.error_code(), "BKO-1112");
    assert_eq!(fs::read_to_string(world.home.join("live/two.txt")).unwrap(), "somebody's");
    // What is as before already is left alone.
    fs::remove_file(world.home.join("live/two.txt")).unwrap();
    let undone = world.plain(&["undo"]).ends(0);
    assert_eq!(undone.json["counts"]["actions"], 1);
    assert_eq!(texts(&world), old());
    // But it is in the run's records, and was looked at again before anything was changed.
    let run = undone.json["run_id"].as_str().unwrap();
    let actions = fs::read_to_string(world.state.join("history").join(run).join("actions.ron")).unwrap();
    assert!(actions.contains("live/two.txt"), "{actions}");
}

#[test]
fn an_undo_that_fails_leaves_the_run_as_it_was() {
    let world = deeds::world();
    world.rollback(&[]).ends(0);
    for how in ["die", "half", "late"] {
        tell(&world, "undo", how);
        let run = world.plain(&["undo"]).ends(20);
        assert_eq!(run.error_code(), "BKO-2031", "{how}");
        is_new(&world);
    }
    tell(&world, "undo", "");
    world.plain(&["undo"]).ends(0);
    assert_eq!(texts(&world), old());
}

#[test]
fn an_action_with_nothing_to_do_is_left_alone_and_so_is_its_undo() {
    let world = deeds::world();
    fs::write(world.home.join("live/two.txt"), "new two").unwrap();
    world.rollback(&[]).ends(0);
    is_new(&world);
    let undone = world.plain(&["undo"]).ends(0);
    assert_eq!(undone.json["counts"]["actions"], 1);
    assert_eq!(texts(&world), [Some("old one".to_owned()), Some("new two".to_owned())]);
}

#[test]
fn a_run_whose_actions_are_all_done_touches_no_service_and_hides_no_other_run_from_undo() {
    let world = deeds::world();
    let done = world.rollback(&[]).ends(0);
    world.services.clear_log();
    let again = world.rollback(&[]).ends(0);
    assert_eq!((&again.json["outcome"], &again.json["changed"]), (&"nothing-to-do".into(), &false.into()));
    assert!(!world.services.log().iter().any(|line| line.contains("stop")), "{:?}", world.services.log());
    assert_eq!(fs::read_dir(world.state.join("transactions")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(world.state.join("history")).unwrap().count(), 1);
    is_new(&world);
    let undone = world.plain(&["undo"]).ends(0);
    assert_eq!(undone.json["changed"], true);
    assert_eq!(texts(&world), old());
    world.plain(&["show", done.json["run_id"].as_str().unwrap()]).ends(0);
}

#[test]
fn what_is_left_of_a_removed_transaction_is_no_run_and_goes_with_the_next_verb() {
    let world = deeds::world();
    world.rollback(&[]).ends(0);
    let gone = world.state.join("transactions/.gone-01aryz6s410000000000000000");
    fs::create_dir(&gone).unwrap();
    fs::write(gone.join("journal"), "half of it").unwrap();
    world.plain(&["status"]).ends(0);
    world.plain(&["undo"]).ends(0);
    assert!(!gone.exists());
    assert_eq!(texts(&world), old());
}

#[test]
fn giving_up_a_run_whose_actions_file_is_damaged_still_names_them_as_in_doubt() {
    let (world, _) = killed_behind_the_first_action();
    for run in fs::read_dir(world.state.join("transactions")).unwrap() {
        fs::write(run.unwrap().path().join("actions.ron"), "()").unwrap();
    }
    world.plain(&["recover"]).ends(22);
    let given_up = world.plain(&["recover", "--abandon"]).ends(0);
    let actions = given_up.json["data"]["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 2);
    assert!(actions.iter().all(|a| a["stands"] == "in doubt: look at what it changes"), "{actions:?}");
}

#[test]
fn a_run_that_lost_its_journal_behind_an_action_is_left_to_a_person() {
    let (world, _) = killed_behind_the_first_action();
    let (texts_then, files) = (texts(&world), world.files());
    for run in fs::read_dir(world.state.join("transactions")).unwrap() {
        fs::remove_file(run.unwrap().path().join("journal")).unwrap();
    }
    world.plain(&["recover"]).ends(22);
    assert_eq!((texts(&world), world.files()), (texts_then, files));
    world.rollback(&[]).ends(21);
}

#[test]
fn giving_up_says_of_each_action_how_far_it_got() {
    let world = deeds::world();
    let profile = fs::read_to_string(&world.profile).unwrap();
    let more = profile
        .replace("deeds: [", r#"deeds: [(file: "live/as_wished.txt", text: "as wished"),"#)
        .replace(r#"text: "new two"),"#, r#"text: "new two"), (file: "live/three.txt", text: "new three"),"#);
    fs::write(&world.profile, more).unwrap();
    fs::write(world.home.join("live/as_wished.txt"), "as wished").unwrap();
    tell(&world, "apply", "wait");
    let mut run = Running::start(&mut world.verb_command("rollback", &["--no-parent"]));
    run.until(|| ctl(&world, "reached").exists());
    // The first goes on and comes to its end, the next one does not.
    tell(&world, "apply", "hang");
    fs::write(ctl(&world, "go"), "").unwrap();
    // Read and left there: whoever took it away would take what is written meanwhile.
    let notes = || fs::read_to_string(ctl(&world, "asked")).unwrap_or_default();
    run.until(|| notes().lines().any(|line| line == "apply live/two.txt"));
    run.child.kill().unwrap();
    run.to_its_end();
    let given_up = world.plain(&["recover", "--abandon"]).ends(0);
    let actions = given_up.json["data"]["actions"].as_array().unwrap().iter();
    let stands: Vec<&str> = actions.filter_map(|a| a["stands"].as_str()).collect();
    assert_eq!(stands, ["not done", "done", "in doubt: look at what it changes", "not done"]);
}

#[test]
fn a_component_of_which_a_file_stays_keeps_its_actions_undone_and_the_end_names_them() {
    let world = deeds::world();
    let profile = fs::read_to_string(&world.profile).unwrap();
    let both = profile.replace("deeds: [", r#"writes: [(file: "live/c.txt", text: "new c")], deeds: ["#);
    fs::write(&world.profile, both).unwrap();
    let run = world.rollback(&["--keep-local", "live/c.txt"]).ends(31);
    assert!(message(&run).contains("the action `write` of `deeds`"), "{}", message(&run));
    assert_eq!(run.json["counts"]["actions"], 0);
    assert_eq!(texts(&world), old());
    // The other component went back.
    assert_eq!(fs::read_to_string(world.home.join("live/b.conf")).unwrap(), "old b");
    let whole = world.rollback(&[]).ends(0);
    assert_eq!(whole.json["counts"]["actions"], 2);
    assert_eq!(fs::read_to_string(world.home.join("live/c.txt")).unwrap(), "new c");
    is_new(&world);
}

#[test]
fn going_back_to_a_snapshot_names_the_actions_that_are_no_part_of_it() {
    let world = deeds::world();
    let mut create = world.command(&["snapshot", "create", &world.profile]);
    create.args(world.flags()).arg("--json");
    let taken = Run::to_its_end(&mut create).ends(0);
    let id = taken.json["data"]["id"].as_str().unwrap().to_owned();
    fs::write(world.home.join("live/a.conf"), "other").unwrap();
    let back = world.rollback(&["--from", &format!("snapshot:{id}")]).ends(0);
    let warnings = back.json["warnings"].as_array().unwrap();
    let named = warnings.iter().filter(|w| w["code"] == "BKO-4054").count();
    // Both have one name.
    assert_eq!(named, 1, "{warnings:?}");
}

#[test]
fn more_actions_than_a_journal_has_room_for_are_refused() {
    let world = deeds::world();
    let before = world.files();
    let profile = fs::read_to_string(&world.profile).unwrap();
    let one = r#"(file: "live/one.txt", text: "new one"),"#;
    fs::write(&world.profile, profile.replace(one, &one.repeat(64))).unwrap();
    assert_eq!(world.rollback(&[]).ends(10).error_code(), "BKO-1110");
    is_old(&world, &before);
}

#[test]
fn what_was_put_back_keeps_no_copy_of_a_plugin_and_what_is_done_does() {
    let world = deeds::world();
    let copies = |world: &World| {
        let runs = fs::read_dir(world.state.join("history")).unwrap();
        runs.filter(|run| run.as_ref().unwrap().path().join("plugins").exists()).count()
    };
    tell(&world, "apply", "fail");
    world.rollback(&[]).ends(20);
    assert_eq!(copies(&world), 0);
    tell(&world, "apply", "");
    world.rollback(&[]).ends(0);
    assert_eq!(copies(&world), 1);
}

#[test]
fn an_undo_of_one_file_counts_the_actions_that_stay_and_not_those_that_were_done_before() {
    let left = |prepare: fn(&World)| -> usize {
        let world = deeds::world();
        prepare(&world);
        world.rollback(&[]).ends(0);
        let undo = world.plain(&["undo", "--path", "live/b.conf"]).ends(0);
        let warnings = undo.json["warnings"].to_string();
        assert_eq!(texts(&world), new(), "{warnings}");
        let (before, _) = warnings.split_once(" of its changes stay").unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let done_before = |world: &World| fs::write(world.home.join("live/two.txt"), "new two").unwrap();
    assert_eq!(left(|_| {}), left(done_before) + 1);
}
