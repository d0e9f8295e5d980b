//! One plugin as its file shows it, and the pins that a person gives and takes. None of its code runs.

use crate::{
    Pinning, Plugins,
    error::HostError,
    find,
    library::{Digested, LibraryFile},
    pins::{self, Writing},
    speech,
};
use backout_protocol::{Digest, HostPath, message::Manifest};
use std::path::Path;

/// A plugin as its file shows it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The library file.
    pub file: HostPath,
    /// Who it is.
    pub manifest: Manifest,
    /// The messages that are spoken with it; `None`: it and this tool have none in common.
    pub spoken: Option<(u16, u16)>,
    /// Its bytes' digest.
    pub sha256: Digest,
    /// What it is made for, if that has a name.
    pub target: Option<String>,
    /// What its folder's lock file pins it to.
    pub pinned: Option<Digest>,
    /// Why it may not be used, if so.
    pub problem: Option<String>,
}

/// What became of a plugin's pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The plugin's id.
    pub id: String,
    /// The lock file.
    pub lock: HostPath,
    /// The digest before.
    pub before: Option<Digest>,
    /// And now, or as it would be.
    pub now: Option<Digest>,
}

impl Plugins {
    /// The plugin with this id, whether or not it may be used.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Twice`], it cannot be read.
    pub fn show(&self, id: &str) -> Result<Shown, HostError> {
        shown(find::by_id(self.folders(), id)?.digest()?, self.pinning())
    }

    /// Takes the pin of this id from the first folder that has one.
    ///
    /// # Errors
    /// As [`trust`].
    pub fn untrust(&self, id: &str, writing: Writing) -> Result<Option<Pin>, HostError> {
        for folder in self.folders() {
            if pins::of(folder, id)?.is_some() {
                return pin(folder, id, None, writing).map(Some);
            }
        }
        Ok(None)
    }
}

/// The plugin in this file, whether or not it may be used.
///
/// # Errors
/// [`HostError::NoPlugin`], it cannot be read.
pub fn show(file: &Path, pinning: Pinning) -> Result<Shown, HostError> {
    shown(open(file)?, pinning)
}

/// Pins a plugin to the bytes its file has now, for as long as the lock file of its folder says so.
///
/// # Errors
/// [`HostError::NoPlugin`]; the file or a folder above it is not to be trusted, or its digest is not `expected`: nothing is
/// written then; [`HostError::Lock`].
pub fn trust(file: &Path, expected: Option<Digest>, writing: Writing) -> Result<Pin, HostError> {
    let plugin = open(file)?;
    let Digested { library: LibraryFile { path, manifest, .. }, sha256, .. } = &plugin;
    let path = || HostPath(path.clone());
    if let Some(wanted) = expected.filter(|wanted| wanted != sha256) {
        return Err(HostError::OtherDigest { path: path(), wanted, found: *sha256 });
    }
    backout_disk::trust::check(&path().0)
        .map_err(|e| HostError::Distrusted { path: path(), why: e.to_string() })?;
    if plugin.has_changed() {
        return Err(HostError::Changed { path: path() });
    }
    pin(folder_of(&path().0), &manifest.id, Some(*sha256), writing)
}

/// Takes the pin of the plugin in this file.
///
/// # Errors
/// As [`trust`].
pub fn untrust(file: &Path, writing: Writing) -> Result<Pin, HostError> {
    let plugin = open(file)?;
    pin(folder_of(&plugin.library.path), &plugin.library.manifest.id, None, writing)
}

fn pin(folder: &Path, id: &str, now: Option<Digest>, writing: Writing) -> Result<Pin, HostError> {
    let before = pins::set(folder, id, now, writing)?;
    Ok(Pin { id: id.to_owned(), lock: HostPath(folder.join(pins::LOCK_FILE)), before, now })
}

fn open(file: &Path) -> Result<Digested, HostError> {
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let no = |why: String| HostError::NoPlugin { path: HostPath(path.clone()), why };
    LibraryFile::open(&path).map_err(|e| no(e.to_string()))?.digest()
}

fn shown(plugin: Digested, pinning: Pinning) -> Result<Shown, HostError> {
    let problem = find::check(&plugin, pinning).err().map(|e| e.to_string());
    let Digested { library: LibraryFile { path, manifest, target, .. }, sha256, .. } = plugin;
    // A lock file that cannot be read is a problem that has been said.
    let pinned = pins::of(folder_of(&path), &manifest.id).ok().flatten();
    let spoken = speech::spoken(manifest.api);
    Ok(Shown { file: HostPath(path), manifest, spoken, sha256, target, pinned, problem })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(file)
}
