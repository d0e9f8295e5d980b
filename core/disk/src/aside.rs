//! Files set aside: copies in a folder of our own, with all that the originals have beside their bytes. Nothing here is
//! durable until [`sync`].

use crate::{
    copy::From,
    error::{Error, ErrorKind},
    fingerprint::digest_file,
    folder::{Folder, Kind, Stat},
    metadata::{self, Metadata, Wear},
    os,
};
use backout_protocol::{Fingerprint, snapshot::Facts};
use std::{ffi::OsStr, fs::File};

/// How often a file is read that changes while it is read.
const TRIES: u32 = 3;

/// A file as it was read.
#[derive(Debug)]
pub struct Taken {
    /// Length and digest of what was read.
    pub fingerprint: Fingerprint,
    /// What it has besides.
    pub facts: Facts,
    /// What of that its copy could not be given, in words.
    pub notes: Vec<String>,
    /// The copy, or the file itself where none was made: for whoever looks into it.
    pub file: File,
}

/// Looks at a file without copying it.
///
/// # Errors
/// As [`Folder::open_file`]; [`ErrorKind::Busy`]: it changes while it is read.
pub fn look(folder: &Folder, name: &OsStr) -> Result<Taken, Error> {
    steadily(folder, name, |mut file, facts| {
        let (len, sha256) = digest_file(&mut file).map_err(|e| e.at(&folder.path().join(name)))?;
        Ok(Taken { fingerprint: Fingerprint::File { len, sha256 }, facts, notes: Vec::new(), file })
    })
}

/// Copies a file into `to` under its own name, with everything as it is. The copy is never a second name of the file.
///
/// # Errors
/// As [`look`]; [`ErrorKind::NoSpace`] and the system's. What was copied of it is gone again, or goes with `to`.
pub fn copy(folder: &Folder, name: &OsStr, to: &Folder) -> Result<Taken, Error> {
    let path = to.path().join(name);
    steadily(folder, name, |mut original, facts| {
        crate::durable::remove_tree(to, name)?;
        let mut file = os::create_file(&to.handle, name, 0o600).map_err(|e| Error::io("make", &path, e))?;
        let (len, sha256) =
            From::File(&original).copy_to(&mut file).map_err(|e| Error::io("write", &path, e))?;
        let model = Metadata::of(&original).map_err(|e| Error::io("look at", &path, e))?;
        let notes = metadata::dress(&file, &model, &model, Wear::Everything)
            .map_err(|e| Error::io("set the rights of", &path, e))?;
        os::sync_staged(&file).map_err(|e| Error::sync(&path, e))?;
        // A writer in place may leave no trace but the bytes themselves.
        let again = digest_file(&mut original).map_err(|e| e.at(&folder.path().join(name)))?;
        if again != (len, sha256) {
            return Err(Error::own(ErrorKind::Busy, "read", &folder.path().join(name)));
        }
        Ok(Taken { fingerprint: Fingerprint::File { len, sha256 }, facts, notes, file })
    })
}

/// Does `work` until the file is the same, and unchanged, before and after.
fn steadily(
    folder: &Folder,
    name: &OsStr,
    mut work: impl FnMut(File, Facts) -> Result<Taken, Error>,
) -> Result<Taken, Error> {
    let path = folder.path().join(name);
    let mark = |s: Stat| (s.identity, s.len, s.modified);
    for _ in 0..TRIES {
        let file = folder.open_file(name)?;
        let stat = |file: &File| os::stat_of(file).map(Stat::of).map_err(|e| Error::io("look at", &path, e));
        let before = mark(stat(&file)?);
        let facts = Metadata::of(&file).map_err(|e| Error::io("look at", &path, e))?.facts();
        let done = match work(file, facts) {
            Err(e) if e.kind == ErrorKind::Busy => continue,
            other => other?,
        };
        if folder.stat(name)?.map(mark) == Some(before) {
            return Ok(done);
        }
    }
    Err(Error::own(ErrorKind::Busy, "read", &path))
}

/// What a folder has beside what lies in it.
///
/// # Errors
/// The system's.
pub fn facts(folder: &Folder) -> Result<Facts, Error> {
    let fail = |e| Error::io("look at", folder.path(), e);
    let file = File::from(folder.handle.try_clone().map_err(fail)?);
    Ok(Metadata::of(&file).map_err(fail)?.facts())
}

