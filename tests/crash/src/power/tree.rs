//! One state of a medium: what lies below the world's folder.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ffi::OsString,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What one name leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// A file's contents; `None`: a folder or a link.
    pub data: Option<Arc<Vec<u8>>>,
    /// What a symbolic link holds.
    pub link: Option<OsString>,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Modification time; `None`: nobody has set it, so that nothing may depend on it.
    pub mtime: Option<(i64, u32)>,
    /// Names with the same number are one file.
    pub number: usize,
}

/// Relative path to item. Parents sort before what is in them.
pub type Tree = BTreeMap<PathBuf, Item>;

/// Everything below `root` but the folders of it in `leave_out`.
pub fn capture(root: &Path, leave_out: &[&str]) -> Tree {
    let mut numbers = BTreeMap::new();
    let walk = walkdir::WalkDir::new(root).sort_by_file_name().min_depth(1);
    let walk = walk
        .into_iter()
        .filter_entry(|e| e.depth() > 1 || !leave_out.iter().any(|out| e.file_name() == *out));
    walk.map(|entry| {
        let entry = entry.unwrap();
        let meta = entry.path().symlink_metadata().unwrap();
        assert!(meta.is_file() || meta.is_dir() || meta.is_symlink(), "{}", entry.path().display());
        let next = numbers.len();
        let item = Item {
            data: meta.is_file().then(|| Arc::new(fs::read(entry.path()).unwrap())),
            link: meta.is_symlink().then(|| fs::read_link(entry.path()).unwrap().into_os_string()),
            mode: meta.mode() & 0o7777,
            owner: (meta.uid(), meta.gid()),
            mtime: Some((meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap())),
            number: *numbers.entry(meta.ino()).or_insert(next),
        };
        (entry.path().strip_prefix(root).unwrap().to_owned(), item)
    })
    .collect()
}

/// Puts a state where `root` is, in place of whatever is there.
pub fn lay_out(tree: &Tree, root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    let mut first: BTreeMap<usize, PathBuf> = BTreeMap::new();
    for (name, item) in tree {
        let path = root.join(name);
        if let Some(to) = &item.link {
            symlink(to, &path).unwrap();
            lchown(&path, Some(item.owner.0), Some(item.owner.1)).unwrap();
            continue;
        }
        match (&item.data, first.entry(item.number)) {
            (None, _) => fs::create_dir(&path).unwrap(),
            (Some(_), Entry::Occupied(same)) => {
                fs::hard_link(same.get(), &path).unwrap();
                continue;
            }
            (Some(data), Entry::Vacant(new)) => {
                fs::write(&path, data.as_slice()).unwrap();
                new.insert(path.clone());
            }
        }
        lchown(&path, Some(item.owner.0), Some(item.owner.1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(item.mode)).unwrap();
    }
    for (name, item) in tree.iter().rev() {
        if let Some((seconds, nanos)) = item.mtime {
            let time = filetime::FileTime::from_unix_time(seconds, nanos);
            filetime::set_symlink_file_times(root.join(name), time, time).unwrap();
        }
    }
}

/// Where `a`, the double, says something else than `b`, the real file system. Times that nobody has set are not compared,
/// nor are those of folders.
pub fn differences(a: &Tree, b: &Tree) -> Vec<String> {
    let names: std::collections::BTreeSet<&PathBuf> = a.keys().chain(b.keys()).collect();
    let same = |name: &PathBuf| match (a.get(name), b.get(name)) {
        (Some(a), Some(b)) => {
            let is_folder = a.data.is_none() && a.link.is_none();
            let times = is_folder || a.mtime.is_none() || a.mtime == b.mtime;
            (&a.data, &a.link, a.mode, a.owner) == (&b.data, &b.link, b.mode, b.owner) && times
        }
        _ => false,
    };
    let short = |item: Option<&Item>| {
        item.map(|i| {
            let text = i.data.as_ref().map(|d| String::from_utf8_lossy(&d[..d.len().min(200)]).into_owned());
            (text, i.link.clone(), format!("{:o}", i.mode), i.owner, i.mtime)
        })
    };
    let differ = names.into_iter().filter(|n| !same(n));
    differ.map(|n| format!("{}: {:?} / {:?}", n.display(), short(a.get(n)), short(b.get(n)))).collect()
}
