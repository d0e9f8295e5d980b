//! The documentation builds, its links lead somewhere, every page is in the table of contents, and the C header is what its
//! source makes it.

use crate::{
    build::{call, cargo, root},
    header,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Checks all of it.
pub(crate) fn check() -> Result<(), String> {
    header::check()?;
    let mut doc = cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
    call(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    let book = root().join("docs").join("src");
    let mut pages = Vec::new();
    collect(&book, &mut pages)?;
    let contents = read(&book.join("SUMMARY.md"))?;
    let mut wrong = Vec::new();
    for page in &pages {
        let name = page.strip_prefix(&book).unwrap_or(page).display().to_string();
        if name != "SUMMARY.md" && !contents.contains(&format!("({name})")) {
            wrong.push(format!("{name} is not in SUMMARY.md"));
        }
    }
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        pages.push(root().join(name));
    }
    for page in &pages {
        for link in links(&read(page)?) {
            let target = page.parent().unwrap_or(Path::new("")).join(link.split('#').next().unwrap_or(""));
            if !target.exists() {
                wrong.push(format!("{}: `{link}` leads nowhere", page.display()));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            collect(&path, pages)?;
        } else if path.extension().is_some_and(|e| e == "md") {
            pages.push(path);
        }
    }
    Ok(())
}

/// Targets of relative links; what leads out of the repository is not looked at.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|t| !t.contains("://") && !t.starts_with('#') && !t.is_empty())
        .map(str::to_owned)
        .collect()
}
