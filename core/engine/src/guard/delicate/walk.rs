//! Every name below the roots, as a snapshot would see it: beneath the root, through no link, without what is left out.

use crate::{look, refusal::Refusal, snapshot::Exclude};
use backout_disk::{Error, ErrorKind, Folder, folder::Kind};
use backout_protocol::{HostPath, NameRule, Place, RelPath, path::encode};
use std::path::MAIN_SEPARATOR_STR;

/// Folders with what is in them, each before those that lie in it.
pub(super) struct Tree {
    pub folders: Vec<Listed>,
}

/// One folder.
pub(super) struct Listed {
    pub root: HostPath,
    /// `None`: the root itself.
    pub rel: Option<RelPath>,
    pub names: Vec<Named>,
}

/// A name in a folder.
pub(super) struct Named {
    pub name: RelPath,
    /// As it is written in files.
    pub text: String,
    pub kind: Kind,
    /// Device and number.
    pub identity: (u64, u64),
}

impl Tree {
    pub(super) fn of(roots: &[HostPath], names: NameRule, exclude: &[String]) -> Result<Self, Refusal> {
        let exclude = Exclude::new(exclude, names)?;
        let mut tree = Self { folders: Vec::new() };
        for root in roots {
            let folder = Folder::open_root(&root.0).map_err(|e| match e.kind {
                ErrorKind::NotFound => Refusal::FolderMissing { path: root.clone() },
                _ => look::refusal(e),
            })?;
            tree.list(&exclude, root, &folder, None)?;
        }
        Ok(tree)
    }

    fn list(
        &mut self,
        exclude: &Exclude,
        root: &HostPath,
        folder: &Folder,
        rel: Option<RelPath>,
    ) -> Result<(), Refusal> {
        let mut listed = Listed { root: root.clone(), rel, names: Vec::new() };
        for entry in folder.entries().map_err(look::refusal)? {
            let name = RelPath::new(&entry.name).map_err(|e| {
                look::refusal(Error::unsupported("read", &folder.path().join(&entry.name), &e.to_string()))
            })?;
            if crate::preflight::is_ours(&entry.name) || exclude.leaves_out(&listed.below(&name)) {
                continue;
            }
            // What is gone again was not there.
            let Some(stat) = folder.stat(&entry.name).map_err(look::refusal)? else { continue };
            let text = encode(&entry.name);
            listed.names.push(Named { name, text, kind: stat.kind, identity: stat.identity });
        }
        let inner = |n: &&Named| n.kind == Kind::Folder;
        let inner: Vec<RelPath> = listed.names.iter().filter(inner).map(|n| n.name.clone()).collect();
        let below: Vec<(RelPath, RelPath)> = inner.into_iter().map(|n| (listed.below(&n), n)).collect();
        self.folders.push(listed);
        for (rel, name) in below {
            match folder.open_below(&name) {
                Ok(folder) => self.list(exclude, root, &folder, Some(rel))?,
                Err(e) if e.kind == ErrorKind::NotFound => {}
                Err(e) => return Err(look::refusal(e)),
            }
        }
        Ok(())
    }
}

impl Listed {
    /// A name of it as a path below the root.
    pub(super) fn below(&self, name: &RelPath) -> RelPath {
        self.rel.as_ref().map_or_else(|| name.clone(), |rel| rel.join(name))
    }

    pub(super) fn place(&self, name: &RelPath) -> Place {
        Place { root: self.root.clone(), rel: self.below(name) }
    }

    /// Where a name of it lies.
    pub(super) fn path(&self, name: &RelPath) -> HostPath {
        HostPath(self.place(name).path())
    }
}

/// The glob that leaves out this path below a root and nothing else, but where it is one name, that name at any depth.
pub(super) fn glob(rel: &RelPath) -> String {
    let names = rel.as_path().iter().map(|name| globset::escape(&encode(name)));
    names.collect::<Vec<_>>().join(MAIN_SEPARATOR_STR)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the trees that are looked at")]
mod tests {
    use super::*;
    use backout_disk::folder::DEEPEST;
    use std::{fs, path::PathBuf};

    #[test]
    fn a_root_that_is_gone_is_named_and_what_is_nested_too_deep_is_not_taken_for_gone() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        let of = |name: &str| Tree::of(&[HostPath(at.join(name))], NameRule::Exact, &[]).map(drop);
        assert!(matches!(of("gone"), Err(Refusal::FolderMissing { path }) if path.0 == at.join("gone")));
        let below: PathBuf = (0..=DEEPEST).map(|_| "d").collect();
        fs::create_dir_all(at.join("deep").join(below)).unwrap();
        assert!(matches!(of("deep"), Err(Refusal::TooDeep { most: DEEPEST, .. })));
    }
}
