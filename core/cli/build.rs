//! Gathers the sources of the SDK, so that `plugin new` can lay them beside a new plugin: it then builds without this
//! repository, and without a network where the crates of others are in cargo's cache.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folders through the environment"
)]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    env, fs,
    path::{Path, PathBuf},
};

/// The package that plugins are written with.
const SDK: &str = "backout-plugin";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    println!("cargo::rerun-if-changed={}", root.join("Cargo.lock").display());
    let workspace = read(&root.join("Cargo.toml"));
    let ours = own_packages(&workspace);
    let mut packages = BTreeMap::new();
    let mut manifests = String::new();
    let mut waiting = VecDeque::from([SDK.to_owned()]);
    let mut out = String::from("&[\n");
    while let Some(name) = waiting.pop_front() {
        let Some(folder) = ours.get(&name) else { continue };
        let path = root.join(folder);
        let manifest = without_tests(&read(&path.join("Cargo.toml")));
        waiting.extend(ours.keys().filter(|n| !packages.contains_key(*n) && depends(&manifest, n)).cloned());
        let short = folder.rsplit('/').next().unwrap_or(folder).to_owned();
        if packages.insert(name.clone(), short.clone()).is_some() {
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        out.push_str(&format!("    (\"{short}/Cargo.toml\", {manifest:?}),\n"));
        for file in sources(&path.join("src")) {
            let Ok(rel) = file.strip_prefix(&path) else { continue };
            let rel = rel.to_string_lossy().replace('\\', "/");
            let whole = fs::canonicalize(&file).unwrap_or(file);
            out.push_str(&format!(
                "    (\"{short}/{rel}\", include_str!({:?})),\n",
                whole.display().to_string()
            ));
        }
        manifests.push_str(&manifest);
    }
    let vendored = vendored_workspace(&workspace, &manifests, &packages);
    out.push_str(&format!("    (\"Cargo.toml\", {vendored:?}),\n]\n"));
    let target = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    write(&target.join("vendor.rs"), &out);
    let (lock, names) = lock(&read(&root.join("Cargo.lock")), &packages);
    write(&target.join("lock.rs"), &format!("{lock:?}\n"));
    write(&target.join("taken.rs"), &format!("&{names:?}\n"));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "a build script writes into cargo's own folder for it")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files.extend(sources(&path)) } else { files.push(path) }
    }
    files
}

/// A table of a manifest: its lines.
fn table<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("[{name}]");
    let lines = manifest.lines().skip_while(|l| l.trim() != head).skip(1);
    lines.take_while(|l| !l.starts_with('[')).filter(|l| !l.trim().is_empty()).collect()
}

/// Our own packages that others may depend on, and their folders.
fn own_packages(workspace: &str) -> BTreeMap<String, String> {
    let own = |line: &&str| line.contains("path = \"");
    let pair = |line: &str| {
        let (name, rest) = line.split_once('=')?;
        let path = rest.split_once("path = \"")?.1.split('"').next()?;
        Some((name.trim().to_owned(), path.to_owned()))
    };
    table(workspace, "workspace.dependencies").into_iter().filter(own).filter_map(pair).collect()
}

/// What a plugin's author builds: without the packages' own tests, which are not laid beside.
fn without_tests(manifest: &str) -> String {
    let mut kept = String::new();
    let mut skipping = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            skipping =
                line.contains("dev-dependencies") || ["[[test]]", "[[example]]", "[[bench]]"].contains(&line);
        }
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn depends(manifest: &str, name: &str) -> bool {
    let head = |line: &str, end: &str| line.starts_with(&format!("{name}{end}"));
    manifest.lines().any(|line| head(line, ".workspace") || head(line, " = "))
}

/// The workspace of the vendored packages: as much of ours as they take from it.
fn vendored_workspace(workspace: &str, manifests: &str, packages: &BTreeMap<String, String>) -> String {
    let members: Vec<String> = packages.values().map(|short| format!("\"{short}\"")).collect();
    let mut text = format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", members.join(", "));
    for name in
        ["workspace.package", "workspace.dependencies", "workspace.lints.rust", "workspace.lints.clippy"]
    {
        text.push_str(&format!("\n[{name}]\n"));
        for line in table(workspace, name) {
            let Some((key, _)) = line.split_once('=') else { continue };
            let key = key.trim();
            if name != "workspace.dependencies" {
                text.push_str(&format!("{line}\n"));
            } else if let Some(short) = packages.get(key) {
                text.push_str(&format!("{key} = {{ path = \"{short}\" }}\n"));
            } else if depends(manifests, key) {
                text.push_str(&format!("{line}\n"));
            }
        }
    }
    text
}

/// The versions that we are built with, of what the SDK needs and of nothing else: with them cargo asks nobody which there
/// are. The new package's own entry is cargo's to add. And the names that are taken.
fn lock(lock: &str, packages: &BTreeMap<String, String>) -> (String, Vec<String>) {
    let entries: Vec<&str> = lock.split("[[package]]").skip(1).collect();
    let value = |entry: &str, key: &str| {
        entry
            .lines()
            .find_map(|l| Some(l.strip_prefix(key)?.strip_prefix(" = \"")?.trim_end_matches('"').to_owned()))
    };
    let needs = |entry: &str| -> Vec<String> {
        let lines = entry.lines().skip_while(|l| *l != "dependencies = [").skip(1);
        let names = lines.take_while(|l| *l != "]").map(|l| l.trim().trim_matches([',', '"'].as_slice()));
        names.map(str::to_owned).collect()
    };
    // `name`, or `name version` where there are several.
    let find = |wanted: &str| {
        let mut words = wanted.split(' ');
        let (name, version) = (words.next(), words.next());
        entries.iter().copied().find(|e| {
            value(e, "name").as_deref() == name
                && version.is_none_or(|v| value(e, "version").as_deref() == Some(v))
        })
    };
    let mut taken = BTreeSet::new();
    let mut waiting: VecDeque<String> = packages.keys().cloned().collect();
    while let Some(wanted) = waiting.pop_front() {
        if let Some(entry) = find(&wanted)
            && taken.insert(entry)
        {
            waiting.extend(needs(entry));
        }
    }
    let names = taken.iter().filter_map(|e| value(e, "name")).collect();
    let mut text = String::from("version = 4\n");
    for entry in entries.iter().filter(|e| taken.contains(*e)) {
        text.push_str("\n[[package]]\n");
        text.push_str(entry.trim());
        text.push('\n');
    }
    (text, names)
}
