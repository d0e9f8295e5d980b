//! Small files and folders that survive a power cut once the call has returned.

use crate::{
    barrier,
    error::{Error, ErrorKind},
    folder::{Folder, Kind},
    os,
};
use backout_protocol::RelPath;
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
};

/// Writes `name` whole: under another name, synced, renamed into place, folder synced. If we die in here, the old
/// content is there or the new one; perhaps a file `.NAME.new` as well, which the next write replaces.
///
/// # Errors
/// The system's.
pub fn write(folder: &Folder, name: &OsStr, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let path = folder.path().join(name);
    let new = unfinished(name);
    remove_tree(folder, &new)?;
    let mut file = os::create_file(&folder.handle, &new, mode).map_err(|e| Error::io("make", &path, e))?;
    let written = file.write_all(bytes).map_err(|e| Error::io("write", &path, e));
    let synced = written.and_then(|()| barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)));
    let placed = synced.and_then(|()| {
        os::rename(&folder.handle, &new, &folder.handle, name).map_err(|e| Error::io("write", &path, e))
    });
    if placed.is_err() {
        let _ = os::remove_file(&folder.handle, &new);
    }
    placed.and_then(|()| folder.sync())
}

/// Whether a file can be made in a folder: makes the empty file `name`, which must not be there, and removes it. If we die in
/// here it may stay.
///
/// # Errors
/// The system's.
pub fn try_out(folder: &Folder, name: &OsStr) -> Result<(), Error> {
    let fail = |e| Error::io("make", &folder.path().join(name), e);
    drop(os::create_file(&folder.handle, name, 0o600).map_err(fail)?);
    os::remove_file(&folder.handle, name).map_err(fail)
}

/// Makes the file `name` whole, which must not be there: under the name `new`, which must not be either, synced, renamed over
/// nothing, folder synced. If we die in here there may be a file `new` as well.
///
/// # Errors
/// [`ErrorKind::Exists`]: something has one of the names, and keeps it; the system's.
pub fn create(folder: &Folder, name: &OsStr, new: &OsStr, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let path = folder.path().join(name);
    let mut file = os::create_file(&folder.handle, new, mode).map_err(|e| Error::io("make", &path, e))?;
    let written = file.write_all(bytes).map_err(|e| Error::io("write", &path, e));
    let synced = written.and_then(|()| barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)));
    let placed = synced.and_then(|()| {
        os::rename_new(&folder.handle, new, &folder.handle, name).map_err(|e| Error::io("make", &path, e))
    });
    if placed.is_err() {
        let _ = os::remove_file(&folder.handle, new);
    }
    placed.and_then(|()| folder.sync())
}

/// The name under which [`write()`] prepares `name`.
fn unfinished(name: &OsStr) -> OsString {
    let mut new = OsString::from(".");
    new.push(name);
    new.push(".new");
    new
}

/// Removes what a [`write()`] of `name` left that died before its end.
///
/// # Errors
/// The system's.
pub fn remove_unfinished(folder: &Folder, name: &OsStr) -> Result<(), Error> {
    remove_tree(folder, &unfinished(name))
}

