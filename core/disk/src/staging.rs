//! The folder `.backout-<id>` beside the targets: new files before the swap, before-images after it.

use crate::{
    barrier,
    copy::From,
    error::{Error, ErrorKind},
    folder::Folder,
    metadata::{self, Metadata, Wear},
    os,
    swap::old_name,
};
use backout_protocol::{Fingerprint, Place, RelPath, RunId};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
};

pub use crate::{folder::Kind, metadata::Dress};

/// How the name of every staging folder begins. Scans and fingerprints leave such names out.
pub const PREFIX: &str = ".backout-";
/// The file that says whose staging folder it is.
const MARKER: &str = "id";
/// The folder for files that a service rewrote before a run was put back.
const DRIFT: &str = "drift";
/// Whether a slot can hold a symbolic link here.
pub const HOLDS_LINKS: bool = os::MAKES_LINKS;
/// A marker is not longer.
const MARKER_CAP: u64 = 64 * 1024;

/// A staging folder, held open.
#[derive(Debug)]
pub struct Staging {
    folder: Folder,
}

/// Which of the two states of a folder's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// As before the run.
    Old,
    /// As behind it.
    New,
}

/// What was staged.
#[derive(Debug)]
pub struct Staged {
    /// What it came to.
    pub fingerprint: Fingerprint,
    /// Metadata that could not be had, in words.
    pub notes: Vec<String>,
}

/// A staging folder that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose it is by its name.
    pub run: RunId,
    /// Its marker's bytes; `None`: it has none.
    pub marker: Option<Vec<u8>>,
}

/// The name of a run's staging folder, in each folder that holds one.
pub fn name_of(run: &RunId) -> OsString {
    OsString::from(format!("{PREFIX}{run}"))
}

fn plain(host: &Folder, name: &OsStr) -> Result<RelPath, Error> {
    RelPath::new(name).map_err(|e| Error::unsupported("open", &host.path().join(name), &e.to_string()))
}

impl Staging {
    /// Makes the staging folder of `run` in `host`, with its marker. If we die in here the folder may be there without
    /// a marker, or with a part of it: nothing was swapped.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`]; the system's.
    pub fn create(host: &Folder, run: &RunId, marker: &[u8]) -> Result<Self, Error> {
        let name = name_of(run);
        let path = host.path().join(&name);
        os::make_folder(&host.handle, &name, 0o700).map_err(|e| Error::io("make the folder", &path, e))?;
        let folder = host.open_below(&plain(host, &name)?)?;
        let id = path.join(MARKER);
        let mut file = os::create_file(&folder.handle, OsStr::new(MARKER), 0o600)
            .map_err(|e| Error::io("make", &id, e))?;
        file.write_all(marker).map_err(|e| Error::io("write", &id, e))?;
        barrier::sync_file(&file).map_err(|e| Error::sync(&id, e))?;
        // Now, as the way back may have to go on a full disk. It is synced with all that is staged.
        let drift = path.join(DRIFT);
        os::make_folder(&folder.handle, OsStr::new(DRIFT), 0o700)
            .map_err(|e| Error::io("make the folder", &drift, e))?;
        Ok(Self { folder })
    }

