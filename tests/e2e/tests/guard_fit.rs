//! A patch is not put in on a machine that is not fit for it, by what its profile says: nothing of the installer runs.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::{TreeSpec, pe};
use backout_e2e::guards::command;
use backout_kit::{Run, ServerProtect, place};
use std::{fs, path::Path, process::Command};

const ALL: [&str; 2] = ["--confirm", "all-servers-5.8"];

/// A guard of an installer that would leave a trace.
fn guard(sp: &ServerProtect, more: &[&str]) -> Run {
    Run::to_its_end(&mut command(&sp.world, more, "echo >\"$here/ran\"\nexit 1"))
}

/// Refused before anything was begun.
#[track_caller]
fn refused(sp: &ServerProtect, run: Run, code: &str, words: &[&str]) {
    let run = run.ends(10);
    assert_eq!(run.error_code(), code, "{run:?}");
    for word in words {
        assert!(run.json["error"].to_string().contains(word), "{word}: {run:?}");
    }
    assert!(!sp.world.path().join("ran").exists(), "the installer ran");
    for folder in ["snapshots", "transactions", "history"] {
        assert_eq!(fs::read_dir(sp.world.state.join(folder)).map_or(0, Iterator::count), 0, "{folder}");
    }
}

/// A ServerProtect whose HotFix is empty.
fn fit(spec: &TreeSpec) -> ServerProtect {
    let sp = ServerProtect::new(spec);
    fs::remove_dir_all(sp.tree.home.join("HotFix")).unwrap();
    sp
}

#[test]
fn what_lies_in_hotfix_and_what_nobody_confirmed_is_named_at_once() {
    let sp = ServerProtect::new(&TreeSpec::default());
    refused(&sp, guard(&sp, &[]), "BKO-5191", &["`--confirm all-servers-5.8`", "5.58", "HotFix"]);
    refused(&sp, guard(&sp, &["--dry-run"]), "BKO-5191", &["all-servers-5.8"]);
    refused(&sp, guard(&sp, &ALL), "BKO-5191", &["HotFix"]);
    refused(&sp, guard(&sp, &["--confirm", "hotfix"]), "BKO-5192", &["all-servers-5.8"]);
    fs::remove_dir_all(sp.tree.home.join("HotFix")).unwrap();
    guard(&sp, &ALL).ends(20);
    assert!(sp.world.path().join("ran").exists());
}

#[test]
fn a_server_that_is_not_of_the_version_is_not_patched() {
    let sp = fit(&TreeSpec { information_server: false, ..TreeSpec::default() });
    // Without an Information Server there is nobody to push it to others.
    guard(&sp, &["--dry-run"]).ends(0);
    let image = sp.live("SpntSvc.exe");
    let older = pe(backout_protocol::MachineType::X86, "5.58.0.1060".parse().ok(), "5.58");
    fs::write(image, older).unwrap();
    refused(&sp, guard(&sp, &[]), "BKO-5191", &["not-5.8", "5.58.0.1060", "SpntSvc.exe"]);
}

#[test]
fn another_edition_is_not_patched_until_somebody_says_that_it_is_the_japanese_one() {
    let sp = fit(&TreeSpec::default());
    let english = |image: &str| {
        let image = sp.live(image);
        let mut bytes = fs::read(&image).unwrap();
        // Where its table of languages names the one.
        let at = bytes.windows(4).position(|four| four == 0x411u32.to_le_bytes()).unwrap();
        bytes[at..at + 4].copy_from_slice(&0x409u32.to_le_bytes());
        fs::write(image, bytes).unwrap();
    };
    english("SpntSvc.exe");
    let words = ["japanese-edition", "SpntSvc.exe", "0x0409", "`--confirm japanese-edition`"];
    refused(&sp, guard(&sp, &ALL), "BKO-5191", &words);
    english("EarthAgent.exe");
    let confirmed = [&ALL[..], &["--confirm", "japanese-edition"]].concat();
    refused(&sp, guard(&sp, &confirmed), "BKO-5191", &["information-server-japanese-edition", "0x0409"]);
    let all = [&confirmed[..], &["--confirm", "information-server-japanese-edition"]].concat();
    guard(&sp, &all).ends(20);
    assert!(sp.world.path().join("ran").exists());
}

#[test]
fn an_open_console_and_processes_that_outlived_their_service_are_named() {
    let sp = fit(&TreeSpec::default());
    let runs = |image: &Path| {
        place::program(Path::new("/bin/sleep"), image);
        Command::new(image).arg("1000").spawn().unwrap()
    };
    let mut console = runs(&sp.live("Admin.exe"));
    let run = guard(&sp, &ALL);
    console.kill().unwrap();
    console.wait().unwrap();
    refused(&sp, run, "BKO-1036", &["Admin.exe"]);

    let image = sp.tree.home.join("elsewhere").join("EARTHAGENT.EXE");
    fs::create_dir(image.parent().unwrap()).unwrap();
    let mut left = runs(&image);
    sp.world.services.ctl("stop", "agent");
    let run = guard(&sp, &ALL);
    let pid = left.id().to_string();
    left.kill().unwrap();
    left.wait().unwrap();
    refused(&sp, run, "BKO-5191", &["agent-lingers", &pid]);
}
