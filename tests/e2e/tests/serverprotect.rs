//! The main job: ServerProtect 5.8 Patch 3, rolled back and undone.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::{BakSpelling, TreeSpec, pe};
use backout_kit::{ServerProtect, serverprotect::version, snapshot, write};
use backout_protocol::{FileVersion, MachineType};
use std::{fs, path::PathBuf};

fn v(text: &str) -> Option<FileVersion> {
    Some(text.parse().unwrap())
}

fn stops_then_starts(sp: &ServerProtect, names: &[&str]) {
    let log = sp.world.services.log();
    let expected: Vec<String> =
        ["stop", "start"].iter().flat_map(|verb| names.iter().map(move |n| format!("{verb} {n}"))).collect();
    assert_eq!(log, expected, "one stop and one start per service, in the vendor's order");
}

/// Rolls back, checks every file, a second rollback, undo, and a rollback after it.
fn whole_circle(spec: &TreeSpec, services: &[&str]) {
    let sp = ServerProtect::new(spec);
    let before = sp.world.files();
    let first = sp.world.rollback(&[]).ends(0);
    assert_eq!(first.json["outcome"], "done");
    assert_eq!(first.json["changed"], true);
    stops_then_starts(&sp, services);
    for file in sp.tree.files.iter().filter(|f| f.backup.is_some()) {
        let back = fs::read(&file.live).unwrap();
        assert!(back == file.before, "{} is not as before the patch", file.live.display());
    }
    for file in sp.list("management-console") {
        let shared = sp.tree.files.iter().any(|f| f.live == file.live && f.backup.is_some());
        assert!(shared || fs::read(&file.live).unwrap() == file.patched, "the console is left alone");
    }
    assert!(sp.world.running().iter().all(|r| *r));
    sp.world.services.clear_log();
    let rolled = sp.world.files();
    let second = sp.world.rollback(&[]).ends(0);
    assert_eq!(
        (second.json["changed"].as_bool(), &second.json["outcome"]),
        (Some(false), &"nothing-to-do".into())
    );
    assert!(sp.world.services.log().is_empty(), "nothing to do: no service is touched");
    assert_eq!(sp.world.files(), rolled);

    let undo = sp.world.plain(&["undo"]).ends(0);
    assert_eq!(undo.json["changed"], true);
    stops_then_starts(&sp, services);
    let after = sp.world.files();
    assert!(after == before, "{}", snapshot::differences(&before, &after).join("\n"));
    sp.world.rollback(&[]).ends(0);
    let again = sp.world.files();
    assert!(again == rolled, "{}", snapshot::differences(&rolled, &again).join("\n"));
}

#[test]
fn everything_on_one_machine_goes_back_and_forth() {
    whole_circle(&TreeSpec::default(), &["spnt", "agent", "tmi"]);
}

#[test]
fn everything_on_one_64_bit_machine_goes_back_and_forth() {
    whole_circle(&TreeSpec { machine: MachineType::X64, ..TreeSpec::default() }, &["spnt", "agent", "tmi"]);
}

#[test]
fn backups_named_by_the_stem_are_understood() {
    whole_circle(
        &TreeSpec { bak: BakSpelling::Stem, machine: MachineType::X64, ..TreeSpec::default() },
        &["spnt", "agent", "tmi"],
    );
}

#[test]
fn a_normal_server_alone_goes_back_and_forth() {
    let spec = TreeSpec { information_server: false, cm_agent: false, console: false, ..TreeSpec::default() };
    whole_circle(&spec, &["spnt"]);
}

#[test]
fn an_information_server_alone_goes_back_and_forth() {
    let spec = TreeSpec { normal_server: false, cm_agent: false, ..TreeSpec::default() };
    whole_circle(&spec, &["agent"]);
}

