//! One process at a time.

use crate::{error::Error, folder::Folder, os};
use std::{ffi::OsStr, fs::File};

/// A lock that is held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
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
        if !os::lock(&file).map_err(fail)? {
            return Ok(None);
        }
        // Only for messages, so nothing depends on it; padded, so that a shorter number leaves nothing of a longer one.
        let _ = os::write_at(&file, 0, format!("{:<20}\n", std::process::id()).as_bytes());
        Ok(Some(Self { _file: file }))
    }

    /// The process that wrote its number last.
    pub fn holder(folder: &Folder, name: &OsStr) -> Option<u32> {
        let bytes = crate::durable::read(folder, name, 64).ok().flatten()?;
        String::from_utf8(bytes).ok()?.trim().parse().ok()
    }
}
