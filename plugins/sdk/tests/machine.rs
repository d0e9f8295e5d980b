//! The machine as a plugin sees it.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_plugin::{
    Kind, Machine,
    protocol::{NameRule, RelPath},
};
use std::{fs, path::Path};
use tempfile::TempDir;

fn tree(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    dir
}

fn rel(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

#[test]
fn listings_are_sorted_and_pass_over_what_runs_left_behind() {
    let dir = tree(&["b", "a/z", "a/b/c", ".backout-1/x", "a/.backout-2/y"]);
    let machine = Machine::new(NameRule::Exact);
    let names = |entries: Vec<backout_plugin::Entry>| {
        entries.into_iter().map(|e| (e.rel.to_string(), e.kind)).collect::<Vec<_>>()
    };
    let file = |n: &str| (n.to_owned(), Kind::File);
    let folder = |n: &str| (n.to_owned(), Kind::Folder);
    assert_eq!(names(machine.list(dir.path()).unwrap()), [folder("a"), file("b")]);
    let all = [folder("a"), folder("a/b"), file("a/b/c"), file("a/z"), file("b")];
    assert_eq!(names(machine.walk(dir.path()).unwrap()), all);
}

#[test]
fn a_folder_that_is_not_there_is_empty_and_one_that_is_none_is_an_error() {
    let dir = tree(&["file"]);
    let machine = Machine::new(NameRule::Exact);
    assert_eq!(machine.walk(&dir.path().join("nothing")).unwrap(), []);
    assert!(machine.list(&dir.path().join("file")).is_err());
}

#[test]
fn a_name_is_found_by_the_products_rule() {
    let dir = tree(&["IS_Backup/FileGroup10/Earthagent.exe"]);
    let wanted = rel("is_backup/filegroup10/EARTHAGENT.EXE");
    let folded = Machine::new(NameRule::Folded);
    let found = folded.find(dir.path(), &wanted).unwrap().unwrap();
    assert_eq!(found.as_path(), Path::new("IS_Backup/FileGroup10/Earthagent.exe"));
    assert_eq!(folded.find(dir.path(), &rel("is_backup/other")).unwrap(), None);
    assert_eq!(folded.find(dir.path(), &rel("is_backup/filegroup10/earthagent.exe/x")).unwrap(), None);
    let spelled = folded.spelled(dir.path(), &rel("is_backup/new/X.dll")).unwrap();
    assert_eq!(spelled.as_path(), Path::new("IS_Backup/new/X.dll"));
    #[cfg(target_os = "linux")]
    assert_eq!(Machine::new(NameRule::Exact).find(dir.path(), &wanted).unwrap(), None);
}

#[cfg(unix)]
#[test]
fn links_are_seen_not_followed() {
    let dir = tree(&["a/x"]);
    std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere", dir.path().join("dangling")).unwrap();
    let machine = Machine::new(NameRule::Exact);
    let links = machine.walk(dir.path()).unwrap().into_iter().filter(|e| e.kind == Kind::Symlink);
    assert_eq!(links.map(|e| e.rel.to_string()).collect::<Vec<_>>(), ["dangling", "link"]);
    assert!(machine.exists(&dir.path().join("dangling")).unwrap());
    assert!(!machine.exists(&dir.path().join("nothing")).unwrap());
}