#[test]
fn a_pushed_patch_that_spoilt_the_normal_servers_shared_backups_still_goes_back() {
    let sp = ServerProtect::new(&TreeSpec { pushed: true, ..TreeSpec::default() });
    let before = sp.world.files();
    let run = sp.world.rollback(&[]).ends(0);
    assert_eq!(version(&sp.live("StCommon.dll")), v("5.80.0.1179"));
    let spoilt = sp.tree.home.join("StCommon.dll.bak");
    assert!(spoilt.exists(), "a backup that is none stays");
    assert!(run.json["counts"]["left_alone"].as_u64().unwrap() >= 9);
    sp.world.plain(&["undo"]).ends(0);
    assert_eq!(sp.world.files(), before);
}

#[test]
fn the_normal_server_alone_of_a_pushed_patch_is_refused_and_told_where_a_backup_is() {
    let sp = ServerProtect::new(&TreeSpec { pushed: true, ..TreeSpec::default() });
    let before = sp.world.files();
    let run = sp.world.rollback(&["--component", "normal-server"]).ends(10);
    let text = run.json["error"].to_string();
    assert!(text.contains("StCommon.dll") && text.contains("--component information-server"), "{text}");
    assert_eq!(sp.world.files(), before);
    assert!(sp.world.services.log().is_empty());
}

#[test]
fn components_can_be_rolled_back_one_by_one() {
    let sp = ServerProtect::new(&TreeSpec::default());
    sp.world.rollback(&["--component", "cm-agent"]).ends(0);
    stops_then_starts(&sp, &["agent", "tmi"]);
    assert_eq!(version(&sp.live("mrf.exe")), v("1.12.0.1100"));
    assert_eq!(version(&sp.live("libEN_Product.dll")), v("5.80.0.1179"));
    assert_eq!(version(&sp.live("SpntSvc.exe")), v("5.80.0.1297"));
    sp.world.services.clear_log();
    sp.world.rollback(&["--component", "information-server"]).ends(0);
    stops_then_starts(&sp, &["agent"]);
    sp.world.services.clear_log();
    sp.world.rollback(&["--component", "normal-server"]).ends(0);
    stops_then_starts(&sp, &["spnt", "agent", "tmi"]);
    assert_eq!(version(&sp.live("SpntSvc.exe")), v("5.80.0.1179"));
}

#[test]
fn a_service_found_stopped_stays_stopped_with_a_warning() {
    let sp = ServerProtect::new(&TreeSpec::default());
    sp.world.services.ctl("stop", "agent");
    sp.world.services.clear_log();
    let run = sp.world.rollback(&[]).ends(0);
    stops_then_starts(&sp, &["spnt", "tmi"]);
    assert_eq!(sp.world.running(), [true, false, true]);
    let warnings = run.json["warnings"].to_string();
    assert!(warnings.contains("Trend ServerProtect Agent") && warnings.contains("ctl"), "{warnings}");
}

#[test]
fn start_all_starts_what_was_found_stopped_too() {
    let sp = ServerProtect::new(&TreeSpec::default());
    sp.world.services.ctl("stop", "agent");
    sp.world.rollback(&["--start-all"]).ends(0);
    assert_eq!(sp.world.running(), [true, true, true]);
}

#[test]
fn a_patch_run_twice_leaves_no_backup_and_a_folder_set_aside_helps() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let aside = sp.world.path().join("aside");
    for file in &sp.tree.files {
        let Some(backup) = &file.backup else { continue };
        write(&aside.join(file.live.file_name().unwrap()), &file.before);
        fs::write(backup, &file.patched).unwrap();
    }
    let before = sp.world.files();
    let run = sp.world.rollback(&[]).ends(10);
    let text = run.json["error"].to_string();
    assert!(text.contains("SpntSvc.exe") && text.contains("mrf.exe") && text.contains("--from"), "{text}");
    assert_eq!(sp.world.files(), before);
    let from = format!("dir:{}", aside.display());
    sp.world.rollback(&["--from", &from]).ends(0);
    for file in sp.tree.files.iter().filter(|f| f.backup.is_some()) {
        assert!(fs::read(&file.live).unwrap() == file.before, "{}", file.live.display());
    }
    assert!(aside.join("SpntSvc.exe").exists(), "what was set aside stays");
}

