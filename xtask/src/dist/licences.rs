//! What the program and the plugins are built from, and under which licences.

use crate::build::{PLUGINS, root};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

/// How names of files with licences begin.
const BEGINNINGS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE", "NOTICE"];

/// All of it, for people.
pub(super) fn text(triple: Option<&str>) -> Result<String, String> {
    // The usual Windows targets depend on the same crates; every cargo knows them.
    let platform = match triple {
        Some(triple) if triple.starts_with("i686") => "i686-pc-windows-gnu",
        Some(_) => "x86_64-pc-windows-gnu",
        None => "x86_64-unknown-linux-gnu",
    };
    let mut metadata = MetadataCommand::new();
    metadata.manifest_path(root().join("Cargo.toml"));
    metadata.other_options(["--filter-platform".to_owned(), platform.to_owned(), "--locked".to_owned()]);
    let metadata = metadata.exec().map_err(|e| e.to_string())?;
    let mut out = String::from(
        "backout is built from the works of others that are listed here, each with its licence. Texts that several\n\
         share stand once, at the end.\n\n\
         The standard library of Rust is in every program here: MIT OR Apache-2.0, https://www.rust-lang.org\n\n",
    );
    if triple.is_some() {
        out.push_str(
            "Programs for Windows are linked with start-up code of mingw-w64 (public domain, and the Zope Public License\n\
             2.1 with parts under BSD and MIT licences, https://www.mingw-w64.org) and with libgcc of the GNU compilers\n\
             (GPL 3 or later with the GCC Runtime Library Exception, https://gcc.gnu.org).\n\n",
        );
    }
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in shipped(&metadata)? {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().ok_or_else(|| format!("{name} names no licence"))?;
        out.push_str(&format!("{name}\n  licence: {licence}\n"));
        if !package.authors.is_empty() {
            out.push_str(&format!("  authors: {}\n", package.authors.join(", ")));
        }
        if let Some(where_) = &package.repository {
            out.push_str(&format!("  source: {where_}\n"));
        }
        for text in files(package)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    for (text, of) in texts {
        out.push_str(&format!("\n{}\n{}\n\n{}\n", "=".repeat(100), of.join(", "), text.trim_end()));
    }
    Ok(out)
}

/// Every package of others that gets into what is shipped, by name.
fn shipped(metadata: &Metadata) -> Result<Vec<&Package>, String> {
    let resolve = metadata.resolve.as_ref().ok_or("cargo resolved nothing")?;
    let ours = |name: &str| name == "backout" || PLUGINS.iter().any(|(plugin, _)| *plugin == name);
    let mut next: Vec<&PackageId> =
        metadata.workspace_packages().into_iter().filter(|p| ours(&p.name)).map(|p| &p.id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = resolve.nodes.iter().find(|n| n.id == *id).ok_or("cargo knows no such package")?;
        let normal =
            node.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
        next.extend(normal.map(|d| &d.pkg));
    }
    let mut all: Vec<&Package> =
        metadata.packages.iter().filter(|p| p.source.is_some() && seen.contains(&p.id)).collect();
    all.sort_by(|a, b| (a.name.as_str(), &a.version).cmp(&(b.name.as_str(), &b.version)));
    Ok(all)
}

/// The texts that a package comes with.
fn files(package: &Package) -> Result<Vec<String>, String> {
    let folder = PathBuf::from(&package.manifest_path);
    let folder = folder.parent().ok_or("a package without a folder")?.to_owned();
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.path().is_file() && BEGINNINGS.iter().any(|b| name.starts_with(b)) {
            let bytes = fs::read(entry.path()).map_err(fail)?;
            found.push(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
        }
    }
    found.sort();
    Ok(found)
}
