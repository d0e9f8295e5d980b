//! A throw-away tree as a fixture tells of it: where a plugin that means to write finds something.
#![expect(clippy::disallowed_methods, reason = "the tree is made for the check and thrown away with it")]

use backout_protocol::{
    HostPath,
    message::{BackupSource, Known, KnownFile, KnownKind, PlanRequest},
    path::decode,
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
#[derive(Debug)]
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
    /// One with nothing in it.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { root: TempDir::new()? })
    }

    /// The folder that it is.
    pub(super) fn home(&self) -> PathBuf {
        self.root.path().to_owned()
    }

    /// Makes every folder of the request and everything its fixture tells of.
    pub(super) fn of(request: &PlanRequest) -> io::Result<Self> {
        let tree = Self::new()?;
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

    /// The same path, if it lies in the tree. What a fixture tells comes from the plugin.
    fn place<'a>(&self, path: &'a Path) -> io::Result<&'a Path> {
        let below = path.strip_prefix(self.root.path());
        match below.map(|below| below.components().all(|part| matches!(part, Component::Normal(_)))) {
            Ok(true) => Ok(path),
            _ => Err(io::Error::other(format!("`{}` leads out of it", path.display()))),
        }
    }

    /// What lies in `folder` under a name that a fixture writes.
    fn entry(&self, folder: &Path, name: &str) -> io::Result<PathBuf> {
        let decoded = decode(name);
        let mut parts = Path::new(&decoded).components();
        match (parts.next(), parts.next()) {
            // Compared whole: `a/` and `a/.` have one component too.
            (Some(Component::Normal(only)), None) if only == decoded => Ok(folder.join(only)),
            _ => Err(io::Error::other(format!("`{name}` is no name of a file or folder"))),
        }
    }

    fn lay(&self, path: &Path, known: &Known) -> io::Result<()> {
        match known {
            Known::File(file) => self.file(path, &content(file)),
            Known::Folder(names) => {
                fs::create_dir_all(self.place(path)?)?;
                for (name, kind) in names.iter().flatten() {
                    let path = self.entry(path, name)?;
                    match kind {
                        // Not over what the fixture tells more of.
                        KnownKind::File if !path.exists() => self.file(&path, b"")?,
                        KnownKind::Folder => fs::create_dir_all(self.place(&path)?)?,
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
        if let Some(folder) = self.place(path)?.parent() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use backout_protocol::message::Fixture;

    fn tree(name: &str, kind: KnownKind) -> io::Result<Tree> {
        let home = HostPath(PathBuf::from("/home"));
        let known = Known::Folder(Some([(name.to_owned(), kind)].into()));
        let machine = Fixture { paths: [(home, known)].into(), ..Fixture::default() };
        let Ok(component) = "checked".parse() else { unreachable!() };
        Tree::of(&machine.request(component, "()".to_owned()))
    }

    #[test]
    fn no_name_of_a_fixture_leads_out_of_the_tree() {
        let outside = TempDir::new().unwrap();
        let whole = outside.path().join("made").display().to_string();
        for name in
            [whole.as_str(), "../..", "..", "../../made", ".", "", "a/b", "a/", "a/.", "%2E%2E", "..%2Fmade"]
        {
            for kind in [KnownKind::Folder, KnownKind::File] {
                assert!(tree(name, kind).is_err(), "{name:?} {kind:?}");
            }
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_with_a_percent_sign_is_laid_down_as_it_is_meant() {
        let laid = tree("50%25", KnownKind::Folder).unwrap();
        assert!(laid.look().keys().any(|path| path.ends_with("home/50%")));
    }
}