#[test]
fn folders_with_a_percent_sign_in_their_names_work_on_the_command_line() {
    let world = backout_kit::World::small();
    let odd = world.path().join("50%41 off");
    fs::rename(&world.home, &odd).unwrap();
    let aside = world.path().join("set%20aside");
    fs::rename(odd.join("backup"), &aside).unwrap();
    let (set, from) = (format!("home={}", odd.display()), format!("dir:{}", aside.display()));
    world.rollback(&["--set", &set, "--from", &from]).ends(0);
    assert_eq!(fs::read(odd.join("live/a.conf")).unwrap(), b"old a");
}

#[test]
fn a_newer_patch_on_top_is_refused() {
    let sp = ServerProtect::new(&TreeSpec::default());
    fs::write(sp.live("SpntSvc.exe"), pe(MachineType::X86, v("5.80.0.1330"), "newer")).unwrap();
    let run = sp.world.rollback(&[]).ends(10);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("SpntSvc.exe"));
    assert!(sp.world.services.log().is_empty());
}

#[test]
fn two_good_backups_that_differ_are_refused_unless_preferred() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let other = pe(MachineType::X86, v("5.80.0.1240"), "another old one");
    fs::write(sp.tree.home.join("StCommon.dll.bak"), &other).unwrap();
    let text = sp.world.rollback(&[]).ends(10).json["error"].to_string();
    assert!(
        text.contains("5.80.0.1240") && text.contains("5.80.0.1179") && text.contains("--prefer"),
        "{text}"
    );
    let both = ["--prefer", "StCommon.dll=normal-server", "--prefer", "stcommon.DLL=information-server"];
    let text = sp.world.rollback(&both).ends(64).json["error"].to_string();
    assert!(text.contains("normal-server") && text.contains("information-server"), "{text}");
    let run = sp.world.rollback(&["--prefer", "StCommon.dll=normal-server"]).ends(0);
    let warnings = run.json["warnings"].as_array().unwrap();
    let chosen = warnings.iter().find(|w| w["code"] == "BKO-4006").unwrap()["message"].as_str().unwrap();
    assert!(chosen.contains("as you said") && !chosen.contains("not good"), "{chosen}");
    assert!(fs::read(sp.live("StCommon.dll")).unwrap() == other);
}

#[test]
fn files_of_no_list_are_left_alone_unless_asked_for() {
    let sp = ServerProtect::new(&TreeSpec::default());
    write(&sp.tree.home.join("custom.ini"), "now");
    write(&sp.tree.home.join("custom.ini.bak"), "then");
    write(&sp.tree.home.join("is_backup/filegroup10/extra.txt"), "extra");
    let run = sp.world.rollback(&[]).ends(0);
    assert!(run.json["counts"]["left_alone"].as_u64().unwrap() >= 2);
    assert_eq!(fs::read(sp.tree.home.join("custom.ini")).unwrap(), b"now");
    assert!(!sp.tree.home.join("extra.txt").exists());
    sp.world.plain(&["undo"]).ends(0);
    sp.world.rollback(&["--include-unlisted"]).ends(0);
    assert_eq!(fs::read(sp.tree.home.join("custom.ini")).unwrap(), b"then");
    assert!(sp.tree.home.join("extra.txt").exists());
}

#[test]
fn hotfix_is_shown_and_set_aside_only_when_asked_for() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let hotfix = sp.tree.home.join("HotFix");
    write(&hotfix.join("sub/StCommon.dll"), "to be deployed");
    let before = sp.world.files();
    sp.world.rollback(&[]).ends(0);
    assert!(hotfix.join("sub/StCommon.dll").exists());
    sp.world.plain(&["undo"]).ends(0);
    assert_eq!(sp.world.files(), before);
    sp.world.rollback(&["--clear-hotfix"]).ends(0);
    let left: Vec<PathBuf> = fs::read_dir(&hotfix).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.is_empty(), "HotFix must be empty: {left:?}");
    sp.world.plain(&["undo"]).ends(0);
    let after = sp.world.files();
    assert!(after == before, "{}", snapshot::differences(&before, &after).join("\n"));
    assert!(snapshot::leftovers(&hotfix).is_empty(), "what `undo` keeps lies above HotFix too");
    sp.world.rollback(&["--clear-hotfix"]).ends(0);
    assert_eq!(fs::read_dir(&hotfix).unwrap().count(), 0);
}

