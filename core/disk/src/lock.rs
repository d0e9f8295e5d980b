//! One process at a time.

use crate::{error::Error, folder::Folder, os};
use std::{ffi::OsStr, fs::File, time::Duration};

/// How often a lock that is held is tried again, and how long is waited in between: a look whether somebody holds it
/// holds it for a moment itself.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock file `name`; `None`: another holds it.
    ///
    /// # Errors
    /// The system's.
    pub fn acquire(folder: &Folder, name: &OsStr) -> Result<Option<Self>, Error> {
        let path = folder.path().join(name);
        let fail = |e| Error::io("lock", &path, e);
        let file = os::open_or_create(&folder.handle, name, true).map_err(fail)?;
        let mut tries = 1;
        while !os::lock(&file).map_err(fail)? {
            if tries == TRIES {
                return Ok(None);
            }
            tries += 1;
            std::thread::sleep(PAUSE);
        }
        // Only for messages, so nothing depends on it; padded, so that a shorter number leaves nothing of a longer one.
        let _ = os::write_at(&file, 0, format!("{:<20}\n", std::process::id()).as_bytes());
        Ok(Some(Self { file }))
    }

    /// As [`Lock::acquire`], for a lock that is handed on: it is held as long as anybody lives who inherited a
    /// [share](Lock::share) of it. Nobody may look into such a file while it is held.
    ///
    /// # Errors
    /// The system's.
    pub fn acquire_for_heirs(folder: &Folder, name: &OsStr) -> Result<Option<Self>, Error> {
        let path = folder.path().join(name);
        let mut tries = 1;
        loop {
            let opened = os::open_for_heirs(&folder.handle, name);
            match opened.map_err(|e| Error::io("lock", &path, e))? {
                Some(file) => return Ok(Some(Self { file })),
                None if tries == TRIES => return Ok(None),
                None => tries += 1,
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether somebody holds the lock file `name` now.
    ///
    /// # Errors
    /// The system's.
    pub fn is_held(folder: &Folder, name: &OsStr) -> Result<bool, Error> {
        match folder.open_file(name) {
            Ok(file) => {
                os::lock_shared(&file).map(|free| !free).map_err(|e| Error::io("lock", folder.path(), e))
            }
            Err(e) if e.kind == crate::error::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The lock file once more: a lock [for heirs](Lock::acquire_for_heirs) stays held until every such file is closed
    /// too, also by processes that inherited one.
    ///
    /// # Errors
    /// The system's.
    pub fn share(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// The process that wrote its number last.
    pub fn holder(folder: &Folder, name: &OsStr) -> Option<u32> {
        let bytes = crate::durable::read(folder, name, 64).ok().flatten()?;
        String::from_utf8(bytes).ok()?.trim().parse().ok()
    }
}
