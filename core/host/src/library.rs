//! A plugin's file, opened once: what is digested is what is loaded.

use crate::{error::HostError, section, target};
use backout_protocol::{Digest, HostPath, message::Manifest};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// No plugin's file is larger.
const LIMIT: u64 = 1 << 30;

/// An opened library with a manifest in it.
#[derive(Debug)]
pub(crate) struct LibraryFile {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) manifest: Manifest,
    /// What it is made for, if that has a name.
    pub(crate) target: Option<String>,
}

/// A library whose bytes are known.
#[derive(Debug)]
pub(crate) struct Digested {
    pub(crate) library: LibraryFile,
    pub(crate) sha256: Digest,
    stamp: Stamp,
}

/// What changes when somebody writes to a file.
type Stamp = (u64, Option<SystemTime>);

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPlugin {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it carries no manifest")]
    NoManifest,
    #[error("its manifest cannot be read: {0}")]
    BadManifest(String),
}

impl LibraryFile {
    /// Opens a library and reads its manifest.
    pub(crate) fn open(path: &Path) -> Result<Self, NoPlugin> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > LIMIT {
            return Err(io::Error::other("it is no regular file, or larger than any plugin").into());
        }
        let mut bytes = Vec::new();
        (&mut file).take(LIMIT).read_to_end(&mut bytes)?;
        let manifest =
            section::manifest(&bytes).ok_or(NoPlugin::NoManifest)?.map_err(NoPlugin::BadManifest)?;
        Ok(Self { path: path.to_owned(), file, manifest, target: target::target(&bytes) })
    }

    /// Reads all of it for its digest.
    pub(crate) fn digest(self) -> Result<Digested, HostError> {
        let read = || {
            let stamp = self.stamp()?;
            let mut file = &self.file;
            file.rewind()?;
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok((Digest(hash.finalize().into()), stamp)),
                    n => hash.update(&buffer[..n]),
                }
            }
        };
        match read() {
            Ok((sha256, stamp)) => Ok(Digested { sha256, stamp, library: self }),
            Err::<_, io::Error>(e) => {
                Err(HostError::Unloadable { path: HostPath(self.path), why: e.to_string() })
            }
        }
    }

    fn stamp(&self) -> io::Result<Stamp> {
        let metadata = self.file.metadata()?;
        Ok((metadata.len(), metadata.modified().ok()))
    }
}

impl Digested {
    /// Whether the file, still open, was written to after it was digested.
    pub(crate) fn has_changed(&self) -> bool {
        self.library.stamp().map_or(true, |now| now != self.stamp)
    }
}
