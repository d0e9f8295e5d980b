//! A plugin's file, opened once: what is digested is what is loaded.

use crate::{error::HostError, section};
use backout_protocol::{Digest, HostPath, message::Manifest};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// No plugin's file is larger.
const LIMIT: u64 = 1 << 30;

/// An opened file with its digest, and its manifest if it has one.
#[derive(Debug)]
pub(crate) struct LibraryFile {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) sha256: Digest,
    pub(crate) manifest: Option<Result<Manifest, String>>,
}

impl LibraryFile {
    pub(crate) fn open(path: &Path) -> Result<Self, HostError> {
        let read = || {
            let mut file = File::open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            let mut bytes = Vec::new();
            (&mut file).take(LIMIT + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > LIMIT {
                return Err(io::Error::other("it is larger than any plugin"));
            }
            Ok((file, bytes))
        };
        let (file, bytes) = read()
            .map_err(|e| HostError::Unloadable { path: HostPath(path.to_owned()), why: e.to_string() })?;
        let sha256 = Digest(Sha256::digest(&bytes).into());
        Ok(Self { path: path.to_owned(), file, sha256, manifest: section::manifest(&bytes) })
    }
}