/// Reads `name`, at most `cap` bytes; `None`: it is not there.
///
/// # Errors
/// The system's; a longer file.
pub fn read(folder: &Folder, name: &OsStr, cap: u64) -> Result<Option<Vec<u8>>, Error> {
    let path = folder.path().join(name);
    let file = match folder.open_file(name) {
        Ok(file) => file,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut bytes = Vec::new();
    file.take(cap.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| Error::io("read", &path, e))?;
    if bytes.len() as u64 > cap {
        return Err(Error::unsupported("read", &path, "it is longer than it can be"));
    }
    Ok(Some(bytes))
}

/// Opens `name` for writing behind what is in it, making it if need be. Nothing of it is synced: it is for what may be
/// lost.
///
/// # Errors
/// The system's.
pub fn open_log(folder: &Folder, name: &OsStr) -> Result<File, Error> {
    let fail = |e| Error::io("open", &folder.path().join(name), e);
    let mut file = os::open_or_create(&folder.handle, name, true).map_err(fail)?;
    file.seek(SeekFrom::End(0)).map_err(fail)?;
    Ok(file)
}

/// Makes a folder, durably.
///
/// # Errors
/// [`ErrorKind::Exists`]; the system's.
pub fn make_folder(parent: &Folder, name: &OsStr, mode: u32) -> Result<Folder, Error> {
    let path = parent.path().join(name);
    os::make_folder(&parent.handle, name, mode).map_err(|e| Error::io("make the folder", &path, e))?;
    parent.sync()?;
    below(parent, name)
}

/// Opens a folder of programs, making it durably if need be: everybody may read it, and only administrators (root) may
/// change it. Of one that is there already nothing is changed.
///
/// # Errors
/// The system's.
pub fn ensure_program_folder(parent: &Folder, name: &OsStr) -> Result<Folder, Error> {
    let path = parent.path().join(name);
    let made = os::make_program_folder(&parent.handle, name)
        .map_err(|e| Error::io("make the folder", &path, e))
        .and_then(|()| parent.sync());
    ensured(parent, name, made.and_then(|()| below(parent, name)))
}

/// Opens a folder, making it durably if need be.
///
/// # Errors
/// The system's.
pub fn ensure_folder(parent: &Folder, name: &OsStr, mode: u32) -> Result<Folder, Error> {
    ensured(parent, name, make_folder(parent, name, mode))
}

/// What was made, or was there.
fn ensured(parent: &Folder, name: &OsStr, made: Result<Folder, Error>) -> Result<Folder, Error> {
    match made {
        Err(e) if e.kind == ErrorKind::Exists => {
            // An earlier run may have died between making it and syncing its name.
            let folder = below(parent, name)?;
            parent.sync()?;
            Ok(folder)
        }
        other => other,
    }
}

fn below(parent: &Folder, name: &OsStr) -> Result<Folder, Error> {
    let rel = RelPath::new(name)
        .map_err(|e| Error::unsupported("open", &parent.path().join(name), &e.to_string()))?;
    parent.open_below(&rel)
}

/// Renames, over whatever file has the new name, and syncs both folders: to the tests one barrier of whoever calls for it.
///
/// # Errors
/// The system's.
#[track_caller]
pub fn rename(from: &Folder, name: &OsStr, to: &Folder, to_name: &OsStr) -> Result<(), Error> {
    let path = from.path().join(name);
    os::rename(&from.handle, name, &to.handle, to_name).map_err(|e| Error::io("rename", &path, e))?;
    to.sync()?;
    from.sync()
}

/// Removes `name` and everything below it, however deep, never following a link, and syncs the folder. What is not there is
/// removed. If we die in here some of it is gone, and the rest may have moved up to lie directly in the folder `name`.
///
/// # Errors
/// The system's.
pub fn remove_tree(parent: &Folder, name: &OsStr) -> Result<(), Error> {
    remove_freed(parent, name, &mut |_, _| Ok(()))
}

/// Removes a file, a link, or a folder that is empty. What is not there is removed. Not durable until the file system is synced.
///
/// # Errors
/// The system's.
pub fn remove_one(parent: &Folder, name: &OsStr) -> Result<(), Error> {
    match parent.stat(name)?.map(|stat| stat.kind) {
        None => Ok(()),
        Some(Kind::Folder) => {
            os::remove_folder(&parent.handle, name).or_else(|e| unless_gone(parent, name, e))
        }
        Some(_) => unlink(parent, name),
    }
}

/// As [`remove_tree`]; `free` is called for each name, also for `name`, before anything is done with it or looked for in it.
///
/// # Errors
/// The system's; those of `free`.
pub fn remove_freed(parent: &Folder, name: &OsStr, free: Free<'_>) -> Result<(), Error> {
    if parent.stat(name)?.is_none() {
        return Ok(());
    }
    remove(parent, name, free)?;
    parent.sync()
}

/// Lets a name in a folder be removed, and what is directly in it, if it is a folder.
pub type Free<'a> = &'a mut dyn FnMut(&Folder, &OsStr) -> Result<(), Error>;

fn remove(parent: &Folder, name: &OsStr, free: Free<'_>) -> Result<(), Error> {
    let Some(Kind::Folder) = ready(parent, name, free)? else { return unlink(parent, name) };
    let top = parent.open_anew(name)?;
    let mut lifted = 0;
    loop {
        let before = lifted;
        empty(&top, &top, &mut lifted, free)?;
        if lifted == before {
            break;
        }
    }
    // Where an open folder keeps its name, the name goes with the last handle.
    drop(top);
    os::remove_folder(&parent.handle, name).or_else(|e| unless_gone(parent, name, e))
}

/// Removes what is in a folder below `top`. What lies too deep to be walked to is lifted: it lies directly in `top` then.
fn empty(top: &Folder, folder: &Folder, lifted: &mut u64, free: Free<'_>) -> Result<(), Error> {
    for entry in folder.entries()? {
        let name = &entry.name;
        match ready(folder, name, free)? {
            Some(Kind::Folder) => match folder.step(name.as_ref()) {
                Ok(inner) => {
                    empty(top, &inner, lifted, free)?;
                    drop(inner);
                    os::remove_folder(&folder.handle, name).or_else(|e| unless_gone(folder, name, e))?;
                }
                Err(e) if e.kind == ErrorKind::TooDeep => lift(folder, name, top, lifted)?,
                Err(e) => return Err(e),
            },
            _ => unlink(folder, name)?,
        }
    }
    Ok(())
}

/// What is to be removed, once it can be; `None`: it is gone.
fn ready(folder: &Folder, name: &OsStr, free: Free<'_>) -> Result<Option<Kind>, Error> {
    let Some(stat) = folder.stat(name)? else { return Ok(None) };
    if stat.mount_root {
        // What is mounted here is not what was made here.
        return Err(Error::own(ErrorKind::Busy, "remove", &folder.path().join(name)));
    }
    free(folder, name)?;
    Ok(Some(stat.kind))
}

/// Under a name that nothing there has.
fn lift(folder: &Folder, name: &OsStr, top: &Folder, lifted: &mut u64) -> Result<(), Error> {
    loop {
        *lifted += 1;
        match os::rename_new(&folder.handle, name, &top.handle, OsStr::new(&lifted.to_string())) {
            Err(e) if os::kind_of(&e) == ErrorKind::Exists => {}
            done => return done.map_err(|e| Error::io("move up", &folder.path().join(name), e)),
        }
    }
}

fn unlink(folder: &Folder, name: &OsStr) -> Result<(), Error> {
    os::remove_file(&folder.handle, name).or_else(|e| unless_gone(folder, name, e))
}

fn unless_gone(folder: &Folder, name: &OsStr, e: std::io::Error) -> Result<(), Error> {
    match os::kind_of(&e) {
        ErrorKind::NotFound => Ok(()),
        _ => Err(Error::io("remove", &folder.path().join(name), e)),
    }
}

/// Takes `len` bytes of the folder's file system by a file that holds nothing, so that somebody who removes it has them.
///
/// # Errors
/// [`ErrorKind::Exists`], [`ErrorKind::NoSpace`]: nothing of it stays; the system's.
pub fn reserve(folder: &Folder, name: &OsStr, len: u64) -> Result<(), Error> {
    let path = folder.path().join(name);
    let file = os::create_file(&folder.handle, name, 0o600).map_err(|e| Error::io("make", &path, e))?;
    let taken = os::allocate(&file, len).map_err(|e| Error::io("reserve space in", &path, e));
    let synced = taken.and_then(|()| barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)));
    if let Err(e) = synced {
        let _ = os::remove_file(&folder.handle, name);
        return Err(e);
    }
    folder.sync()
}

