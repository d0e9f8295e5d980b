//! Fingerprints: what state is compared by.

use crate::{
    error::{Error, ErrorKind},
    folder::{Folder, Kind},
    staging::PREFIX,
};
use backout_protocol::{Digest, Fingerprint, Place, path::encode};
use sha2::{Digest as _, Sha256};
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The state of a symbolic link that holds `text`.
pub fn of_link(text: &OsStr) -> Fingerprint {
    Fingerprint::Link { sha256: digest_bytes(text.as_encoded_bytes()) }
}

/// An I/O failure while a file was read, to be given its path.
#[derive(Debug)]
pub struct ReadFailure(io::Error);

impl ReadFailure {
    /// The failure as one of `path`.
    pub fn at(self, path: &Path) -> Error {
        Error::io("read", path, self.0)
    }

    pub(crate) fn cause(self) -> io::Error {
        self.0
    }
}

/// The fingerprint of a place; [`Fingerprint::Absent`] where nothing is, its folder included.
/// [`ErrorKind::NotFound`] where the root itself is missing.
///
/// A symbolic link is what it holds and is never followed.
///
/// # Errors
/// A symbolic link on the way, or something that is neither file, folder nor link; [`ErrorKind::TooDeep`].
pub fn fingerprint(place: &Place) -> Result<Fingerprint, Error> {
    // A root that is not there may be a volume that is not mounted: that says nothing about the names on it.
    let root = Folder::open_root(&place.root.0)?;
    let folder = match place.rel.parent() {
        None => root,
        Some(parent) => match root.open_below(&parent) {
            Ok(folder) => folder,
            Err(e) if e.kind == ErrorKind::NotFound => return Ok(Fingerprint::Absent),
            Err(e) => return Err(e),
        },
    };
    fingerprint_in(&folder, place.rel.name())
}

/// The fingerprint of a name in an open folder.
///
/// # Errors
/// As [`fingerprint`].
pub fn fingerprint_in(folder: &Folder, name: &OsStr) -> Result<Fingerprint, Error> {
    let path = || folder.path().join(name);
    let Some(stat) = folder.stat(name)? else { return Ok(Fingerprint::Absent) };
    match stat.kind {
        Kind::File => {
            let mut file = folder.open_file(name)?;
            let (len, sha256) = digest_file(&mut file).map_err(|e| e.at(&path()))?;
            Ok(Fingerprint::File { len, sha256 })
        }
        Kind::Folder => {
            let mut hash = Sha256::new();
            list(&folder.open_anew(name)?, "", &mut hash)?;
            Ok(Fingerprint::Folder { sha256: Digest(hash.finalize().into()) })
        }
        Kind::Symlink => Ok(of_link(&folder.read_link(name)?)),
        Kind::Other => Err(Error::own(ErrorKind::NotAFile, "read", &path())),
    }
}

/// The fingerprint of a folder with nothing in it.
pub fn empty_folder() -> Fingerprint {
    Fingerprint::Folder { sha256: digest_bytes(b"") }
}

/// Feeds `kind name length digest` (a link has no length) of everything below `folder`, sorted, one line each.
fn list(folder: &Folder, prefix: &str, hash: &mut Sha256) -> Result<(), Error> {
    for entry in folder.entries()? {
        if entry.name.to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let name = format!("{prefix}{}", encode(&entry.name));
        match entry.kind {
            Kind::Folder => {
                hash.update(format!("folder {name}\n"));
                list(&folder.step(entry.name.as_ref())?, &format!("{name}/"), hash)?;
            }
            _ => match fingerprint_in(folder, &entry.name)? {
                Fingerprint::File { len, sha256 } => hash.update(format!("file {name} {len} {sha256}\n")),
                Fingerprint::Link { sha256 } => hash.update(format!("link {name} {sha256}\n")),
                Fingerprint::Absent | Fingerprint::Folder { .. } => {}
            },
        }
    }
    Ok(())
}

/// Length and digest of a whole file; it is read from its beginning and left at its beginning.
///
/// # Errors
/// The system's.
pub fn digest_file(file: &mut File) -> Result<(u64, Digest), ReadFailure> {
    let mut work = || {
        file.seek(SeekFrom::Start(0))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 128 * 1024];
        let mut len = 0u64;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    hash.update(&buffer[..n]);
                    len += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        file.seek(SeekFrom::Start(0))?;
        Ok((len, Digest(hash.finalize().into())))
    };
    work().map_err(ReadFailure)
}

/// The digest of bytes.
pub fn digest_bytes(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}
