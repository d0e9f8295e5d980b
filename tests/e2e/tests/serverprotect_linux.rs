//! The main job where it takes a shell, `strace` or mode bits.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::TreeSpec;
use backout_kit::{Run, ServerProtect, place, serverprotect::version, snapshot, strace, write};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

#[test]
fn what_hotfix_held_survives_a_kill_in_the_swap() {
    if !strace::works() {
        return;
    }
    let sp = ServerProtect::new(&TreeSpec::default());
    let hotfix = sp.tree.home.join("HotFix");
    write(&hotfix.join("sub/StCommon.dll"), "to be deployed");
    let before = sp.world.files();
    let plain = sp
        .world
        .verb_command("rollback", &["--component", "information-server", "--clear-hotfix", "--no-parent"]);
    // Format, plan and list of swaps are renamed into place before the first file that goes away.
    let run = strace::injected(&plain, "renameat", "signal=KILL", 5).output().unwrap();
    assert!(!run.status.success(), "it was to be killed");
    assert!(!hotfix.join("Hotfix.ini").exists() && hotfix.join("sub").exists(), "killed in the middle");
    let run = sp.world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "completed");
    assert_eq!(fs::read_dir(&hotfix).unwrap().count(), 0);
    sp.world.plain(&["undo"]).ends(0);
    let after = sp.world.files();
    assert!(after == before, "{}", snapshot::differences(&before, &after).join("\n"));
}

#[test]
fn an_undo_tells_of_rights_that_were_changed_since() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let before = sp.world.files();
    sp.world.rollback(&[]).ends(0);
    assert_eq!(sp.world.plain(&["undo", "--dry-run"]).ends(0).json["warnings"].as_array().unwrap().len(), 0);
    let live = sp.live("LogDb.dll");
    let mode = fs::metadata(&live).unwrap().permissions().mode() & 0o7777;
    fs::set_permissions(&live, fs::Permissions::from_mode(mode ^ 0o040)).unwrap();
    let run = sp.world.plain(&["undo"]).ends(0);
    let warnings = run.json["warnings"].to_string();
    assert!(warnings.contains("BKO-4014") && warnings.contains("LogDb.dll"), "{warnings}");
    assert!(warnings.contains(&format!("{mode:04o}")), "{warnings}");
    assert_eq!(sp.world.files(), before);
}

/// A rollback while a process of the console runs.
fn with_the_console_open(sp: &ServerProtect) -> Run {
    let console = sp.live("Admin.exe");
    place::program(Path::new("/bin/sleep"), &console);
    let mut open = Command::new(&console).arg("1000").spawn().unwrap();
    let run = sp.world.rollback(&[]);
    open.kill().unwrap();
    open.wait().unwrap();
    run
}

#[test]
fn an_open_console_is_refused() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let run = with_the_console_open(&sp).ends(10);
    assert!(run.json["error"].to_string().contains("Admin.exe"), "{run:?}");
    assert!(sp.world.services.log().is_empty());
}

#[test]
fn a_console_opened_in_the_window_puts_everything_back() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let console = sp.live("Admin.exe");
    place::program(Path::new("/bin/sleep"), &console);
    let pid = sp.world.services.dir().join("console.pid");
    let open = format!("{} 1000 </dev/null >/dev/null 2>&1 & echo $! >{}", console.display(), pid.display());
    sp.world.services.hook("agent", "stop", &format!("[ -e {} ] || {{ {open}; }}", pid.display()));
    let before = sp.world.files();
    let close = || {
        let pid = fs::read_to_string(&pid).unwrap();
        assert!(Command::new("/bin/kill").args(["-9", pid.trim()]).status().unwrap().success());
        let process = format!("/proc/{}", pid.trim());
        // Nobody may wait for it here: whoever adopted it does.
        while fs::read_link(format!("{process}/exe")).is_ok() {
            std::thread::yield_now();
        }
    };
    let run = sp.world.rollback(&[]).ends(20);
    assert!(run.json["error"].to_string().contains("Admin.exe"), "{run:?}");
    assert_eq!(sp.world.files(), before);
    assert_eq!(sp.world.running(), [true, true, true]);
    assert!(snapshot::leftovers(&sp.world.home).is_empty());
    close();
    sp.world.rollback(&[]).ends(0);
    fs::remove_file(&pid).unwrap();
    let rolled = sp.world.files();
    sp.world.plain(&["undo"]).ends(20);
    assert_eq!(sp.world.files(), rolled);
    let run = sp.world.plain(&["undo"]).ends(10);
    assert!(run.json["error"].to_string().contains("Admin.exe"), "{run:?}");
    close();
    sp.world.plain(&["undo"]).ends(0);
    assert_eq!(sp.world.files(), before);
}

