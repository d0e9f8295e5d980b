//! A patch that failed half-way, or was run twice, or that somebody worked on since: what doctor says of each file, and
//! what a rollback makes of what can still go back.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::{TreeSpec, pe};
use backout_e2e::refused;
use backout_kit::{Run, ServerProtect, World, serverprotect::version, snapshot, write};
use backout_protocol::{FileVersion, MachineType};
use serde_json::Value;
use std::{fs, path::Path};

fn v(text: &str) -> Option<FileVersion> {
    Some(text.parse().unwrap())
}

/// A normal server alone, so that no other component has a backup of the same file.
fn normal_server() -> ServerProtect {
    ServerProtect::new(&TreeSpec {
        information_server: false,
        cm_agent: false,
        console: false,
        ..TreeSpec::default()
    })
}

/// What doctor says of one file: state, where its copy lies, what becomes of it.
#[track_caller]
fn said_of(run: &Run, file: &str) -> [String; 3] {
    let files = run.json["data"]["files"].as_array().unwrap();
    let found = files.iter().find(|f| Path::new(f["path"].as_str().unwrap()).file_name().unwrap() == file);
    let found = found.unwrap_or_else(|| panic!("{file} is not in {files:?}"));
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    [text(&found["state"]), text(&found["copy"]["in"]), text(&found["fate"])]
}

fn findings(run: &Run) -> Vec<String> {
    let all = run.json["data"]["findings"].as_array().unwrap();
    all.iter().map(|f| f["id"].as_str().unwrap().to_owned()).collect()
}

/// Everything that a file's own backup says it was.
fn spoil_backup(sp: &ServerProtect, name: &str) {
    let file = sp.tree.files.iter().find(|f| f.live.file_name().unwrap() == name).unwrap();
    fs::write(file.backup.as_ref().unwrap(), &file.patched).unwrap();
}

fn before(sp: &ServerProtect, name: &str) -> Vec<u8> {
    sp.tree.files.iter().find(|f| f.live.file_name().unwrap() == name).unwrap().before.clone()
}

#[test]
fn a_patch_that_stopped_half_way_goes_back_wholly_where_every_backup_is_good() {
    let sp = normal_server();
    fs::write(sp.live("LogDb.dll"), before(&sp, "LogDb.dll")).unwrap();
    fs::remove_file(sp.live("Quarantine.exe")).unwrap();
    fs::write(sp.live("eng50.dll"), "cut off").unwrap();
    let files = sp.world.files();
    let doctor = sp.world.verb("doctor", &[]).ends(0);
    assert_eq!(said_of(&doctor, "LogDb.dll"), ["original", "live", "is-back"]);
    assert_eq!(said_of(&doctor, "Quarantine.exe"), ["missing", "vendor", "goes-back"]);
    assert_eq!(said_of(&doctor, "eng50.dll"), ["unknown", "vendor", "goes-back"]);
    assert_eq!(said_of(&doctor, "SpntSvc.exe"), ["patched", "vendor", "goes-back"]);
    assert_eq!(findings(&doctor), ["half-applied"]);
    assert_eq!(doctor.json["data"]["rollback"]["possible"], "whole");
    let command = doctor.json["data"]["rollback"]["run"].as_str().unwrap();
    assert!(command.starts_with("backout rollback serverprotect-5.8-patch3 --site "), "{command}");
    assert!(!command.contains("--only-safe"), "{command}");
    assert_eq!(sp.world.files(), files, "doctor changes nothing");
    sp.world.rollback(&[]).ends(0);
    for file in &sp.tree.files {
        assert!(fs::read(&file.live).unwrap() == file.before, "{}", file.live.display());
    }
    let doctor = sp.world.verb("doctor", &[]).ends(0);
    assert_eq!(doctor.json["data"]["rollback"]["possible"], "nothing-to-do");
    assert!(doctor.json["data"]["rollback"]["run"].is_null());
    sp.world.plain(&["undo"]).ends(0);
    assert_eq!(sp.world.files(), files);
}

