//! The house: which crate may lean on which. An arrow turned round fails here.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Each crate of the house and the crates of the house it may use, beside itself.
fn rule() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("backout-protocol", &[][..]),
        ("backout-disk", &["backout-protocol"]),
        ("backout-journal", &["backout-protocol", "backout-disk"]),
        ("backout-pe", &["backout-protocol"]),
        ("backout-machine", &["backout-protocol", "backout-pe"]),
        ("backout-engine", &["backout-protocol", "backout-disk", "backout-journal", "backout-machine"]),
        ("backout-host", &["backout-protocol", "backout-disk", "backout-machine", "backout-engine"]),
        ("backout-demo", &["backout-protocol"]),
        (
            "backout",
            &[
                "backout-protocol",
                "backout-disk",
                "backout-journal",
                "backout-machine",
                "backout-engine",
                "backout-host",
                "backout-demo",
            ],
        ),
        ("backout-plugin", &["backout-protocol", "backout-pe"]),
        ("backout-normal-server", &["backout-plugin"]),
        ("backout-information-server", &["backout-plugin"]),
        ("backout-cm-agent", &["backout-plugin"]),
        ("backout-file-set", &["backout-plugin"]),
        ("backout-settings", &["backout-plugin"]),
    ])
}

/// Every crate and what it uses in a build (tests may use more).
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let normal = |p: &cargo_metadata::Package| {
        let deps = p.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        deps.map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|p| (p.name.to_string(), normal(p))).collect()
}

#[test]
fn dependencies_point_one_way() {
    let rule = rule();
    for (name, uses) in uses() {
        let test_or_chore = ["backout-kit", "backout-e2e", "backout-crash", "xtask"].contains(&name.as_str());
        let Some(allowed) = rule.get(name.as_str()) else {
            assert!(test_or_chore, "{name} has no place in the house");
            continue;
        };
        let ours: Vec<&String> = uses.iter().filter(|u| u.starts_with("backout")).collect();
        for used in ours {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn data_and_plugins_stay_small() {
    let uses = uses();
    for name in [
        "backout-protocol",
        "backout-pe",
        "backout-plugin",
        "backout-normal-server",
        "backout-information-server",
        "backout-cm-agent",
        "backout-file-set",
        "backout-settings",
    ] {
        for heavy in ["tokio", "async-std", "clap", "indicatif", "rustix", "libloading", "env_logger"] {
            assert!(!uses[name].contains(heavy), "{name} must not use {heavy}");
        }
        // The SDK reads files, so it also has their digests, versions and schemas to make.
        let most = if name == "backout-plugin" { 7 } else { 6 };
        assert!(uses[name].len() <= most, "{name} uses {:?}", uses[name]);
    }
}

#[test]
fn the_engine_names_no_product() {
    let mut names = vec!["ServerProtect", "SpntSvc", "EarthAgent", "filegroup", "Trend"];
    names.push("normal-server");
    for krate in ["protocol", "pe", "disk", "journal", "machine", "engine", "host"] {
        let root = format!("{}/../core/{krate}/src", env!("CARGO_MANIFEST_DIR"));
        for file in walk(std::path::Path::new(&root)) {
            let text = std::fs::read_to_string(&file).unwrap();
            // Tests in the same file may speak of the first product.
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            let code: Vec<&str> = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
            for name in &names {
                assert!(!code.iter().any(|l| l.contains(name)), "{} names {name}", file.display());
            }
        }
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