    /// Opens the staging folder of `run` in `host`; `None`: there is none.
    ///
    /// # Errors
    /// The system's.
    pub fn open(host: &Folder, run: &RunId) -> Result<Option<Self>, Error> {
        match host.open_below(&plain(host, &name_of(run))?) {
            Ok(folder) => Ok(Some(Self { folder })),
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Every staging folder in `host` with its marker, if it has one.
    ///
    /// # Errors
    /// The system's.
    pub fn list(host: &Folder) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        for entry in host.entries()?.into_iter().filter(|e| e.kind == Kind::Folder) {
            let id = entry
                .name
                .to_str()
                .and_then(|n| n.strip_prefix(PREFIX))
                .and_then(|n| n.parse::<RunId>().ok());
            let Some(run) = id else { continue };
            if let Some(staging) = Self::open(host, &run)? {
                // A marker that cannot be read is none of ours; it must not hide the others.
                found.push(Found { run, marker: staging.marker().ok().flatten() });
            }
        }
        Ok(found)
    }

    /// The folder itself.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The marker's bytes; `None`: there is none.
    ///
    /// # Errors
    /// The system's.
    pub fn marker(&self) -> Result<Option<Vec<u8>>, Error> {
        crate::durable::read(&self.folder, OsStr::new(MARKER), MARKER_CAP)
    }

    /// Copies `source` into a new slot. Not durable until the file system and the folder are synced.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] and the system's; the half-filled slot stays for [`Staging::remove_but_drift`].
    pub fn stage_copy(&self, slot: &RelPath, source: &Place, dress: Dress<'_>) -> Result<Staged, Error> {
        let from = crate::folder::open_place(source)?;
        let meta = Metadata::of(&from).map_err(|e| Error::io("look at", &source.path(), e))?;
        self.fill(slot, From::File(&from), Some(&meta), dress)
    }

    /// Writes `bytes` into a new slot.
    ///
    /// # Errors
    /// As [`Staging::stage_copy`].
    pub fn stage_bytes(&self, slot: &RelPath, bytes: &[u8], dress: Dress<'_>) -> Result<Staged, Error> {
        self.fill(slot, From::Bytes(bytes), None, dress)
    }

    /// Gives a staged file once more what it takes from the live target, whose rights may have been changed since. Says
    /// what could not be had. If we die in here it has some of both; its bytes are as they were.
    ///
    /// # Errors
    /// The system's.
    pub fn dress_again(&self, slot: &RelPath, target: &Place) -> Result<Vec<String>, Error> {
        let path = self.folder.path().join(slot.as_path());
        let live = Metadata::of(&crate::folder::open_place(target)?)
            .map_err(|e| Error::io("look at", &target.path(), e))?;
        let file = self.parent_of(slot)?.open_file(slot.name())?;
        let own = Metadata::of(&file).map_err(|e| Error::io("look at", &path, e))?;
        metadata::dress(&file, &live, &own, Wear::Guarded)
            .map_err(|e| Error::io("set the rights of", &path, e))
    }

    fn fill(
        &self,
        slot: &RelPath,
        from: From<'_>,
        source: Option<&Metadata>,
        dress: Dress<'_>,
    ) -> Result<Staged, Error> {
        let path = self.folder.path().join(slot.as_path());
        let fail = |op: &'static str| move |e: io::Error| (op, e);
        let parent = self.parent_of(slot)?;
        let live = match dress {
            Dress::Live(target) => {
                let file = crate::folder::open_place(target)?;
                let live = Metadata::of(&file);
                Some(live.map_err(|e| Error::io("look at", &target.path(), e))?)
            }
            Dress::Source | Dress::AsSaved => None,
        };
        let work = || -> Result<Staged, (&'static str, io::Error)> {
            let mut file = os::create_file(&parent.handle, slot.name(), 0o600).map_err(fail("make"))?;
            let (len, sha256) = from.copy_to(&mut file).map_err(fail("write"))?;
            let own = Metadata::of(&file).map_err(fail("look at"))?;
            let model = source.unwrap_or(&own);
            let notes = match (&live, dress) {
                (Some(live), _) => metadata::dress(&file, live, model, Wear::Guarded),
                (None, Dress::AsSaved) => metadata::dress(&file, model, model, Wear::Everything),
                (None, Dress::Live(_) | Dress::Source) => {
                    let host = File::from(self.folder_above().map_err(fail("look at"))?);
                    let host = Metadata::of(&host).map_err(fail("look at"))?;
                    metadata::dress(&file, model, model, Wear::Within(&host))
                }
            };
            let notes = notes.map_err(fail("set the rights of"))?;
            os::sync_staged(&file).map_err(fail("sync"))?;
            Ok(Staged { fingerprint: Fingerprint::File { len, sha256 }, notes })
        };
        work().map_err(|(op, e)| Error::io(op, &path, e))
    }

    /// The folder that holds this one: what a file without a live target will lie in, or above it.
    fn folder_above(&self) -> io::Result<os::Handle> {
        match self.folder.path().parent() {
            Some(parent) => os::open_root(parent),
            None => Err(io::Error::other("it has no folder above")),
        }
    }

    fn parent_of(&self, slot: &RelPath) -> Result<Folder, Error> {
        match slot.parent() {
            Some(parent) => self.folder.open_below(&parent),
            None => self.folder.try_clone(),
        }
    }

    /// Makes a new folder in a slot; `like`: whose owner, mode and times it takes, else those (but the times) of the
    /// folder that holds the staging folder.
    ///
    /// # Errors
    /// The system's.
    pub fn stage_folder(&self, slot: &RelPath, like: Option<&Folder>) -> Result<(), Error> {
        let path = self.folder.path().join(slot.as_path());
        let parent = self.parent_of(slot)?;
        os::make_folder(&parent.handle, slot.name(), 0o700)
            .map_err(|e| Error::io("make the folder", &path, e))?;
        let made = parent.open_below(&plain(&parent, slot.name())?)?;
        let work = || {
            let above = match like {
                Some(like) => like.handle.try_clone()?,
                None => self.folder_above()?,
            };
            metadata::dress_folder(&File::from(made.handle.try_clone()?), &File::from(above), like.is_some())
        };
        work().map(|_| ()).map_err(|e| Error::io("set the rights of", &path, e))
    }

    /// Makes the symbolic link at `source` once more in a new slot, with its owner and times. Neither is followed.
    ///
    /// # Errors
    /// It is no link; the system's; [`ErrorKind::Unsupported`] unless [`HOLDS_LINKS`].
    pub fn stage_link(&self, slot: &RelPath, source: &Place) -> Result<Staged, Error> {
        let path = self.folder.path().join(slot.as_path());
        let (from, parent) = (Folder::open_parent_of(source)?, self.parent_of(slot)?);
        let text = from.read_link(source.rel.name())?;
        let work = || {
            os::make_link(&parent.handle, slot.name(), &text)?;
            match os::stat(&from.handle, source.rel.name())? {
                Some(raw) => os::dress_link(&parent.handle, slot.name(), &raw),
                None => Ok(()),
            }
        };
        work().map_err(|e| Error::io("make the link", &path, e))?;
        Ok(Staged { fingerprint: crate::fingerprint::of_link(&text), notes: Vec::new() })
    }

    /// Keeps the rights of two folders: those of `like` under the slot's name, and those that `folder` has now under the
    /// slot's second name, each as an empty folder that has them. Says what could not be had.
    ///
    /// # Errors
    /// The system's.
    pub fn stage_rights(&self, slot: &RelPath, folder: &Folder, like: &Folder) -> Result<Vec<String>, Error> {
        let old = plain(&self.folder, &old_name(slot.name()))?;
        let mut notes = Vec::new();
        for (name, model) in [(slot, like), (&old, folder)] {
            let path = self.folder.path().join(name.as_path());
            os::make_folder(&self.folder.handle, name.name(), 0o700)
                .map_err(|e| Error::io("make the folder", &path, e))?;
            let made = self.folder.open_below(name)?;
            let work = || {
                let (made, model) = (made.handle.try_clone()?, model.handle.try_clone()?);
                metadata::dress_folder(&File::from(made), &File::from(model), true)
            };
            notes.extend(work().map_err(|e| Error::io("set the rights of", &path, e))?);
        }
        Ok(notes)
    }

    /// The empty folder that keeps the rights a folder had, or is to have.
    ///
    /// # Errors
    /// The system's.
    pub fn rights(&self, slot: &RelPath, side: Side) -> Result<Folder, Error> {
        match side {
            Side::New => self.folder.open_below(slot),
            Side::Old => self.folder.open_below(&plain(&self.folder, &old_name(slot.name()))?),
        }
    }

    /// Keeps an empty file or folder under a slot's name, so that the window never has to grow a folder.
    ///
    /// # Errors
    /// The system's.
    pub fn placeholder(&self, slot: &RelPath, kind: Kind) -> Result<(), Error> {
        let path = self.folder.path().join(slot.as_path());
        let parent = self.parent_of(slot)?;
        let made = match kind {
            Kind::Folder => os::make_folder(&parent.handle, slot.name(), 0o700),
            _ => os::create_file(&parent.handle, slot.name(), 0o600).map(|_| ()),
        };
        made.map_err(|e| Error::io("make", &path, e))
    }

    /// Makes every name in it durable, inner folders first.
    ///
    /// # Errors
    /// [`ErrorKind::Sync`].
    pub fn sync(&self) -> Result<(), Error> {
        sync_tree(&self.folder)
    }

    /// Removes it with everything in it but `drift`, the marker last; then the folder, unless drift is kept in it.
    /// Idempotent: what is gone already is no error.
    ///
    /// # Errors
    /// The system's.
    pub fn remove_but_drift(self, host: &Folder) -> Result<(), Error> {
        let mut drift = false;
        for entry in self.folder.entries()? {
            if entry.name == DRIFT && entry.kind == Kind::Folder {
                // We may have died between making it and moving something into it.
                drift = !self.folder.open_below(&plain(&self.folder, &entry.name)?)?.entries()?.is_empty();
            } else if entry.name != MARKER {
                crate::durable::remove_tree(&self.folder, &entry.name)?;
            }
        }
        if drift {
            return self.folder.sync();
        }
        let name = self.folder.path().file_name().map(OsStr::to_owned).unwrap_or_default();
        crate::durable::remove_tree(&self.folder, OsStr::new(DRIFT))?;
        crate::durable::remove_tree(&self.folder, OsStr::new(MARKER))?;
        drop(self.folder);
        crate::durable::remove_tree(host, &name)
    }

    /// Removes what [`Staging::create`] made, and these names in it, and nothing else that lies there. Idempotent.
    ///
    /// # Errors
    /// The system's; something else lies in it.
    pub fn remove_made(self, host: &Folder, names: &[&OsStr]) -> Result<(), Error> {
        for name in names.iter().copied().chain([OsStr::new(DRIFT), OsStr::new(MARKER)]) {
            crate::durable::remove_one(&self.folder, name)?;
        }
        let name = self.folder.path().file_name().map(OsStr::to_owned).unwrap_or_default();
        drop(self.folder);
        crate::durable::remove_one(host, &name)?;
        host.sync()
    }

    /// Where drifted files go; made where it is not there.
    pub(crate) fn drift(folder: &Folder) -> Result<Folder, Error> {
        crate::durable::ensure_folder(folder, OsStr::new(DRIFT), 0o700)
    }
}

/// It is no deeper than what was walked to stage it.
fn sync_tree(folder: &Folder) -> Result<(), Error> {
    for entry in folder.entries()?.into_iter().filter(|e| e.kind == Kind::Folder) {
        sync_tree(&folder.open_anew(&entry.name)?)?;
    }
    folder.sync()
}