/// What the file at `place` has beside its bytes.
///
/// # Errors
/// As [`Folder::open_file`].
pub fn file_facts(place: &backout_protocol::Place) -> Result<Facts, Error> {
    let file = crate::folder::open_place(place)?;
    Ok(Metadata::of(&file).map_err(|e| Error::io("look at", &place.path(), e))?.facts())
}

/// Makes a folder in `to`, open to nobody else until it is [dressed](dress).
///
/// # Errors
/// [`ErrorKind::Exists`]; the system's.
pub fn make_folder(to: &Folder, name: &OsStr) -> Result<Folder, Error> {
    let path = to.path().join(name);
    os::make_folder(&to.handle, name, 0o700).map_err(|e| Error::io("make the folder", &path, e))?;
    // It lies deeper than its original, whose walk has an end.
    to.open_anew(name)
}

/// Gives a copied folder everything that the original has; once all that lies in it is there, as that changes its time.
/// Says what could not be had.
///
/// # Errors
/// The system's.
pub fn dress(folder: &Folder, like: &Folder) -> Result<Vec<String>, Error> {
    let work = || {
        let (folder, like) = (folder.handle.try_clone()?, like.handle.try_clone()?);
        metadata::dress_folder(&File::from(folder), &File::from(like), true)
    };
    work().map_err(|e| Error::io("set the rights of", folder.path(), e))
}

/// Gives a folder that is in use the owner, rights and attributes of `like`; its times stay. May be repeated: if we die in
/// here, some of them are set.
///
/// # Errors
/// The system's; [`ErrorKind::Unsupported`]: not all of them could be had.
pub fn dress_in_place(folder: &Folder, like: &Folder) -> Result<(), Error> {
    let work = || {
        let (folder, like) = (folder.handle.try_clone()?, like.handle.try_clone()?);
        metadata::dress_in_place(&File::from(folder), &File::from(like))
    };
    let missing = work().map_err(|e| Error::io("set the rights of", folder.path(), e))?;
    match missing.first() {
        None => Ok(()),
        Some(what) => Err(Error::unsupported("set the rights of", folder.path(), what)),
    }
}

/// Makes a symbolic link in `to`; nothing of ours follows it. `false`: this system has no such link, and nothing was made.
///
/// # Errors
/// [`ErrorKind::Exists`]; the system's.
pub fn link(to: &Folder, name: &OsStr, target: &OsStr) -> Result<bool, Error> {
    match os::make_link(&to.handle, name, target) {
        Ok(()) => Ok(true),
        Err(e) if os::kind_of(&e) == ErrorKind::Unsupported => Ok(false),
        Err(e) => Err(Error::io("make the link", &to.path().join(name), e)),
    }
}

/// Gives a symbolic link in `to` the owner and times of the one under the same name in `from`. Neither is followed.
///
/// # Errors
/// The system's.
pub fn dress_link(to: &Folder, name: &OsStr, from: &Folder) -> Result<(), Error> {
    let work = || match os::stat(&from.handle, name)? {
        Some(raw) => os::dress_link(&to.handle, name, &raw),
        None => Ok(()),
    };
    work().map_err(|e| Error::io("set the times of", &to.path().join(name), e))
}

/// Makes everything below `folder`, and its own names, durable: the bytes by one sync of the file system, then the
/// folders, inner ones first. It is no deeper than what was walked to copy it.
///
/// # Errors
/// [`ErrorKind::Sync`]; not to be tried again.
pub fn sync(folder: &Folder) -> Result<(), Error> {
    folder.sync_file_system()?;
    sync_folders(folder)
}

fn sync_folders(folder: &Folder) -> Result<(), Error> {
    for entry in folder.entries()?.into_iter().filter(|e| e.kind == Kind::Folder) {
        sync_folders(&folder.open_anew(&entry.name)?)?;
    }
    folder.sync()
}

/// Removes `name` and everything below it, never following a link, also what its rights would keep us from removing: the
/// folders of the original may be closed to their owner.
///
/// # Errors
/// The system's.
pub fn remove(parent: &Folder, name: &OsStr) -> Result<(), Error> {
    crate::durable::remove_freed(parent, name, &mut |folder, name| {
        if folder.stat(name)?.is_some_and(|s| s.kind == Kind::Folder) {
            open_up(&folder.open_anew(name)?)?;
        }
        Ok(())
    })
}

/// Lets us into a folder.
fn open_up(folder: &Folder) -> Result<(), Error> {
    if folder.writable()? {
        return Ok(());
    }
    let file = folder.handle.try_clone().map(File::from);
    file.and_then(|f| os::let_in(&f)).map_err(|e| Error::io("open", folder.path(), e))
}
