//! Built by the cargo that builds the tests.

use super::{Built, PLUGINS};
use filetime::FileTime;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub(super) fn built(plugins: &[&str]) -> Built {
    let mut found = Built { backout: PathBuf::new(), plugins: Vec::new() };
    for message in messages(binary_and(plugins)) {
        let kinds = message["target"]["kind"].as_array().cloned().unwrap_or_default();
        if message["target"]["name"] == "backout" && kinds.iter().any(|k| k == "bin") {
            found.backout = slim(Path::new(message["executable"].as_str().unwrap()));
        }
        if kinds.iter().any(|k| k == "cdylib") {
            let files = message["filenames"].as_array().unwrap();
            let so =
                files.iter().filter_map(Value::as_str).find(|f| f.ends_with(std::env::consts::DLL_SUFFIX));
            found.plugins.extend(so.map(|so| slim(Path::new(so))));
        }
    }
    found
}

/// The same without what only debuggers read. Every world has copies of these, and every run reads them to their end to
/// know them: with it that is most of what the tests do.
///
/// It is kept beside what was built, and has its time: so whatever is built anew is made slim anew. Programs that do that
/// side by side each put a whole one there.
fn slim(built: &Path) -> PathBuf {
    let folder = built.parent().unwrap().join("slim");
    let (to, from) = (folder.join(built.file_name().unwrap()), fs::metadata(built).unwrap());
    let time = FileTime::from_last_modification_time(&from);
    let is_there = |meta: fs::Metadata| FileTime::from_last_modification_time(&meta) == time;
    if fs::metadata(&to).is_ok_and(is_there) {
        return to;
    }
    fs::create_dir_all(&folder).unwrap();
    // In place of the other in one step: who has that open goes on with it. In a folder of its own: a process's number is another's
    // too, in a namespace of its own.
    let own = tempfile::tempdir_in(&folder).unwrap();
    let new = own.path().join("new");
    let stripped = Command::new("strip").arg("-o").arg(&new).arg(built).stdin(Stdio::null()).status();
    if !stripped.is_ok_and(|s| s.success()) {
        // No such tool: the whole one is only slow.
        return built.to_owned();
    }
    filetime::set_file_mtime(&new, time).unwrap();
    fs::rename(new, &to).unwrap();
    to
}

pub(super) fn executable(package: &str, kind: &str, name: &str) -> PathBuf {
    let built = messages(beside_the_binary(package, kind, name));
    let mut found = built.into_iter().filter(|m| m["target"]["name"] == name);
    found.find_map(|message| message["executable"].as_str().map(PathBuf::from)).unwrap()
}

pub(super) fn library(package: &str, name: &str) -> PathBuf {
    let built = messages(beside_the_binary(package, "--example", name));
    let files =
        built.iter().filter(|m| m["target"]["name"] == name).filter_map(|m| m["filenames"].as_array());
    let mut libraries = files.flatten().filter_map(Value::as_str);
    libraries.find(|f| f.ends_with(std::env::consts::DLL_SUFFIX)).map(PathBuf::from).unwrap()
}

/// With the features that the binary and the plugins are built with: else all that they have in common is built once more.
fn beside_the_binary<'a>(package: &'a str, kind: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    binary_and(&PLUGINS).chain(["-p", package, kind, name])
}

fn binary_and<'a>(plugins: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    ["-p", "backout"].into_iter().chain(plugins.iter().flat_map(|p| ["-p", *p]))
}

/// What cargo says of everything that it has built of this.
fn messages<'a>(what: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    build.current_dir(root).args(["build", "--quiet", "--message-format=json"]).args(what);
    let output = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "everything must build: {build:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let read = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    read.filter(|m| m["reason"] == "compiler-artifact").collect()
}
