//! Built by the cargo that builds the tests.

use super::Built;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub(super) fn built(plugins: &[&str]) -> Built {
    let mut found = Built { backout: PathBuf::new(), plugins: Vec::new() };
    let packages = plugins.iter().flat_map(|p| ["-p", p]);
    for message in messages(["-p", "backout"].into_iter().chain(packages)) {
        let kinds = message["target"]["kind"].as_array().cloned().unwrap_or_default();
        if message["target"]["name"] == "backout" && kinds.iter().any(|k| k == "bin") {
            found.backout = PathBuf::from(message["executable"].as_str().unwrap());
        }
        if kinds.iter().any(|k| k == "cdylib") {
            let files = message["filenames"].as_array().unwrap();
            let so =
                files.iter().filter_map(Value::as_str).find(|f| f.ends_with(std::env::consts::DLL_SUFFIX));
            found.plugins.extend(so.map(PathBuf::from));
        }
    }
    found
}

pub(super) fn executable(package: &str, kind: &str, name: &str) -> PathBuf {
    let mut found =
        messages(["-p", package, kind, name].into_iter()).into_iter().filter(|m| m["target"]["name"] == name);
    found.find_map(|message| message["executable"].as_str().map(PathBuf::from)).unwrap()
}

pub(super) fn library(package: &str, name: &str) -> PathBuf {
    let built = messages(["-p", package, "--example", name].into_iter());
    let files =
        built.iter().filter(|m| m["target"]["name"] == name).filter_map(|m| m["filenames"].as_array());
    let mut libraries = files.flatten().filter_map(Value::as_str);
    libraries.find(|f| f.ends_with(std::env::consts::DLL_SUFFIX)).map(PathBuf::from).unwrap()
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
