//! A folder held open by a handle. What is done in it is done in that folder, whatever its path leads to meanwhile.

use crate::{
    barrier,
    error::{Error, ErrorKind},
    os,
};
use backout_protocol::{Place, RelPath};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    path::{Path, PathBuf},
};

/// No walk goes deeper than so many folders below the one that it began with: each of them takes a handle and some of the
/// stack, and whoever makes a tree may make it of any depth.
pub const DEEPEST: usize = 256;

/// A folder held open.
#[derive(Debug)]
pub struct Folder {
    pub(crate) handle: os::Handle,
    path: PathBuf,
    /// How many folders were opened, each below the one before, to come here.
    depth: usize,
}

/// What sort of thing a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe, a socket.
    Other,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
}

/// What is known of a name without following it.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes.
    pub len: u64,
    /// How many names it has.
    pub nlink: u64,
    /// Device and number: a hint within one boot, never compared across boots.
    pub identity: (u64, u64),
    /// Owner and group.
    pub owner: (u32, u32),
    /// Permission bits.
    pub mode: u32,
    /// When its bytes changed last, in seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// When it was made, which no program can change; `None`: nobody can tell for sure.
    pub born: Option<(i64, u32)>,
    /// May not be changed at all.
    pub immutable: bool,
    /// May only be appended to.
    pub append_only: bool,
    /// Something is mounted here.
    pub mount_root: bool,
}

/// The file system a folder lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its device number in this boot.
    pub dev: u64,
    /// Its type, such as `ext4`.
    pub kind: String,
    /// Bytes free for this user.
    pub available: u64,
    /// Bytes that it holds at most; in a folder with a quota of its own what that says, where the file system tells.
    pub total: u64,
    /// Mounted read-only.
    pub read_only: bool,
    /// Whether a rename survives a power cut whole.
    pub atomic_rename: bool,
}

fn kind_of(mode: u32) -> Kind {
    match mode & 0o170000 {
        0o100000 => Kind::File,
        0o040000 => Kind::Folder,
        0o120000 => Kind::Symlink,
        _ => Kind::Other,
    }
}

impl Stat {
    /// Whether nothing about it can be changed as it is.
    pub fn is_locked(&self) -> bool {
        self.immutable || self.append_only
    }

    pub(crate) fn of(raw: os::Raw) -> Self {
        Self {
            kind: kind_of(raw.mode),
            len: raw.len,
            nlink: raw.nlink,
            identity: (raw.dev, raw.ino),
            owner: (raw.uid, raw.gid),
            mode: raw.mode & 0o7777,
            modified: raw.mtime,
            born: raw.born,
            immutable: raw.immutable,
            append_only: raw.append_only,
            mount_root: raw.mount_root,
        }
    }
}

impl Folder {
    /// Opens an absolute path.
    ///
    /// # Errors
    /// [`ErrorKind::Symlink`] if any name of it is a symbolic link; the system's otherwise.
    pub fn open_root(path: &Path) -> Result<Self, Error> {
        if !path.is_absolute() {
            return Err(Error::unsupported("open", path, "it is not an absolute path"));
        }
        let handle = os::open_root(path).map_err(|e| Error::io("open the folder", path, e))?;
        Ok(Self { handle, path: path.to_owned(), depth: 0 })
    }

    /// Opens a folder below this one: one step of a walk, however long `rel` is.
    ///
    /// # Errors
    /// As [`Folder::open_root`]; [`ErrorKind::TooDeep`] behind [`DEEPEST`] steps.
    pub fn open_below(&self, rel: &RelPath) -> Result<Self, Error> {
        self.step(rel.as_path())
    }

    /// Opens a folder in this one, whatever its name is, where a walk of its own begins.
    ///
    /// # Errors
    /// As [`Folder::open_root`].
    pub fn open_anew(&self, name: &OsStr) -> Result<Self, Error> {
        self.open(Path::new(name), 0)
    }

    /// One step of a walk to whatever name a folder has.
    pub(crate) fn step(&self, rel: &Path) -> Result<Self, Error> {
        match self.depth {
            DEEPEST.. => Err(Error::own(ErrorKind::TooDeep, "open the folder", &self.path.join(rel))),
            depth => self.open(rel, depth + 1),
        }
    }

    fn open(&self, rel: &Path, depth: usize) -> Result<Self, Error> {
        let path = self.path.join(rel);
        let handle = os::open_below(&self.handle, rel).map_err(|e| Error::io("open the folder", &path, e))?;
        Ok(Self { handle, path, depth })
    }

    /// Opens the folder that holds `place`, beneath its root.
    ///
    /// # Errors
    /// As [`Folder::open_root`].
    pub fn open_parent_of(place: &Place) -> Result<Self, Error> {
        let root = Self::open_root(&place.root.0)?;
        match place.rel.parent() {
            Some(rel) => root.open_below(&rel),
            None => Ok(root),
        }
    }

