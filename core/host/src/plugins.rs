//! The plugins of this machine, as the engine asks for them.

use crate::{
    call,
    child::{self, Spawner},
    error::HostError,
    find,
    leave::Leave,
    library::{Digested, LibraryFile},
    load::{self, Loaded},
    pins::Pinning,
};
use backout_engine::{Listed, PluginHost};
use backout_protocol::{
    Digest, HostPath,
    message::{Answer, PlanRequest, Proposal, Request},
    plan::PluginRef,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A plugin by its id and the digest of its file.
type Key = (String, Digest);

/// Where a plugin's code runs.
#[derive(Debug, Clone)]
pub enum Hosting {
    /// In a child for each question: whatever it does there, this process goes on.
    Child(Spawner),
    /// In this process, where a debugger finds it. Each is loaded at most once, when it is first asked.
    Here,
}

/// Plugins of some folders.
#[derive(Debug)]
pub struct Plugins {
    folders: Vec<PathBuf>,
    pinning: Pinning,
    hosting: Hosting,
    /// Found and kept open, so that what was digested is what is loaded here.
    found: Mutex<BTreeMap<Key, Digested>>,
    loaded: Mutex<BTreeMap<Key, Loaded>>,
}

impl Plugins {
    /// Plugins of these folders; of those with the same id the first folder's.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>, pinning: Pinning, hosting: Hosting) -> Self {
        let absolute = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
        let folders = folders.into_iter().map(absolute).collect();
        Self { folders, pinning, hosting, found: Mutex::default(), loaded: Mutex::default() }
    }

    /// No folders: plugins that were found elsewhere, asked in this process.
    pub(crate) fn here(pinning: Pinning) -> Self {
        Self::new([], pinning, Hosting::Here)
    }

    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    pub(crate) fn pinning(&self) -> Pinning {
        self.pinning
    }

    /// The plugin with this manifest id, checked and trusted. None of its code runs.
    ///
    /// # Errors
    /// [`HostError`]: there is none, or it may not be loaded.
    pub fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        let plugin = find::by_id(&self.folders, id)?.digest()?;
        find::check(&plugin, self.pinning)?;
        let manifest = &plugin.library.manifest;
        let found = PluginRef {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            sha256: plugin.sha256,
            file: HostPath(plugin.library.path.clone()),
        };
        // A child opens and checks it anew.
        if matches!(self.hosting, Hosting::Here) {
            lock(&self.found).insert((found.id.clone(), found.sha256), plugin);
        }
        Ok(found)
    }

    /// Asks a plugin that was found what its component needs. Loads it if that has not happened yet.
    ///
    /// # Errors
    /// [`HostError`]: it has changed, cannot be loaded, breaks, or answers nonsense.
    pub fn plan(&self, plugin: &PluginRef, request: &PlanRequest) -> Result<Proposal, HostError> {
        let request = Request::Plan(Box::new(request.clone()));
        call::proposal(self.ask(plugin, &request, Leave::ReadOnly)?, &plugin.id)
    }

    /// Asks a plugin that was found anything. That its answer is one to this question is the caller's to look at. Where
    /// it is asked in this process, nothing keeps it to its leave.
    ///
    /// # Errors
    /// As [`Plugins::plan`], but that it cannot is an answer.
    pub fn ask(&self, plugin: &PluginRef, request: &Request, leave: Leave) -> Result<Answer, HostError> {
        match &self.hosting {
            Hosting::Child(spawner) => child::ask(spawner, plugin, self.pinning, request, leave, None),
            Hosting::Here => call::ask(self.loaded(plugin, self.pinning)?, plugin, request),
        }
    }

    /// Asks the copy of a plugin that a run keeps about one of its actions. No lock file pins a copy: its digest does, which
    /// must be the one that `plugin` says. `held` is kept open by all that runs its code.
    ///
    /// # Errors
    /// As [`Plugins::ask`].
    pub fn act(
        &self,
        plugin: &PluginRef,
        request: &Request,
        held: Option<&File>,
    ) -> Result<Answer, HostError> {
        let leave = match request {
            Request::Apply(_) | Request::Undo(_) => Leave::Change,
            _ => Leave::ReadOnly,
        };
        match &self.hosting {
            Hosting::Child(spawner) => {
                child::ask(spawner, plugin, Pinning::WhereListed, request, leave, held)
            }
            Hosting::Here => call::ask(self.loaded(plugin, Pinning::WhereListed)?, plugin, request),
        }
    }

    fn loaded(&self, wanted: &PluginRef, pinning: Pinning) -> Result<Loaded, HostError> {
        let key = (wanted.id.clone(), wanted.sha256);
        let mut all = lock(&self.loaded);
        if let Some(loaded) = all.get(&key) {
            return Ok(*loaded);
        }
        let changed = || HostError::Changed { path: wanted.file.clone() };
        let found = lock(&self.found).remove(&key).filter(|f| f.library.path == wanted.file.0);
        let plugin = match found {
            Some(plugin) => plugin,
            None => LibraryFile::open(&wanted.file.0).map_err(|_| changed())?.digest()?,
        };
        if plugin.has_changed() || plugin.sha256 != wanted.sha256 || plugin.library.manifest.id != wanted.id {
            return Err(changed());
        }
        // Again: finding it may be long ago.
        find::check(&plugin, pinning)?;
        let loaded = load::load(plugin.library)?;
        all.insert(key, loaded);
        Ok(loaded)
    }

    /// Every plugin that can be seen, whether or not it may be used. None of their code runs.
    pub fn list(&self) -> Vec<Listed> {
        let mut listed = Vec::new();
        let mut taken = BTreeSet::new();
        for folder in &self.folders {
            let plugins = find::in_folder(folder);
            let twins: Vec<Option<String>> = plugins.iter().map(|p| twin(p, &plugins)).collect();
            let here: Vec<String> = plugins.iter().map(|p| p.manifest.id.clone()).collect();
            for (plugin, twin) in plugins.into_iter().zip(twins) {
                let (file, manifest) = (HostPath(plugin.path.clone()), plugin.manifest.clone());
                let problem = if taken.contains(&manifest.id) {
                    Some("a folder that is searched before has a plugin of the same id".to_owned())
                } else if twin.is_some() {
                    twin
                } else {
                    let checked = plugin.digest().and_then(|p| find::check(&p, self.pinning));
                    checked.err().map(|e| e.to_string())
                };
                listed.push(Listed { file, manifest, problem });
            }
            taken.extend(here);
        }
        listed
    }
}

/// What is wrong with two plugins of one id in one folder.
fn twin(plugin: &LibraryFile, all: &[LibraryFile]) -> Option<String> {
    let other = all.iter().find(|o| o.manifest.id == plugin.manifest.id && o.path != plugin.path)?;
    Some(find::twice(plugin, other).to_string())
}

/// A panic elsewhere leaves these maps as they were.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PluginHost for Plugins {
    fn find(&self, id: &str) -> Result<PluginRef, backout_engine::HostError> {
        Plugins::find(self, id).map_err(Into::into)
    }

    fn plan(&self, plugin: &PluginRef, request: &PlanRequest) -> Result<Proposal, backout_engine::HostError> {
        Plugins::plan(self, plugin, request).map_err(Into::into)
    }

    fn act(
        &self,
        plugin: &PluginRef,
        request: &Request,
        held: Option<&File>,
    ) -> Result<Answer, backout_engine::HostError> {
        Plugins::act(self, plugin, request, held).map_err(Into::into)
    }

    fn list(&self) -> Vec<Listed> {
        Plugins::list(self)
    }
}
