//! The plugins of this machine, as the engine asks for them.

use crate::{
    call,
    error::HostError,
    find::{self, Seen},
    library::LibraryFile,
    load::{self, Loaded},
    pins::Pinning,
};
use backout_engine::{Listed, PluginHost};
use backout_protocol::{
    Digest, HostPath,
    message::{PlanRequest, Proposal},
    plan::PluginRef,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Plugins of some folders. Each is loaded at most once, when it is first asked.
#[derive(Debug)]
pub struct Plugins {
    folders: Vec<PathBuf>,
    pinning: Pinning,
    loaded: Mutex<BTreeMap<(String, Digest), Loaded>>,
}

impl Plugins {
    /// Plugins of these folders; of those with the same id the first folder's.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>, pinning: Pinning) -> Self {
        let absolute = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
        let folders = folders.into_iter().map(absolute).collect();
        Self { folders, pinning, loaded: Mutex::default() }
    }

    /// The plugin with this manifest id, checked and trusted. None of its code runs.
    ///
    /// # Errors
    /// [`HostError`]: there is none, or it may not be loaded.
    pub fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        let seen = find::by_id(&self.folders, id)?;
        find::check(&seen, self.pinning)?;
        Ok(PluginRef {
            id: seen.manifest.id,
            version: seen.manifest.version,
            sha256: seen.library.sha256,
            file: HostPath(seen.library.path),
        })
    }

    /// Asks a plugin that was found what its component needs. Loads it if that has not happened yet.
    ///
    /// # Errors
    /// [`HostError`]: it has changed, cannot be loaded, breaks, or answers nonsense.
    pub fn plan(&self, plugin: &PluginRef, request: &PlanRequest) -> Result<Proposal, HostError> {
        let loaded = self.loaded(plugin)?;
        call::plan(loaded, &plugin.id, request)
    }

    fn loaded(&self, plugin: &PluginRef) -> Result<Loaded, HostError> {
        let key = (plugin.id.clone(), plugin.sha256);
        let mut all = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = all.get(&key) {
            return Ok(*loaded);
        }
        let library = LibraryFile::open(&plugin.file.0)?;
        let changed = || HostError::Changed { path: plugin.file.clone() };
        let Some(Ok(manifest)) = library.manifest.clone() else { return Err(changed()) };
        if library.sha256 != plugin.sha256 || manifest.id != plugin.id {
            return Err(changed());
        }
        let seen = Seen { library, manifest };
        // Again, on the file that is loaded now: what was found may be long ago.
        find::check(&seen, self.pinning)?;
        let loaded = load::load(seen)?;
        all.insert(key, loaded);
        Ok(loaded)
    }

    /// Every plugin that can be seen, whether or not it may be used. None of their code runs.
    pub fn list(&self) -> Vec<Listed> {
        let mut listed = Vec::new();
        let mut taken = BTreeSet::new();
        for folder in &self.folders {
            let seen = find::in_folder(folder);
            for one in &seen {
                let other = |s: &&Seen| s.manifest.id == one.manifest.id && s.library.path != one.library.path;
                let problem = if taken.contains(&one.manifest.id) {
                    Some("a folder that is searched before has a plugin of the same id".to_owned())
                } else if let Some(twin) = seen.iter().find(other) {
                    Some(find::twice(one, twin).to_string())
                } else {
                    find::check(one, self.pinning).err().map(|e| e.to_string())
                };
                let file = HostPath(one.library.path.clone());
                listed.push(Listed { file, manifest: one.manifest.clone(), problem });
            }
            taken.extend(seen.into_iter().map(|s| s.manifest.id));
        }
        listed
    }
}

impl PluginHost for Plugins {
    fn find(&self, id: &str) -> Result<PluginRef, backout_engine::HostError> {
        Plugins::find(self, id).map_err(Into::into)
    }

    fn plan(&self, plugin: &PluginRef, request: &PlanRequest) -> Result<Proposal, backout_engine::HostError> {
        Plugins::plan(self, plugin, request).map_err(Into::into)
    }

    fn list(&self) -> Vec<Listed> {
        Plugins::list(self)
    }
}