#[test]
fn names_compare_without_case() {
    let sp = ServerProtect::new(&TreeSpec::default());
    fs::rename(sp.live("StCommon.dll"), sp.tree.home.join("STCOMMON.DLL")).unwrap();
    fs::rename(sp.tree.home.join("is_backup"), sp.tree.home.join("IS_Backup")).unwrap();
    sp.world.rollback(&[]).ends(0);
    assert_eq!(version(&sp.tree.home.join("STCOMMON.DLL")), v("5.80.0.1179"));
}

#[test]
fn a_backup_for_another_machine_type_is_none() {
    let sp =
        ServerProtect::new(&TreeSpec { information_server: false, cm_agent: false, ..TreeSpec::default() });
    fs::write(sp.tree.home.join("SpntSvc.exe.bak"), pe(MachineType::X64, v("5.80.0.1179"), "x64")).unwrap();
    let run = sp.world.rollback(&[]).ends(10);
    assert!(run.json["error"].to_string().contains("x64"), "{run:?}");
}

#[test]
fn a_backup_that_is_no_program_is_none() {
    for live in [Some("patched"), Some("broken"), None] {
        let sp = ServerProtect::new(&TreeSpec {
            information_server: false,
            cm_agent: false,
            ..TreeSpec::default()
        });
        match live {
            Some("broken") => fs::write(sp.live("LogDb.dll"), "broken").unwrap(),
            Some(_) => {}
            None => fs::remove_file(sp.live("LogDb.dll")).unwrap(),
        }
        fs::write(sp.tree.home.join("LogDb.dll.bak"), "a saved error page").unwrap();
        let before = sp.world.files();
        let run = sp.world.rollback(&[]).ends(10);
        let text = run.json["error"].to_string();
        assert!(text.contains("LogDb.dll.bak") && text.contains("no PE file"), "{text}");
        assert_eq!(sp.world.files(), before);
    }
}

#[test]
fn the_other_spelling_of_the_32_bit_updater_is_understood() {
    let sp = ServerProtect::new(&TreeSpec { machine: MachineType::X64, ..TreeSpec::default() });
    let home = &sp.tree.home;
    fs::rename(home.join("StUpadte_32.exe"), home.join("StUpdate_32.exe")).unwrap();
    fs::rename(home.join("StUpadte_32.exe.bak"), home.join("StUpdate_32.exe.bak")).unwrap();
    sp.world.rollback(&[]).ends(0);
    assert_eq!(version(&home.join("StUpdate_32.exe")), v("5.80.0.1179"));
    assert!(!home.join("StUpadte_32.exe").exists());
}

#[test]
fn verify_reads_versions_and_judges_them() {
    let sp = ServerProtect::new(&TreeSpec::default());
    sp.world.verb("verify", &["--expect", "patched"]).ends(0);
    sp.world.verb("verify", &["--expect", "before"]).ends(31);
    sp.world.rollback(&[]).ends(0);
    sp.world.verb("verify", &["--expect", "patched"]).ends(31);
    sp.world.verb("verify", &[]).ends(0);
    // The console has no backups, so two of its files stay patched: they are shown and do not count.
    sp.world.verb("verify", &["--expect", "before"]).ends(0);
    sp.world.verb("verify", &["--expect", "before", "--component", "normal-server"]).ends(0);
}

#[test]
fn doctor_says_where_each_folder_came_from() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let run = sp.world.verb("doctor", &[]).ends(0);
    let text = run.stdout;
    assert!(text.contains("tmi") && text.contains("site"), "{text}");
}

#[test]
fn a_plan_says_how_long_it_took_last_time() {
    let sp = ServerProtect::new(&TreeSpec::default());
    assert!(sp.world.verb("plan", &[]).ends(0).json["data"]["estimate_ms"].is_null());
    sp.world.rollback(&[]).ends(0);
    sp.world.plain(&["undo"]).ends(0);
    assert!(sp.world.verb("plan", &[]).ends(0).json["data"]["estimate_ms"].as_u64().is_some());
}

