//! A throw-away tree as a fixture tells of it: where a plugin that means to write finds something.
#![expect(clippy::disallowed_methods, reason = "the tree is made for the check and thrown away with it")]

use backout_protocol::{
    HostPath,
    message::{BackupSource, Known, KnownFile, KnownKind, PlanRequest},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};
use tempfile::TempDir;

/// No file of a throw-away tree is made longer, in bytes.
const LONGEST: u64 = 1 << 20;

/// The tree.
pub(super) struct Tree {
    root: TempDir,
}

/// What is seen of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its bytes, or where a link leads; `None`: a folder.
    content: Option<Vec<u8>>,
    modified: Option<SystemTime>,
}

impl Tree {
    /// Makes every folder of the request and everything its fixture tells of.
    pub(super) fn of(request: &PlanRequest) -> io::Result<Self> {
        let tree = Self { root: TempDir::new()? };
        for folder in request.folders.values() {
            fs::create_dir_all(tree.path(folder).0)?;
        }
        for row in &request.listed {
            fs::create_dir_all(tree.path(&row.folder).0)?;
        }
        for (path, known) in request.machine.iter().flat_map(|machine| &machine.paths) {
            tree.lay(&tree.path(path).0, known)?;
        }
        Ok(tree)
    }

    /// Where a path of the fixture lies in it.
    fn path(&self, path: &HostPath) -> HostPath {
        let plain = path.0.components().filter(|part| matches!(part, Component::Normal(_)));
        HostPath(self.root.path().join(plain.collect::<PathBuf>()))
    }

    fn lay(&self, path: &Path, known: &Known) -> io::Result<()> {
        match known {
            Known::File(file) => self.file(path, &content(file)),
            Known::Folder(names) => {
                fs::create_dir_all(path)?;
                for (name, kind) in names.iter().flatten() {
                    let path = path.join(name);
                    match kind {
                        // Not over what the fixture tells more of.
                        KnownKind::File if !path.exists() => self.file(&path, b"")?,
                        KnownKind::Folder => fs::create_dir_all(path)?,
                        _ => {}
                    }
                }
                Ok(())
            }
            Known::Absent | Known::Symlink(_) | Known::Closed(_) | Known::Other | Known::Unreadable(_) => {
                Ok(())
            }
        }
    }

    fn file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // Names come from the plugin: none leads out of the tree.
        if !path.starts_with(self.root.path()) || path.components().any(|c| c == Component::ParentDir) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)
    }

    /// The same request, asked about the tree instead of the fixture.
    pub(super) fn request(&self, request: &PlanRequest) -> PlanRequest {
        let mut there = PlanRequest { machine: None, ..request.clone() };
        for folder in there.folders.values_mut() {
            *folder = self.path(folder);
        }
        for row in &mut there.listed {
            row.folder = self.path(&row.folder);
        }
        if let BackupSource::Dir(dir) = &mut there.source {
            *dir = self.path(dir);
        }
        there
    }

    /// Everything in it.
    pub(super) fn look(&self) -> BTreeMap<PathBuf, Seen> {
        let mut seen = BTreeMap::new();
        look(self.root.path(), &mut seen);
        seen
    }

    /// The first name at which it is not as it was.
    pub(super) fn changed(&self, before: &BTreeMap<PathBuf, Seen>) -> Option<String> {
        self.differs(before, |a, b| a == b)
    }

    /// The same, but when something was changed does not count.
    pub(super) fn content_changed(&self, before: &BTreeMap<PathBuf, Seen>) -> Option<String> {
        self.differs(before, |a, b| a.content == b.content)
    }

    fn differs(
        &self,
        before: &BTreeMap<PathBuf, Seen>,
        same: impl Fn(&Seen, &Seen) -> bool,
    ) -> Option<String> {
        let now = self.look();
        let names = before.keys().chain(now.keys());
        let mut other = names.filter(|name| match (before.get(*name), now.get(*name)) {
            (Some(a), Some(b)) => !same(a, b),
            _ => true,
        });
        let shown =
            |path: &PathBuf| path.strip_prefix(self.root.path()).unwrap_or(path).display().to_string();
        other.next().map(shown)
    }
}

fn content(file: &KnownFile) -> Vec<u8> {
    if let Some(text) = &file.text {
        return text.clone().into_bytes();
    }
    if let Some(hex) = &file.hex {
        let digits: Vec<u8> =
            hex.bytes().filter_map(|b| char::from(b).to_digit(16)?.try_into().ok()).collect();
        return digits.chunks(2).map(|two| two[0] << 4 | two.get(1).unwrap_or(&0)).collect();
    }
    vec![0; usize::try_from(file.len.min(LONGEST)).unwrap_or(0)]
}

fn look(path: &Path, seen: &mut BTreeMap<PathBuf, Seen>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let content = if meta.is_dir() {
        None
    } else if meta.is_file() {
        Some(fs::read(path).map(|bytes| Sha256::digest(bytes).to_vec()).unwrap_or_default())
    } else {
        Some(fs::read_link(path).map(|to| to.as_os_str().as_encoded_bytes().to_vec()).unwrap_or_default())
    };
    seen.insert(path.to_owned(), Seen { content, modified: meta.modified().ok() });
    for entry in fs::read_dir(path).into_iter().flatten().flatten().filter(|_| meta.is_dir()) {
        look(&entry.path(), seen);
    }
}
