//! `backout plugin new`: what it makes builds and passes the check, as it is.
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

fn backout(words: &[&str], dir: &Path) -> Run {
    Run::to_its_end(Command::new(&built().backout).args(words).current_dir(dir))
}

/// The modes of everything below a folder.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        all.push((path.clone(), meta.permissions().mode()));
        if meta.is_dir() {
            all.extend(modes(&path));
        }
    }
    all
}

#[test]
fn a_plugin_in_c_builds_with_gcc_alone_and_passes() {
    let dir = TempDir::new().unwrap();
    let made = format!("umask 0; {} plugin new demo-c --lang c", built().backout.display());
    Run::to_its_end(Command::new("sh").args(["-c", &made]).current_dir(dir.path())).ends(0);
    let open: Vec<_> = modes(dir.path()).into_iter().filter(|(_, mode)| mode & 0o022 != 0).collect();
    assert!(open.is_empty(), "others may write to {open:?}");
    Run::to_its_end(Command::new("make").args(["-C", "demo-c"]).current_dir(dir.path())).ends(0);
    backout(&["plugin", "check", "--plugin-timeout", "120", "--strict", "demo-c/libdemo_c.so"], dir.path())
        .ends(0);
    let profile = "demo-c/profiles/demo-c.ron";
    backout(&["profile", "check", profile, "--plugin-dir", "demo-c"], dir.path()).ends(0);
    let stanza = backout(&["plugin", "schema", "demo-c", "--plugin-dir", "demo-c"], dir.path()).ends(0);
    assert!(stanza.stdout.contains("    file: \"\","), "{}", stanza.stdout);
    // What its configuration has wrong is named where it stands.
    let text = fs::read_to_string(dir.path().join(profile)).unwrap();
    let line = 1 + text[..text.find("config:").unwrap()].matches('\n').count();
    fs::write(dir.path().join(profile), text.replace("( file:", "( fil:")).unwrap();
    let run =
        backout(&["profile", "check", profile, "--plugin-dir", "demo-c", "--json"], dir.path()).ends(10);
    assert_eq!(run.error_code(), "BKO-1165");
    let said = run.json["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with(&format!("{profile}:{line}:")), "{said}");
}

/// Where cargo says that it has laid this file.
fn artefact(told: &str, name: &str) -> PathBuf {
    let files = told.lines().flat_map(|line| line.split('"')).map(PathBuf::from);
    files.into_iter().find(|path| path.is_absolute() && path.ends_with(name)).unwrap()
}

#[test]
fn a_plugin_in_rust_builds_without_a_network_and_passes() {
    let dir = TempDir::new().unwrap();
    backout(&["plugin", "new", "demo-comp"], dir.path()).ends(0);
    let home = dir.path().join("demo-comp");
    // Crates that are built once are built for every run of this test.
    let target = built().backout.parent().unwrap().join("plugin-new");
    // Another run of this test would lay its library there meanwhile.
    fs::create_dir_all(&target).unwrap();
    let ours = fs::File::create(target.join("one-at-a-time")).unwrap();
    ours.lock().unwrap();
    let cargo = |verb: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(verb).arg("--offline").current_dir(&home).env("CARGO_TARGET_DIR", &target);
        // What whoever runs the tests builds for is not what the plugin is built for.
        for inherited in ["CARGO_BUILD_TARGET", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
            cargo.env_remove(inherited);
        }
        Run::to_its_end(&mut cargo).ends(0)
    };
    let told = cargo(&["build", "--message-format=json-render-diagnostics"]);
    cargo(&["test", "--tests"]);
    let library = dir.path().join("libdemo_comp.so");
    fs::copy(artefact(&told.stdout, "libdemo_comp.so"), &library).unwrap();
    drop(ours);
    fs::set_permissions(&library, fs::Permissions::from_mode(0o755)).unwrap();
    backout(&["plugin", "check", "--plugin-timeout", "120", "--strict", "libdemo_comp.so"], dir.path())
        .ends(0);
    let profile = "demo-comp/profiles/demo-comp.ron";
    backout(&["profile", "check", profile, "--plugin-dir", "."], dir.path()).ends(0);
}

#[test]
fn what_cannot_be_a_plugin_is_not_begun() {
    let dir = TempDir::new().unwrap();
    for name in ["Demo", "demo_comp", "../demo", "fn", "serde", "1st", ""] {
        backout(&["plugin", "new", name], dir.path()).ends(64);
    }
    backout(&["plugin", "new", "demo", "--lang", "cobol"], dir.path()).ends(64);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    fs::create_dir(dir.path().join("demo")).unwrap();
    let run = backout(&["plugin", "new", "demo", "--json"], dir.path()).ends(10);
    assert_eq!(run.error_code(), "BKO-1163");
}

#[test]
fn a_plugin_is_made_where_a_link_leads() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("linked")).unwrap();
    backout(&["plugin", "new", "demo", "--lang", "c", "--dir", "linked"], dir.path()).ends(0);
    assert!(dir.path().join("real/demo/demo.c").is_file());
}

#[test]
fn a_new_profile_passes_its_check() {
    let dir = TempDir::new().unwrap();
    backout(&["profile", "new", "Example \"Server\" 2.0", "-o", "mine.ron"], dir.path()).ends(0);
    let plugins = built().plugins[0].parent().unwrap().to_str().unwrap();
    backout(&["profile", "check", "mine.ron", "--plugin-dir", plugins], dir.path()).ends(0);
    backout(&["profile", "new", "Other", "-o", "mine.ron"], dir.path()).ends(10);
    backout(&["profile", "schema"], dir.path()).ends(0);
}
