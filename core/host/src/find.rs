//! Looks for plugins: every library in the plugin folders that carries a manifest. Nothing is loaded.

use crate::{
    error::HostError,
    library::{Digested, LibraryFile, NoPlugin},
    pins::{self, Pinning},
    speech, target,
};
use backout_protocol::{HostPath, path::encode};
use std::{
    env::consts::DLL_SUFFIX,
    fs, io,
    path::{Path, PathBuf},
};

/// Plugins of one folder, sorted by file name. Whatever is no plugin is passed over.
pub(crate) fn in_folder(folder: &Path) -> Vec<LibraryFile> {
    let mut plugins = Vec::new();
    for path in libraries(folder) {
        match LibraryFile::open(&path) {
            Ok(library) => plugins.push(library),
            Err(why) => {
                let level =
                    if matches!(why, NoPlugin::NoManifest) { log::Level::Debug } else { log::Level::Warn };
                log::log!(level, "`{}` is no plugin: {why}", encode(path.as_os_str()));
            }
        }
    }
    plugins
}

fn libraries(folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => {
            let level =
                if e.kind() == io::ErrorKind::NotFound { log::Level::Debug } else { log::Level::Warn };
            log::log!(level, "the plugin folder `{}` cannot be read: {e}", encode(folder.as_os_str()));
            return Vec::new();
        }
    };
    let library = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        // A link to a library is one too: the trust check follows it both ways.
        let regular = fs::metadata(entry.path()).is_ok_and(|m| m.is_file());
        let named = entry.file_name().as_encoded_bytes().ends_with(DLL_SUFFIX.as_bytes());
        (regular && named).then(|| entry.path())
    };
    let mut found: Vec<PathBuf> = entries.filter_map(library).collect();
    found.sort();
    found
}

/// The plugin with this id: of the first folder that has one.
///
/// # Errors
/// [`HostError::NotFound`], [`HostError::Twice`].
pub(crate) fn by_id(folders: &[PathBuf], id: &str) -> Result<LibraryFile, HostError> {
    for folder in folders {
        let mut with_id = in_folder(folder).into_iter().filter(|l| l.manifest.id == id);
        let Some(first) = with_id.next() else { continue };
        return match with_id.next() {
            None => Ok(first),
            Some(second) => Err(twice(&first, &second)),
        };
    }
    Err(HostError::NotFound { id: id.to_owned(), searched: folders.iter().cloned().map(HostPath).collect() })
}

pub(crate) fn twice(first: &LibraryFile, second: &LibraryFile) -> HostError {
    let files = [first, second].map(|l| HostPath(l.path.clone()));
    HostError::Twice { id: first.manifest.id.clone(), files }
}

/// Everything that can be checked before the plugin's code runs.
///
/// # Errors
/// [`HostError::Foreign`], [`HostError::WrongApi`], [`HostError::Distrusted`], and those of [`pins::check`].
pub(crate) fn check(plugin: &Digested, pinning: Pinning) -> Result<(), HostError> {
    let library = &plugin.library;
    let path = || HostPath(library.path.clone());
    if library.target.as_ref() != Some(&target::native()) {
        let made_for = library.target.clone().unwrap_or_else(|| "a machine that has no name here".to_owned());
        return Err(HostError::Foreign { path: path(), made_for });
    }
    if speech::spoken(library.manifest.api).is_none() {
        return Err(HostError::WrongApi { path: path(), api: library.manifest.api });
    }
    backout_disk::trust::check(&library.path)
        .map_err(|e| HostError::Distrusted { path: path(), why: e.to_string() })?;
    pins::check(&library.path, &library.manifest.id, plugin.sha256, pinning)
}