#[test]
fn mixed_builds_and_advisories_are_told() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let other = pe(MachineType::X86, v("5.80.0.1240"), "another old one");
    fs::write(sp.tree.home.join("LogDb.dll.bak"), &other).unwrap();
    let run = sp.world.verb("plan", &[]).ends(0);
    let warnings = run.json["warnings"].to_string();
    assert!(warnings.contains("5.80.0.1179") && warnings.contains("5.80.0.1240"), "{warnings}");
    assert!(warnings.contains("mrf.exe"), "{warnings}");
}

#[test]
fn a_broken_or_missing_marker_does_not_keep_its_own_backup_from_coming_back() {
    for broken in [Some(&b"not a program"[..]), None] {
        let sp = ServerProtect::new(&TreeSpec::default());
        let marker = sp.live("SpntSvc.exe");
        match broken {
            Some(bytes) => fs::write(&marker, bytes).unwrap(),
            None => fs::remove_file(&marker).unwrap(),
        }
        sp.world.rollback(&[]).ends(0);
        assert_eq!(version(&marker), v("5.80.0.1179"));
    }
}

#[test]
fn a_backup_for_another_machine_type_is_none_where_the_live_file_is_gone() {
    let sp =
        ServerProtect::new(&TreeSpec { information_server: false, cm_agent: false, ..TreeSpec::default() });
    fs::remove_file(sp.live("LogDb.dll")).unwrap();
    let wrong = pe(MachineType::X64, v("5.80.0.1179"), "x64");
    fs::write(sp.tree.home.join("LogDb.dll.bak"), wrong).unwrap();
    let run = sp.world.rollback(&[]).ends(10);
    assert!(run.json["error"].to_string().contains("x64"), "{run:?}");
}

#[test]
fn a_folder_with_nothing_of_the_component_in_it_is_not_filled_unless_named() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let wrong = sp.world.home.join("wrong");
    fs::create_dir(&wrong).unwrap();
    let set = format!("is_home={}", wrong.display());
    let site = fs::read_to_string(&sp.world.site).unwrap();
    let before = sp.world.files();
    let refused = |more: &[&str], origin: &str| {
        let run = sp.world.rollback(more).ends(10);
        let text = run.json["error"]["message"].as_str().unwrap();
        assert!(text.contains("is_home") && text.contains(origin), "{text}");
        assert!(text.contains(wrong.to_str().unwrap()), "{text}");
        assert_eq!(sp.world.files(), before);
    };
    refused(&["--set", &set], "from --set");
    let vars = format!("vars: {{ \"is_home\": {:?},", wrong.to_str().unwrap());
    write(&sp.world.site, site.replace("vars: {", &vars));
    refused(&[], "from the site file");
    refused(&["--component", "information-server"], "from the site file");
    write(&sp.world.site, site);
    sp.world.rollback(&["--component", "information-server", "--set", &set]).ends(0);
    assert_eq!(version(&wrong.join("Earthagent.exe")), v("5.80.0.1179"));
}

#[test]
fn verify_never_calls_it_good_when_it_judged_nothing() {
    let sp = ServerProtect::new(&TreeSpec { cm_agent: false, ..TreeSpec::default() });
    sp.world.verb("verify", &["--component", "cm-agent"]).ends(10);
    sp.world.verb("verify", &["--component", "nonsense"]).ends(10);
    fs::write(sp.live("SpntSvc.exe"), "cut").unwrap();
    sp.world.verb("verify", &["--expect", "patched"]).ends(31);
}

#[test]
fn a_preference_by_name_does_not_touch_files_of_the_same_name_elsewhere() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let aside = sp.world.path().join("aside");
    for file in sp.tree.files.iter().filter(|f| f.backup.is_some()) {
        write(&aside.join(file.live.file_name().unwrap()), &file.before);
    }
    let from = format!("dir:{}", aside.display());
    sp.world.rollback(&["--from", &from, "--prefer", "StCommon.dll=information-server"]).ends(0);
    assert_eq!(version(&sp.live("StCommon.dll")), v("5.80.0.1179"));
}