/// Makes the Agent's process an `EarthAgent.exe` in the product's folder that no stop ends.
fn lingering() -> ServerProtect {
    let sp = ServerProtect::new(&TreeSpec::default());
    let image = sp.tree.home.join("EarthAgent.exe");
    fs::remove_file(sp.live("Earthagent.exe")).unwrap();
    place::program(Path::new("/bin/sleep"), &image);
    let start = format!(
        "{} 100000 </dev/null >/dev/null 2>&1 & echo $! >{}/linger.pid",
        image.display(),
        sp.world.services.dir().display()
    );
    let done = Command::new("/bin/sh").args(["-c", &start]).status().unwrap();
    assert!(done.success());
    sp
}

#[test]
fn a_lingering_earthagent_puts_everything_back() {
    let sp = lingering();
    let before = sp.world.files();
    let run = sp.world.rollback(&[]).ends(20);
    assert!(run.json["error"].to_string().contains("--end-lingering"), "{run:?}");
    assert_eq!(sp.world.files(), before);
    assert_eq!(sp.world.running(), [true, true, true]);
}

#[test]
fn a_lingering_earthagent_is_ended_when_told_to() {
    let sp = lingering();
    let run = sp.world.rollback(&["--end-lingering"]).ends(0);
    assert!(run.json["warnings"].to_string().contains("EarthAgent.exe"));
    assert!(
        version(&sp.tree.home.join("EarthAgent.exe")) == "5.80.0.1179".parse().ok(),
        "the live spelling stays"
    );
}

#[test]
fn what_is_back_already_gives_nothing_up_and_needs_no_closed_console() {
    let sp = ServerProtect::new(&TreeSpec::default());
    sp.world.rollback(&[]).ends(0);
    let run = with_the_console_open(&sp).ends(0);
    assert_eq!(run.json["outcome"], "nothing-to-do");
    assert_eq!(run.json["warnings"].as_array().unwrap().len(), 0, "{run:?}");
    assert!(!run.json["data"]["left_alone"].is_null());
}

#[test]
fn two_backup_folders_whose_names_fold_alike_are_refused() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let (own, twin) = (sp.tree.home.join("is_backup"), sp.tree.home.join("IS_BACKUP"));
    fs::create_dir_all(twin.join("filegroup10")).unwrap();
    let before = sp.world.files();
    let both_named = || {
        let run = sp.world.rollback(&[]).ends(10);
        let text = run.json["error"].to_string();
        assert_eq!(run.error_code(), "BKO-1034", "{text}");
        assert!(text.contains("is_backup") && text.contains("IS_BACKUP"), "{text}");
    };
    both_named();
    assert_eq!(sp.world.files(), before);
    // The backups in the other one.
    fs::remove_dir_all(&twin).unwrap();
    fs::rename(&own, &twin).unwrap();
    fs::create_dir(&own).unwrap();
    both_named();
    fs::remove_dir(&own).unwrap();
    sp.world.rollback(&[]).ends(0);
}

#[test]
fn two_live_names_that_fold_alike_are_refused() {
    let sp = ServerProtect::new(&TreeSpec::default());
    fs::copy(sp.live("StCommon.dll"), sp.tree.home.join("STCOMMON.DLL")).unwrap();
    let run = sp.world.rollback(&[]).ends(10);
    assert!(run.json["error"].to_string().contains("STCOMMON.DLL"));
}