#[test]
fn what_cannot_go_back_is_left_and_named_where_only_what_is_safe_was_asked_for() {
    let sp = normal_server();
    spoil_backup(&sp, "eng50.dll");
    fs::write(sp.live("LogDb.dll"), pe(MachineType::X86, v("5.80.0.1330"), "newer")).unwrap();
    let files = sp.world.files();
    refused(&sp.world, 10, "LogDb.dll", &[]);
    let doctor = sp.world.verb("doctor", &[]).ends(31);
    assert_eq!(said_of(&doctor, "eng50.dll"), ["patched", "none", "stays"]);
    assert_eq!(said_of(&doctor, "LogDb.dll"), ["newer", "none", "stays"]);
    assert_eq!(said_of(&doctor, "SpntSvc.exe"), ["patched", "vendor", "goes-back"]);
    assert_eq!(findings(&doctor), ["patched-twice", "newer-on-top"]);
    assert_eq!(doctor.json["data"]["rollback"]["possible"], "part");
    let command = doctor.json["data"]["rollback"]["run"].as_str().unwrap();
    assert!(command.ends_with(" --only-safe"), "{command}");

    let run = sp.world.rollback(&["--only-safe"]).ends(31);
    assert_eq!((&run.json["outcome"], run.json["changed"].as_bool()), (&"done".into(), Some(true)));
    assert_eq!(run.error_code(), "BKO-5003");
    let message = run.json["error"]["message"].as_str().unwrap();
    let warnings = run.json["warnings"].to_string();
    let left: Vec<&str> = run.json["data"]["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["target"]["rel"].as_str().unwrap_or(""))
        .collect();
    for name in ["eng50.dll", "LogDb.dll"] {
        assert!(message.contains(name) && warnings.contains(name), "{message} {warnings}");
    }
    assert_eq!(left.len(), 2, "{:?}", run.json["data"]["left_out"]);
    assert!(run.json["counts"]["left_alone"].as_u64().unwrap() >= 2);
    assert_eq!(version(&sp.live("eng50.dll")), v("5.80.0.1297"));
    assert_eq!(version(&sp.live("LogDb.dll")), v("5.80.0.1330"));
    assert_eq!(version(&sp.live("SpntSvc.exe")), v("5.80.0.1179"));
    assert_eq!(sp.world.running(), [true]);
    assert!(warnings.contains("BKO-4003"), "the builds are mixed now: {warnings}");

    // Again: nothing more can be done, and that is not silent either.
    sp.world.services.clear_log();
    let again = sp.world.rollback(&["--only-safe"]).ends(31);
    assert_eq!(
        (&again.json["outcome"], again.json["changed"].as_bool()),
        (&"nothing-to-do".into(), Some(false))
    );
    assert!(again.json["error"]["message"].as_str().unwrap().contains("eng50.dll"));
    assert!(sp.world.services.log().is_empty());
    let undo = sp.world.plain(&["undo"]).ends(0);
    assert!(undo.json["error"].is_null());
    let after = sp.world.files();
    assert!(after == files, "{}", snapshot::differences(&files, &after).join("\n"));
}

#[test]
fn backups_that_differ_are_no_reason_to_leave_the_others() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let other = pe(MachineType::X86, v("5.80.0.1240"), "another old one");
    fs::write(sp.tree.home.join("StCommon.dll.bak"), &other).unwrap();
    let doctor = sp.world.verb("doctor", &[]).ends(31);
    assert_eq!(doctor.json["data"]["rollback"]["possible"], "part");
    assert_eq!(said_of(&doctor, "StCommon.dll"), ["patched", "none", "stays"]);
    let run = sp.world.rollback(&["--only-safe"]).ends(31);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("StCommon.dll"), "{run:?}");
    assert_eq!(version(&sp.live("StCommon.dll")), v("5.80.0.1297"));
    assert_eq!(version(&sp.live("StRpcCln.dll")), v("5.80.0.1179"));
    assert!(sp.tree.home.join("StCommon.dll.bak").exists(), "its backups stay too");
}

#[test]
fn what_stays_is_named_also_where_the_parent_had_to_settle_the_run() {
    let sp = normal_server();
    spoil_backup(&sp, "eng50.dll");
    sp.world.services.kills("spnt", "start");
    let run = sp.world.rollback(&["--only-safe"]).ends(0);
    assert_eq!(run.json["outcome"], "completed");
    assert!(run.json["warnings"].to_string().contains("eng50.dll"), "{run:?}");
    assert_eq!(version(&sp.live("SpntSvc.exe")), v("5.80.0.1179"));
}

