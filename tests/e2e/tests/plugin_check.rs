//! `backout plugin check`: what is fit passes, what is unfit is caught and named.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, built};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A plugin in C that is unfit in this way.
fn unfit(dir: &Path, how: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = dir.join(format!("{}.so", how.to_lowercase()));
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-O1", "-w", "-shared", "-fPIC", "-pthread"]).arg(format!("-DUNFIT={how}"));
    cc.arg("-I").arg(here.join("../../plugins/sdk/include"));
    cc.arg("-o").arg(&library).arg(here.join("tests/plugins/unfit.c"));
    assert!(cc.status().unwrap().success());
    fs::set_permissions(&library, fs::Permissions::from_mode(0o755)).unwrap();
    library
}

fn check(library: &Path, flags: &[&str]) -> Run {
    let mut command = Command::new(&built().backout);
    command.args(["plugin", "check"]).arg(library).args(["--json", "--seed", "7"]).args(flags);
    if !flags.contains(&"--plugin-timeout") {
        // A machine that has much to do is no fault of the plugin's.
        command.args(["--plugin-timeout", "120"]);
    }
    Run::to_its_end(&mut command)
}

fn status(run: &Run, id: &str) -> String {
    let rows = run.json["data"]["checks"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("{id}: {}", run.json));
    row["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_plugin_that_is_unfit_in_one_way_is_caught_by_the_check_for_it() {
    let dir = TempDir::new().unwrap();
    for (how, id, wanted) in [
        ("PRINTS", "prints-nothing", "failed"),
        ("SEGFAULTS", "plans-the-same", "crashed"),
        ("LOOPS", "plans-the-same", "crashed"),
        ("EXITS", "plans-the-same", "crashed"),
        ("WRITES", "writes-nothing", "failed"),
        ("CONNECTS", "opens-no-sockets", "failed"),
        ("FORKS", "leaves-nothing-running", "failed"),
        ("THREADS", "leaves-nothing-running", "failed"),
        ("CHANGES", "plans-the-same", "failed"),
        ("OUTSIDE", "places-inside", "failed"),
        ("STOPS", "starts-what-it-stops", "failed"),
        ("DEAF", "unknown-request", "failed"),
        ("DEAF", "garbage-request", "failed"),
        ("DEAF", "describe-equal", "failed"),
        ("PLACELESS", "bad-config", "failed"),
        ("LIES", "describe-equal", "failed"),
    ] {
        let library = unfit(dir.path(), how);
        let patience: &[&str] = if how == "LOOPS" { &["--plugin-timeout", "2"] } else { &[] };
        let run = check(&library, &[&["--test", id], patience].concat()).ends(31);
        assert_eq!(status(&run, id), wanted, "{how}: {}", run.json);
        assert_eq!(run.error_code(), "BKO-5004");
        let again = run.json["data"]["checks"][0]["again"].as_str().unwrap();
        let file = library.display();
        assert_eq!(again, format!("backout plugin check {file} --test {id} --seed 7"));
    }
}

#[test]
fn a_plugin_that_does_not_load_passes_no_check_that_needs_its_code() {
    let dir = TempDir::new().unwrap();
    let library = unfit(dir.path(), "DIES");
    for id in ["loads", "plans-the-same", "schema-valid", "undo-then-before"] {
        let run = check(&library, &["--test", id]).ends(31);
        assert_eq!(status(&run, id), "crashed", "{}", run.json);
    }
    check(&library, &["--test", "id-form"]).ends(0);
}

#[test]
fn where_no_check_is_left_nothing_has_passed() {
    let dir = TempDir::new().unwrap();
    let library = unfit(dir.path(), "FIT");
    check(&library, &["--test", "loads", "-x", "l*"]).ends(64);
    check(&library, &["-x", "*"]).ends(64);
}

#[test]
fn a_fit_plugin_passes_and_is_warned_of_what_it_lacks() {
    let dir = TempDir::new().unwrap();
    let library = unfit(dir.path(), "FIT");
    let run = check(&library, &[]).ends(0);
    assert_eq!(status(&run, "examples-there"), "warning");
    assert_eq!(status(&run, "schema-valid"), "skipped");
    check(&library, &["--strict"]).ends(31);
    check(&library, &["--strict", "-x", "examples-*"]).ends(0);
    let only = check(&library, &["--strict", "--only-failed"]).ends(31);
    assert_eq!(only.json["data"]["checks"].as_array().unwrap().len(), 1);
    check(&library, &["--test", "no-such-*"]).ends(64);
}

#[test]
fn what_is_no_plugin_and_what_others_may_write_to_is_refused() {
    let dir = TempDir::new().unwrap();
    let text = dir.path().join("text.so");
    fs::write(&text, "no library").unwrap();
    assert_eq!(check(&text, &[]).ends(10).error_code(), "BKO-1160");
    let library = unfit(dir.path(), "FIT");
    let mut bytes = fs::read(&library).unwrap();
    fs::set_permissions(&library, fs::Permissions::from_mode(0o777)).unwrap();
    check(&library, &[]).ends(10);
    // The machine that an ELF file is made for: 183 is aarch64, 62 is x86_64.
    bytes[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    let foreign = dir.path().join("foreign.so");
    fs::write(&foreign, bytes).unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o644)).unwrap();
    let run = check(&foreign, &[]).ends(10);
    assert_eq!(run.error_code(), "BKO-1161", "{}", run.json);
    let triple =
        if cfg!(target_arch = "x86_64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    assert!(run.json["error"]["message"].as_str().unwrap().contains(triple), "{}", run.json);
}

#[test]
fn where_plugins_must_be_pinned_none_of_the_code_of_another_runs() {
    let dir = TempDir::new().unwrap();
    let library = unfit(dir.path(), "FIT");
    check(&library, &["--test", "loads", "--require-pinned"]).ends(10);
    let mut trust = Command::new(&built().backout);
    Run::to_its_end(trust.args(["plugin", "trust"]).arg(&library)).ends(0);
    check(&library, &["--test", "loads", "--require-pinned"]).ends(0);
}

#[test]
fn the_shipped_plugins_pass() {
    for library in &built().plugins {
        let run = check(library, &["--strict", "--only-failed"]);
        assert_eq!(run.code, Some(0), "{}: {}\n{}", library.display(), run.json, run.stderr);
    }
}