    /// Another handle to the same folder.
    ///
    /// # Errors
    /// The system's: no more handles.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let handle = self.handle.try_clone().map_err(|e| Error::io("open the folder", &self.path, e))?;
        Ok(Self { handle, path: self.path.clone(), depth: self.depth })
    }

    /// Its path when it was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every name in it, sorted by bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        let mut names = os::names(&self.handle).map_err(|e| Error::io("list", &self.path, e))?;
        names.sort();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            // A name that is gone again was not there.
            if let Some(stat) = self.stat(&name)? {
                entries.push(Entry { name, kind: stat.kind });
            }
        }
        Ok(entries)
    }

    /// What is known of a name; `None`: nothing has it.
    ///
    /// # Errors
    /// The system's.
    pub fn stat(&self, name: &OsStr) -> Result<Option<Stat>, Error> {
        let raw = os::stat(&self.handle, name).map_err(|e| Error::io("look at", &self.path.join(name), e))?;
        Ok(raw.map(Stat::of))
    }

    /// What is known of the folder itself.
    ///
    /// # Errors
    /// The system's.
    pub fn stat_self(&self) -> Result<Stat, Error> {
        os::stat_handle(&self.handle).map(Stat::of).map_err(|e| Error::io("look at", &self.path, e))
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`ErrorKind::Symlink`], [`ErrorKind::NotAFile`], the system's otherwise.
    pub fn open_file(&self, name: &OsStr) -> Result<File, Error> {
        let path = self.path.join(name);
        // Opening a device can already do something, and a socket cannot be opened: look first, and again afterwards.
        if self.stat(name)?.is_some_and(|s| s.kind == Kind::Other) {
            return Err(Error::own(ErrorKind::NotAFile, "open", &path));
        }
        let file = os::open_file(&self.handle, name).map_err(|e| Error::io("open", &path, e))?;
        let raw = os::stat_of(&file).map_err(|e| Error::io("look at", &path, e))?;
        match kind_of(raw.mode) {
            Kind::File => Ok(file),
            _ => Err(Error::own(ErrorKind::NotAFile, "open", &path)),
        }
    }

    /// What a symbolic link holds; it is not followed.
    ///
    /// # Errors
    /// It is no link; the system's.
    pub fn read_link(&self, name: &OsStr) -> Result<OsString, Error> {
        let path = self.path.join(name);
        os::read_link(&self.handle, name, &path).map_err(|e| Error::io("read the link", &path, e))
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// [`ErrorKind::Sync`]; not to be tried again.
    #[track_caller]
    pub fn sync(&self) -> Result<(), Error> {
        barrier::sync_folder(&self.handle).map_err(|e| Error::sync(&self.path, e))
    }

    /// Makes everything on its file system durable.
    ///
    /// # Errors
    /// [`ErrorKind::Sync`].
    #[track_caller]
    pub fn sync_file_system(&self) -> Result<(), Error> {
        barrier::sync_file_system(&self.handle).map_err(|e| Error::sync(&self.path, e))
    }

    /// Makes everything below durable that anybody has written there.
    ///
    /// # Errors
    /// [`ErrorKind::Sync`]; what cannot be looked at.
    #[track_caller]
    pub fn sync_written(&self) -> Result<(), Error> {
        barrier::sync_written(&self.handle).map_err(|e| Error::sync(&self.path, e))
    }

    /// The file system it lies on.
    ///
    /// # Errors
    /// The system's.
    pub fn file_system(&self) -> Result<FileSystem, Error> {
        os::file_system(&self.handle).map_err(|e| Error::io("look at the file system of", &self.path, e))
    }

    /// Sees to it that a file is where it is changed, where a file system has layers and copies a file up before the first
    /// change of it: so that a rename of it costs no bytes. What is no file costs none, or cannot be brought up.
    ///
    /// # Errors
    /// As [`Folder::open_file`], or there is no room for it.
    pub fn bring_up(&self, name: &OsStr) -> Result<(), Error> {
        match self.open_file(name) {
            Ok(file) => os::copy_up(&file).map_err(|e| Error::io("bring up", &self.path.join(name), e)),
            Err(e) if matches!(e.kind, ErrorKind::NotAFile | ErrorKind::NotFound | ErrorKind::Symlink) => {
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Takes immutable and append-only off this folder, so that names in it can change.
    ///
    /// # Errors
    /// The system's.
    pub fn unlock(&self) -> Result<(), Error> {
        os::unlock(&self.handle).map_err(|e| Error::io("make changeable", &self.path, e))
    }

    /// Takes immutable and append-only off a file in it.
    ///
    /// # Errors
    /// As [`Folder::open_file`].
    pub fn unlock_file(&self, name: &OsStr) -> Result<(), Error> {
        let file = self.open_file(name)?;
        os::unlock(&file).map_err(|e| Error::io("make changeable", &self.path.join(name), e))
    }

    /// Whether the effective user may add and remove names here.
    ///
    /// # Errors
    /// The system's.
    pub fn writable(&self) -> Result<bool, Error> {
        os::may_write(&self.handle).map_err(|e| Error::io("look at", &self.path, e))
    }
}

/// Opens the regular file at `place`, beneath its root, through no symbolic link.
///
/// # Errors
/// As [`Folder::open_file`].
pub fn open_place(place: &Place) -> Result<File, Error> {
    Folder::open_parent_of(place)?.open_file(place.rel.name())
}