#[test]
fn only_safe_is_an_ordinary_rollback_where_everything_is() {
    let sp = normal_server();
    let run = sp.world.rollback(&["--only-safe"]).ends(0);
    assert!(run.json["error"].is_null());
    assert_eq!(run.json["data"]["left_out"], Value::Array(Vec::new()));
}

#[test]
fn a_saved_plan_remembers_that_only_what_is_safe_was_asked_for() {
    let sp = normal_server();
    spoil_backup(&sp, "eng50.dll");
    let plan = sp.world.path().join("plan.ron");
    let file = plan.to_str().unwrap();
    sp.world.verb("plan", &["--only-safe", "-o", file]).ends(0);
    let mut command = sp.world.command(&["rollback", "--plan", file, "--yes", "--json"]);
    let run = Run::to_its_end(command.args(sp.world.flags())).ends(31);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("eng50.dll"));
}

#[test]
fn a_patch_run_twice_is_recognised_and_a_folder_of_copies_makes_it_whole() {
    let sp = normal_server();
    let aside = sp.world.path().join("aside");
    for file in &sp.tree.files {
        write(&aside.join(file.live.file_name().unwrap()), &file.before);
        fs::write(file.backup.as_ref().unwrap(), &file.patched).unwrap();
    }
    let doctor = sp.world.verb("doctor", &[]).ends(31);
    assert_eq!(doctor.json["data"]["rollback"]["possible"], "not-at-all");
    assert!(doctor.json["data"]["rollback"]["run"].is_null());
    assert_eq!(findings(&doctor), ["patched-twice"]);
    let help = doctor.json["data"]["findings"][0]["help"].as_str().unwrap();
    assert!(help.contains("--from dir:PATH"), "{help}");
    let run = sp.world.rollback(&["--only-safe"]).ends(31);
    assert_eq!(run.json["changed"], false);
    let from = format!("dir:{}", aside.display());
    let doctor = sp.world.verb("doctor", &["--from", &from]).ends(0);
    assert_eq!(doctor.json["data"]["rollback"]["possible"], "whole");
    assert_eq!(said_of(&doctor, "SpntSvc.exe"), ["patched", "folder", "goes-back"]);
    assert!(doctor.json["data"]["rollback"]["run"].as_str().unwrap().contains("--from"));
}

#[test]
fn people_read_the_same_as_programs() {
    let sp = normal_server();
    spoil_backup(&sp, "eng50.dll");
    let mut command = sp.world.command(&["doctor", &sp.world.profile]);
    let run = Run::to_its_end(command.args(sp.world.flags())).ends(31);
    for text in
        ["Files:", "eng50.dll", "stays: it has no good backup", "byte for byte", "Run: backout rollback"]
    {
        assert!(run.stdout.contains(text), "`{text}` is not in {}", run.stdout);
    }
    let mut command = sp.world.command(&["rollback", &sp.world.profile, "--only-safe", "--yes"]);
    let run = Run::to_its_end(command.args(sp.world.flags())).ends(31);
    assert!(run.stderr.contains("error[BKO-5003]") && run.stderr.contains("eng50.dll"), "{}", run.stderr);
}

/// The small product, rolled back and forth, so that both states of its files are known, and then edited.
fn edited() -> World {
    let world = World::small();
    world.rollback(&[]).ends(0);
    world.plain(&["undo"]).ends(0);
    fs::write(world.home.join("live/a.conf"), "mine").unwrap();
    world.services.clear_log();
    world
}

fn content(world: &World, name: &str) -> String {
    fs::read_to_string(world.home.join("live").join(name)).unwrap()
}

#[test]
fn a_file_edited_since_the_patch_is_refused_by_name() {
    let world = edited();
    let run = refused_with_history(&world, &[]);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("a.conf"), "{run:?}");
    assert!(!run.json["error"]["message"].as_str().unwrap().contains("b.conf"), "{run:?}");
    let doctor = world.verb("doctor", &[]).ends(31);
    assert_eq!(said_of(&doctor, "a.conf"), ["unknown", "none", "stays"]);
    assert_eq!(findings(&doctor), ["edited"]);
    let run = world.rollback(&["--only-safe"]).ends(31);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("a.conf"));
    assert_eq!(
        (content(&world, "a.conf"), content(&world, "b.conf")),
        ("mine".to_owned(), "old b".to_owned())
    );
}

