#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "makes the trees that are looked at")]

use super::*;
use crate::state::State;
use backout_disk::{fingerprint::digest_bytes, folder::DEEPEST};
use backout_protocol::{Fingerprint, HostPath, Image};
use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

/// A root in which everything is as the snapshot has it.
struct World {
    _dir: tempfile::TempDir,
    root: PathBuf,
    state: State,
    saved: Vec<Saved>,
}

fn rel(path: &str) -> RelPath {
    RelPath::new(path).unwrap()
}

fn bytes(bytes: &[u8]) -> What {
    let sha256 = digest_bytes(bytes);
    What::File(Image::bare(Fingerprint::File { len: bytes.len() as u64, sha256 }))
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        drop(State::lock(&at.join("state")).unwrap());
        let state = State::look(&at.join("state")).unwrap().unwrap();
        let root = at.join("root");
        fs::create_dir_all(root.join("held/below")).unwrap();
        fs::write(root.join("held/file"), "old").unwrap();
        symlink("file", root.join("held/link")).unwrap();
        assert!(Command::new("mkfifo").arg(root.join("held/pipe")).status().unwrap().success());
        let saved = [
            ("held", What::Folder),
            ("held/below", What::Folder),
            ("held/file", bytes(b"old")),
            ("held/link", What::Link(HostPath("file".into()))),
            ("held/pipe", What::Other),
        ];
        let entry = |(path, what)| Saved { root: 0, path: rel(path), what, facts: None };
        Self { _dir: dir, root, state, saved: saved.into_iter().map(entry).collect() }
    }

    fn with<T>(&self, exclude: &[&str], work: impl FnOnce(&Here<'_>, &Folder) -> T) -> T {
        let snapshot = crate::blank::snapshot();
        let theirs = Theirs::all_new();
        let copies = Copies::of(&self.state, &snapshot, &theirs);
        let freed = Freed::of(&copies);
        let exclude: Vec<String> = exclude.iter().map(|glob| (*glob).to_owned()).collect();
        let exclude = Exclude::new(&exclude, NameRule::Exact).unwrap();
        let saved = self.saved.iter().map(|e| (NameRule::Exact.path_key(e.path.as_path()), e)).collect();
        let here = Here {
            saved,
            names: NameRule::Exact,
            exclude: &exclude,
            foreign: Vec::new(),
            all_new_goes: true,
            freed: &freed,
        };
        work(&here, &Folder::open_root(&self.root).unwrap())
    }

    fn changes(&self) -> bool {
        let held = rel("held");
        self.with(&[], |here, root| here.changes(&root.open_below(&held).unwrap(), &held).unwrap())
    }

    /// Folders in folders, the lowest deeper than anything walks.
    fn deep(&self) {
        let below: PathBuf = (0..=DEEPEST).map(|_| "d").collect();
        fs::create_dir_all(self.root.join("deep").join(below)).unwrap();
    }
}

#[test]
fn a_folder_changes_where_any_name_in_it_is_new_gone_or_other_than_it_was_and_only_there() {
    let held = |change: &dyn Fn(PathBuf)| {
        let world = World::new();
        change(world.root.join("held"));
        world.changes()
    };
    assert!(!held(&|_| {}), "all of it is as it was");
    assert!(held(&|at| fs::write(at.join("new"), "new").unwrap()));
    for gone in ["file", "link", "pipe"] {
        assert!(held(&|at| fs::remove_file(at.join(gone)).unwrap()), "{gone}");
        let folder = |at: PathBuf| {
            fs::remove_file(at.join(gone)).unwrap();
            fs::create_dir(at.join(gone)).unwrap();
        };
        assert!(held(&folder), "{gone}");
    }
    assert!(held(&|at| fs::remove_dir(at.join("below")).unwrap()));
    assert!(held(&|at| fs::write(at.join("file"), "new").unwrap()));
    let elsewhere = |at: PathBuf| {
        fs::remove_file(at.join("link")).unwrap();
        symlink("elsewhere", at.join("link")).unwrap();
    };
    assert!(held(&elsewhere));
}

#[test]
fn a_file_is_as_it_was_by_its_bytes_and_what_is_gone_or_of_another_kind_is_not() {
    let world = World::new();
    let folder = Folder::open_root(&world.root.join("held")).unwrap();
    let is = |name: &str, what: What| {
        let saved = Saved { root: 0, path: rel("held/file"), what, facts: None };
        is_as_it_was(&folder, OsStr::new(name), &saved)
    };
    assert!(is("file", bytes(b"old")).unwrap());
    assert!(!is("file", bytes(b"OLD")).unwrap());
    assert!(!is("file", What::Folder).unwrap());
    assert!(!is("gone", bytes(b"old")).unwrap());
    assert!(!is("pipe", bytes(b"old")).unwrap());
    assert_eq!(is("link", bytes(b"old")).unwrap_err().kind, ErrorKind::Symlink);
}

#[test]
fn what_lies_too_deep_is_not_looked_at_and_what_cannot_be_looked_at_otherwise_is_said() {
    let world = World::new();
    world.deep();
    let deep = |root: &Folder| root.entries().unwrap().into_iter().find(|e| e.name == "deep").unwrap();
    let left = |here: &Here<'_>, root: &Folder| here.holds_left_out(root, &deep(root), &rel("deep"));
    assert!(!world.with(&[], left).unwrap());
    assert!(world.with(&["*.log"], left).unwrap(), "it may hold some");
    world.with(&[], |here, root| here.freed.unlock_all(root, OsStr::new("deep"))).unwrap();
    let gone = |here: &Here<'_>, root: &Folder| {
        let entry = deep(root);
        fs::rename(world.root.join("deep"), world.root.join("elsewhere")).unwrap();
        here.holds_left_out(root, &entry, &rel("deep"))
    };
    assert_eq!(world.with(&[], gone).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn a_folder_above_a_root_is_made_where_it_is_gone_and_nothing_takes_the_place_of_a_file() {
    let world = World::new();
    let made = |path: &str| world.with(&[], |here, _| above(&world.root.join(path), here.freed));
    assert!(made("new/above").is_ok() && world.root.join("new/above").is_dir());
    assert_eq!(made("held/file").unwrap_err().kind, ErrorKind::NotAFolder);
}