/// A file whose space is taken before it is needed.
#[derive(Debug)]
pub struct Preallocated {
    file: File,
    path: std::path::PathBuf,
}

impl Preallocated {
    /// Makes `name`, fills it with `len` line ends (really written, so that a full disk cannot refuse a later write in
    /// place), and syncs file and folder: to the tests one barrier of whoever calls for it.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`], [`ErrorKind::NoSpace`], the system's.
    #[track_caller]
    pub fn create(folder: &Folder, name: &OsStr, len: u64) -> Result<Self, Error> {
        let path = folder.path().join(name);
        let mut file =
            os::create_file(&folder.handle, name, 0o600).map_err(|e| Error::io("make", &path, e))?;
        let blanks = vec![b'\n'; usize::try_from(len).unwrap_or(0)];
        let filled = file.write_all(&blanks).map_err(|e| Error::io("write", &path, e));
        // Not in a closure: that would not know who called.
        let synced = match filled {
            Ok(()) => barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)),
            Err(e) => Err(e),
        };
        if let Err(e) = synced {
            let _ = os::remove_file(&folder.handle, name);
            return Err(e);
        }
        folder.sync()?;
        Ok(Self { file, path })
    }

    /// Opens it again for writing.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: &Folder, name: &OsStr) -> Result<Self, Error> {
        let path = folder.path().join(name);
        folder.open_file(name)?;
        let file =
            os::open_or_create(&folder.handle, name, false).map_err(|e| Error::io("open", &path, e))?;
        Ok(Self { file, path })
    }

    /// Writes in place.
    ///
    /// # Errors
    /// The system's; part of it may be written.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        os::write_at(&self.file, offset, bytes).map_err(|e| Error::io("write", &self.path, e))
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// [`ErrorKind::Sync`]; not to be tried again.
    #[track_caller]
    pub fn sync(&self) -> Result<(), Error> {
        barrier::sync_file(&self.file).map_err(|e| Error::sync(&self.path, e))
    }
}