/// Refused for drift, with nothing changed. A history with before-images is there already.
#[track_caller]
fn refused_with_history(world: &World, more: &[&str]) -> Run {
    let before = world.files();
    let run = world.rollback(more).ends(10);
    assert_eq!(run.error_code(), "BKO-1140");
    assert_eq!(world.files(), before);
    assert!(world.services.log().is_empty());
    run
}

#[test]
fn an_edited_file_is_kept_as_the_operator_says() {
    let world = edited();
    let before = world.files();
    let run = world.rollback(&["--keep-local", "live/a.conf"]).ends(0);
    assert_eq!(
        (content(&world, "a.conf"), content(&world, "b.conf")),
        ("mine".to_owned(), "old b".to_owned())
    );
    assert!(run.json["warnings"].to_string().contains("a.conf"), "{run:?}");
    assert!(world.home.join("backup/a.conf").exists(), "its backup stays too");
    world.plain(&["undo"]).ends(0);
    assert_eq!(world.files(), before);
}

#[test]
fn an_edited_file_is_overwritten_as_the_operator_says_and_undo_brings_it_back() {
    let world = edited();
    let before = world.files();
    let path = world.home.join("live").join("a.conf");
    let run = world.rollback(&["--overwrite", path.to_str().unwrap()]).ends(0);
    assert_eq!(content(&world, "a.conf"), "old a");
    assert!(run.json["warnings"].to_string().contains("BKO-4051"), "{run:?}");
    world.plain(&["undo"]).ends(0);
    assert_eq!(world.files(), before);
    world.services.clear_log();
    // What was overwritten once is no more the patched state than before.
    refused_with_history(&world, &[]);
}

#[test]
fn a_path_that_names_no_file_of_the_run_is_refused() {
    let world = World::small();
    for flag in ["--keep-local", "--overwrite"] {
        let run = refused(&world, 10, "nothing.conf", &[flag, "nothing.conf"]);
        assert_eq!(run.error_code(), "BKO-1141");
        assert!(run.json["error"]["message"].as_str().unwrap().contains(flag), "{run:?}");
    }
    refused(&world, 10, "a.conf", &["--keep-local", "a.conf", "--overwrite", "live/a.conf"]);
}

#[test]
fn a_file_that_no_run_could_look_at_can_be_kept_out() {
    let world = World::small();
    fs::remove_file(world.home.join("live/b.conf")).unwrap();
    fs::create_dir(world.home.join("live/b.conf")).unwrap();
    refused(&world, 10, "b.conf", &[]);
    world.rollback(&["--keep-local", "live/b.conf"]).ends(0);
    assert!(world.home.join("live/b.conf").is_dir());
    assert_eq!(content(&world, "a.conf"), "old a");
}

#[test]
fn where_the_profile_gives_digests_an_edit_is_known_without_any_history() {
    let mut world = World::small();
    let profile = fs::read_to_string(&world.profile).unwrap();
    let digest = |text: &str| backout_disk::fingerprint::digest_bytes(text.as_bytes());
    let lists = format!(
        "lists: [(list: \"all\")] ), ], lists: [(id: \"all\", folder: \"home/live\", files: [\
         (name: \"a.conf\", sha256: {:?}), (name: \"b.conf\", sha256: {:?}), (name: \"sub/c.conf\")])],",
        digest("patched a").to_string(),
        digest("patched b").to_string(),
    );
    let profile = profile.replace("(name: \"Second\")] ),\n  ],", &format!("(name: \"Second\")], {lists}"));
    assert!(profile.contains("sha256"), "{profile}");
    let file = world.path().join("digests.ron");
    write(&file, profile);
    world.profile = file.to_str().unwrap().to_owned();
    let doctor = world.verb("doctor", &[]).ends(0);
    assert_eq!(said_of(&doctor, "a.conf"), ["patched", "vendor", "goes-back"]);
    assert_eq!(said_of(&doctor, "c.conf"), ["unknown", "vendor", "goes-back"]);
    fs::write(world.home.join("live/b.conf"), "mine").unwrap();
    let run = refused(&world, 10, "b.conf", &[]);
    assert_eq!(run.error_code(), "BKO-1140");
    world.rollback(&["--overwrite", "b.conf"]).ends(0);
    assert_eq!(
        (content(&world, "a.conf"), content(&world, "b.conf")),
        ("old a".to_owned(), "old b".to_owned())
    );
}
