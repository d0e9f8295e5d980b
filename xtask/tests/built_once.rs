//! The binary, the plugins and the tests are built with the same features of what they have in common: else the engine and all
//! below it are built once more for each suite, which takes longer than most of them.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// What the tests build to run it.
const RUN: [&str; 6] = [
    "backout",
    "backout-normal-server",
    "backout-information-server",
    "backout-cm-agent",
    "backout-file-set",
    "backout-settings",
];

/// Each package that is built for these, and its features; a package may be built more than once.
fn features(packages: &[&str], edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--prefix", "none", "--no-dedupe", "--format", "{p}|{f}", "--edges", edges]);
    tree.args(packages.iter().flat_map(|package| ["--package", package]));
    let output = tree.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let listed = String::from_utf8(output.stdout).unwrap();
    for (package, features) in listed.lines().filter_map(|line| line.split_once('|')) {
        let name = package.split(" (").next().unwrap();
        found.entry(name.to_owned()).or_default().insert(features.to_owned());
    }
    found
}

#[test]
fn what_is_tested_is_built_once() {
    let run = features(&RUN, "normal,build");
    assert!(run.keys().any(|name| name.starts_with("backout-engine ")), "{:?}", run.keys());
    for tests in ["backout-e2e", "backout-crash", "backout-engine", "backout-host"] {
        let tested = features(&["backout", tests], "normal,build,dev");
        for (name, with) in tested {
            let Some(without) = run.get(&name) else { continue };
            assert_eq!(&with, without, "features of {name}, for {tests} and for what it runs");
        }
    }
}
