//! The machine as a plugin sees it: listings, nothing more. Files are neither opened nor followed.

use crate::failure;
use backout_protocol::{NameRule, RelPath, message::Failure, path::encode};
use std::{
    ffi::OsStr,
    fmt,
    fs::{self, FileType},
    io,
    path::{Path, PathBuf},
};
use walkdir::WalkDir;

/// Staging folders of runs begin like this; they are never looked into.
const OWN: &str = ".backout-";

/// A read-only view of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    names: NameRule,
}

/// A name that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, below the folder that was looked at.
    pub rel: RelPath,
    /// What it is.
    pub kind: Kind,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link or a junction.
    Symlink,
    /// A device, a socket or the like.
    Other,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        if kind.is_symlink() {
            Kind::Symlink
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_file() {
            Kind::File
        } else {
            Kind::Other
        }
    }
}

/// A folder that could not be looked at.
#[derive(Debug)]
pub struct LookError {
    /// The folder.
    pub path: PathBuf,
    /// The system's words.
    pub source: io::Error,
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be looked at", encode(self.path.as_os_str()))
    }
}
impl std::error::Error for LookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
impl From<LookError> for Failure {
    fn from(e: LookError) -> Self {
        failure(format!("{e}: {}", e.source))
    }
}

impl Machine {
    /// A view in which names compare by `names`.
    pub fn new(names: NameRule) -> Self {
        Self { names }
    }

    /// What lies directly in `folder`, sorted by name. A folder that is not there has nothing in it.
    ///
    /// # Errors
    /// [`LookError`]: it is there and cannot be read.
    pub fn list(&self, folder: &Path) -> Result<Vec<Entry>, LookError> {
        self.entries(folder, 1)
    }

    /// What lies in `folder` and below, folders before what is in them, sorted by name. Symbolic links below it are
    /// named, not followed. A folder that is not there has nothing in it.
    ///
    /// # Errors
    /// [`LookError`]: it or a folder below it cannot be read.
    pub fn walk(&self, folder: &Path) -> Result<Vec<Entry>, LookError> {
        self.entries(folder, usize::MAX)
    }

    fn entries(&self, folder: &Path, depth: usize) -> Result<Vec<Entry>, LookError> {
        let error = |path: &Path, source| LookError { path: path.to_owned(), source };
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(error(folder, io::ErrorKind::NotADirectory.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(error(folder, e)),
        }
        let walk = WalkDir::new(folder).min_depth(1).max_depth(depth).sort_by_file_name();
        let mut entries = Vec::new();
        for entry in walk.into_iter().filter_entry(|e| e.depth() == 0 || !is_own(e.file_name())) {
            let entry = entry.map_err(|e| {
                let path = e.path().unwrap_or(folder).to_owned();
                error(&path, e.into())
            })?;
            // A name that no relative path may have (Windows keeps such names behind `\\?\` only) is no backup's.
            let rel = entry.path().strip_prefix(folder).ok().and_then(|rel| RelPath::new(rel).ok());
            entries.extend(rel.map(|rel| Entry { rel, kind: entry.file_type().into() }));
        }
        Ok(entries)
    }

    /// The spelling under which `rel` is there below `folder`, if it is: as given if that is there, else the first
    /// whose names are the same by the machine's rule.
    ///
    /// # Errors
    /// [`LookError`]: a folder on the way cannot be read.
    pub fn find(&self, folder: &Path, rel: &RelPath) -> Result<Option<RelPath>, LookError> {
        if exists(&folder.join(rel.as_path()))? {
            return Ok(Some(rel.clone()));
        }
        if self.names == NameRule::Exact {
            return Ok(None);
        }
        let mut found: Option<RelPath> = None;
        for name in rel.as_path() {
            let at = found.as_ref().map_or(folder.to_owned(), |f| folder.join(f.as_path()));
            if !at.is_dir() {
                return Ok(None);
            }
            let mut same = self.list(&at)?.into_iter().filter(|e| self.names.same(e.rel.name(), name));
            let Some(entry) = same.next() else { return Ok(None) };
            found = Some(found.map_or(entry.rel.clone(), |f| f.join(&entry.rel)));
        }
        Ok(found)
    }

    /// `path` below `root` in the spelling it has there; the names that are not there stay as given.
    ///
    /// # Errors
    /// [`LookError`]: a folder on the way cannot be read.
    pub fn spelled(&self, root: &Path, rel: &RelPath) -> Result<RelPath, LookError> {
        if let Some(found) = self.find(root, rel)? {
            return Ok(found);
        }
        let parent = rel.parent().map(|p| self.spelled(root, &p)).transpose()?;
        let name = RelPath::new(rel.name()).unwrap_or_else(|_| rel.clone());
        Ok(parent.map_or(name.clone(), |p| p.join(&name)))
    }

    /// Whether something has this name, a dangling symbolic link included.
    ///
    /// # Errors
    /// [`LookError`]: it cannot be told.
    pub fn exists(&self, path: &Path) -> Result<bool, LookError> {
        exists(path)
    }
}

fn exists(path: &Path) -> Result<bool, LookError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(LookError { path: path.to_owned(), source: e }),
    }
}

fn is_own(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(OWN.as_bytes())
}
