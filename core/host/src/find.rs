//! Looks for plugins: every library in the plugin folders that carries a manifest. Nothing is loaded.

use crate::{
    error::HostError,
    library::LibraryFile,
    pins::{self, Pinning},
};
use backout_protocol::{
    HostPath,
    abi::API,
    message::Manifest,
    path::encode,
};
use std::{
    env::consts::DLL_SUFFIX,
    fs, io,
    path::{Path, PathBuf},
};

/// The lowest message version that this tool still speaks.
const OLDEST: (u16, u16) = (1, 0);

/// A library with a manifest.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) library: LibraryFile,
    pub(crate) manifest: Manifest,
}

/// Plugins of one folder, sorted by file name. Whatever is no plugin is passed over.
pub(crate) fn in_folder(folder: &Path) -> Vec<Seen> {
    let mut seen = Vec::new();
    for path in libraries(folder) {
        let shown = || encode(path.as_os_str());
        let library = match LibraryFile::open(&path) {
            Ok(library) => library,
            Err(e) => {
                log::debug!("`{}` is passed over: {e}", shown());
                continue;
            }
        };
        match library.manifest.clone() {
            Some(Ok(manifest)) => seen.push(Seen { library, manifest }),
            Some(Err(why)) => log::warn!("`{}` has a manifest that cannot be read: {why}", shown()),
            None => log::debug!("`{}` has no manifest: no plugin", shown()),
        }
    }
    seen
}

fn libraries(folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => {
            let level = if e.kind() == io::ErrorKind::NotFound { log::Level::Debug } else { log::Level::Warn };
            log::log!(level, "the plugin folder `{}` cannot be read: {e}", encode(folder.as_os_str()));
            return Vec::new();
        }
    };
    let library = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let regular = entry.file_type().is_ok_and(|t| t.is_file());
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
pub(crate) fn by_id(folders: &[PathBuf], id: &str) -> Result<Seen, HostError> {
    for folder in folders {
        let mut with_id = in_folder(folder).into_iter().filter(|s| s.manifest.id == id);
        let Some(first) = with_id.next() else { continue };
        return match with_id.next() {
            None => Ok(first),
            Some(second) => Err(twice(&first, &second)),
        };
    }
    Err(HostError::NotFound { id: id.to_owned(), searched: folders.iter().cloned().map(HostPath).collect() })
}

pub(crate) fn twice(first: &Seen, second: &Seen) -> HostError {
    let files = [first, second].map(|s| HostPath(s.library.path.clone()));
    HostError::Twice { id: first.manifest.id.clone(), files }
}

/// Everything that can be checked before the plugin's code runs.
///
/// # Errors
/// [`HostError::WrongApi`], [`HostError::Distrusted`], and those of [`pins::check`].
pub(crate) fn check(seen: &Seen, pinning: Pinning) -> Result<(), HostError> {
    let Seen { library, manifest } = seen;
    let path = || HostPath(library.path.clone());
    let (low, high) = manifest.api;
    if low > API || high < OLDEST || low > high {
        return Err(HostError::WrongApi { path: path(), api: manifest.api });
    }
    backout_disk::trust::check(&library.path)
        .map_err(|e| HostError::Distrusted { path: path(), why: e.to_string() })?;
    pins::check(&library.path, &manifest.id, library.sha256, pinning)
}
