//! A whole tree as it can be compared: names, kinds, owners, modes or attributes, times, contents.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod marks;

use filetime::FileTime;
use marks::Marks;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fs, path::Path};

/// Everything of one name that a rollback must restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `f`, `d` or `l`.
    pub kind: char,
    /// What the system keeps of it besides.
    marks: Marks,
    /// Modification time in seconds and nanoseconds; 0 for folders, whose time tells nothing.
    pub mtime: (i64, i64),
    /// Length and digest of the contents; of a link, what it holds.
    pub content: String,
}

/// A tree: relative name to entry. `.backout-*` is left out.
pub type Snapshot = BTreeMap<String, Entry>;

/// Takes a snapshot of everything below `root`.
pub fn snapshot(root: &Path) -> Snapshot {
    let ours = |e: &walkdir::DirEntry| e.file_name().to_string_lossy().starts_with(".backout-");
    let walk = walkdir::WalkDir::new(root).min_depth(1).into_iter().filter_entry(|e| !ours(e));
    walk.map(|entry| {
        let entry = entry.unwrap();
        let meta = entry.path().symlink_metadata().unwrap();
        let kind = if meta.is_dir() {
            'd'
        } else if meta.is_file() {
            'f'
        } else {
            'l'
        };
        let content = match kind {
            'f' => format!("{:x?}", Sha256::digest(fs::read(entry.path()).unwrap())),
            'l' if meta.is_symlink() => format!("{:?}", fs::read_link(entry.path()).unwrap()),
            _ => String::new(),
        };
        let time = FileTime::from_last_modification_time(&meta);
        let mtime = if kind == 'd' { (0, 0) } else { (time.seconds(), i64::from(time.nanoseconds())) };
        let name = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
        (name, Entry { kind, marks: Marks::of(entry.path(), &meta), mtime, content })
    })
    .collect()
}

/// The names in which two trees differ, for messages.
pub fn differences(a: &Snapshot, b: &Snapshot) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differ = names.into_iter().filter(|n| a.get(*n) != b.get(*n));
    differ.map(|n| format!("{n}: {:?} / {:?}", a.get(n), b.get(n))).collect()
}

/// Every `.backout-*` folder below `root`.
pub fn leftovers(root: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(root).into_iter().flatten();
    let ours = walk.filter(|e| e.file_name().to_string_lossy().starts_with(".backout-"));
    ours.map(|e| e.path().display().to_string()).collect()
}
