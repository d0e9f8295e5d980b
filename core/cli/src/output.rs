//! A file that the operator named with `-o`. It lies in a folder that is there already; a link to that folder is
//! followed, as it is the operator's to say where it leads.

use crate::{exit_code, messages::whole};
use backout_disk::{ErrorKind, Folder, durable, folder::Kind};
use backout_engine::load;
use std::{ffi::OsString, io, path::Path};

/// Where a file comes to lie.
pub(crate) struct Output {
    /// The real folder.
    pub folder: Folder,
    /// The name in it.
    pub name: OsString,
}

/// Why nothing can be written there. Nothing was.
pub(crate) enum Unwritable {
    NoFile,
    There,
    NoFolder(io::Error),
    Disk(backout_disk::Error),
}

impl Unwritable {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Disk(e) if e.kind == ErrorKind::Denied => exit_code::NO_RIGHTS,
            Self::NoFolder(e) if e.kind() == io::ErrorKind::PermissionDenied => exit_code::NO_RIGHTS,
            Self::NoFile | Self::There | Self::NoFolder(_) | Self::Disk(_) => exit_code::REFUSED,
        }
    }

    /// In words, with everything behind it.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::NoFile => "it names no file".to_owned(),
            Self::There => "something is there already".to_owned(),
            Self::NoFolder(e) => whole(e),
            Self::Disk(e) => whole(e),
        }
    }
}

impl Output {
    /// Opens the folder. What is there under the name is not looked at.
    pub(crate) fn open(file: &Path) -> Result<Self, Unwritable> {
        let path = load::absolute(file).0;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Unwritable::NoFile);
        };
        let real = std::fs::canonicalize(parent).map_err(Unwritable::NoFolder)?;
        let folder = Folder::open_root(&real).map_err(Unwritable::Disk)?;
        Ok(Self { folder, name: name.to_owned() })
    }

    /// What has the name.
    pub(crate) fn kind(&self) -> Result<Option<Kind>, Unwritable> {
        Ok(self.folder.stat(&self.name).map_err(Unwritable::Disk)?.map(|s| s.kind))
    }

    /// Writes it, durably, over whatever file is there.
    pub(crate) fn write(&self, text: &str, mode: u32) -> Result<(), Unwritable> {
        durable::write(&self.folder, &self.name, text.as_bytes(), mode).map_err(Unwritable::Disk)
    }

    /// Writes it where nothing is: what is there may have been made better by hand.
    pub(crate) fn write_new(&self, text: &str, mode: u32) -> Result<(), Unwritable> {
        match self.kind()? {
            None => self.write(text, mode),
            Some(_) => Err(Unwritable::There),
        }
    }
}
