//! What can be wrong with a plugin.

use crate::speech::{self, dotted, range};
use backout_protocol::{Digest, HostPath, message::Failure};
use serde::{Deserialize, Serialize};

/// Why a plugin cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No plugin has this id.
    #[error("no plugin with the id `{id}` in {}", folders(searched))]
    NotFound {
        /// The id.
        id: String,
        /// Folders looked in.
        searched: Vec<HostPath>,
    },
    /// Two files of one folder claim the same id.
    #[error("two files claim the plugin id `{id}`: `{}` and `{}`", files[0], files[1])]
    Twice {
        /// The id.
        id: String,
        /// The files.
        files: [HostPath; 2],
    },
    /// Somebody else than root and the effective user could have changed the file. None of its code ran.
    #[error("the plugin `{path}` is not loaded: {why}")]
    Distrusted {
        /// The plugin's file.
        path: HostPath,
        /// What is wrong.
        why: String,
    },
    /// The folder's lock file names another digest. None of its code ran.
    #[error("the plugin `{path}` is not loaded: `plugins.lock` pins {pinned}, the file is {found}")]
    Pinned {
        /// The plugin's file.
        path: HostPath,
        /// The digest in the lock file.
        pinned: Digest,
        /// The file's.
        found: Digest,
    },
    /// Pins are required and the folder's lock file has none for it.
    #[error(
        "the plugin `{path}` is not loaded: `plugins.lock` has no entry for `{id}`, and pins are required"
    )]
    NotPinned {
        /// The plugin's file.
        path: HostPath,
        /// Its id.
        id: String,
    },
    /// A lock file cannot be read.
    #[error("`{path}`: {why}")]
    Lock {
        /// The lock file.
        path: HostPath,
        /// What is wrong.
        why: String,
    },
    /// The system lets us write no pins there.
    #[error("`{path}`: {why}")]
    LockDenied {
        /// The lock file.
        path: HostPath,
        /// The system's words.
        why: String,
    },
    /// Its bytes are not those that were found before.
    #[error("the plugin `{path}` is not loaded: its file has changed since it was found")]
    Changed {
        /// The plugin's file.
        path: HostPath,
    },
    /// The file cannot be read or loaded.
    #[error("the plugin `{path}` cannot be loaded: {why}")]
    Unloadable {
        /// The plugin's file.
        path: HostPath,
        /// The system's words.
        why: String,
    },
    /// It has a manifest and no entry.
    #[error("the plugin `{path}` exports no symbol `{symbol}`")]
    NoSuchSymbol {
        /// The plugin's file.
        path: HostPath,
        /// The symbol.
        symbol: String,
    },
    /// It is made for another ABI.
    #[error(
        "the plugin `{path}` has ABI {abi} (entry of {size} bytes), this tool needs {}",
        backout_protocol::abi::ABI
    )]
    WrongAbi {
        /// The plugin's file.
        path: HostPath,
        /// Its ABI number.
        abi: u32,
        /// The size it gives its entry.
        size: u32,
    },
    /// It speaks other messages.
    #[error("the plugin `{path}` speaks messages {}, {}", range(*api), speech::unspoken(*api))]
    WrongApi {
        /// The plugin's file.
        path: HostPath,
        /// Lowest and highest it speaks.
        api: ((u16, u16), (u16, u16)),
    },
    /// There is no plugin in the file.
    #[error("`{path}` is no plugin: {why}")]
    NoPlugin {
        /// The file.
        path: HostPath,
        /// What is wrong.
        why: String,
    },
    /// Its bytes are not those that somebody was told of. Nothing was written.
    #[error("the plugin `{path}` has the SHA-256 {found}, not {wanted} as was given")]
    OtherDigest {
        /// The plugin's file.
        path: HostPath,
        /// The digest that was given.
        wanted: Digest,
        /// The file's.
        found: Digest,
    },
    /// It speaks messages in which it cannot be asked that.
    #[error(
        "the plugin `{path}` speaks messages up to {}; {what} came with {}, so it was not asked",
        dotted(*spoken), dotted(*since)
    )]
    NotSpoken {
        /// The plugin's file.
        path: HostPath,
        /// The highest that it and this tool speak.
        spoken: (u16, u16),
        /// What it would have been asked.
        what: String,
        /// What that came with.
        since: (u16, u16),
    },
    /// It is made for another machine.
    #[error("the plugin `{path}` is made for {made_for}, this tool loads {}", crate::native())]
    Foreign {
        /// The plugin's file.
        path: HostPath,
        /// The machine's target triple.
        made_for: String,
    },
    /// What it says of itself once loaded is not what its file says.
    #[error("the plugin `{path}` says once loaded that it is `{loaded}`, its file says `{id}`")]
    OtherManifest {
        /// The plugin's file.
        path: HostPath,
        /// The id in the file.
        id: String,
        /// The id in memory.
        loaded: String,
    },
    /// It gave up in a way that is no answer.
    #[error("the plugin `{plugin}` broke: {what}")]
    Broken {
        /// The plugin's id.
        plugin: String,
        /// What it did.
        what: String,
    },
    /// Its answer is not understood. What is not understood is not carried out.
    #[error("the plugin `{plugin}` gave an answer that is not understood: {why}")]
    BadAnswer {
        /// The plugin's id.
        plugin: String,
        /// What is wrong with it.
        why: String,
    },
    /// It says that it cannot plan.
    #[error("the plugin `{plugin}` cannot plan: {}", failure.message)]
    Failed {
        /// The plugin's id.
        plugin: String,
        /// Its words.
        failure: Failure,
    },
}

impl HostError {
    /// With what the plugin was doing, where that is its own fault.
    pub(crate) fn during(self, operation: &str) -> Self {
        match self {
            Self::Broken { plugin, what } => {
                Self::Broken { plugin, what: format!("while {operation}, {what}") }
            }
            Self::BadAnswer { plugin, why } => {
                Self::BadAnswer { plugin, why: format!("while {operation}: {why}") }
            }
            other => other,
        }
    }

    /// Whether it is about this plugin.
    pub(crate) fn is_of(&self, plugin: &backout_protocol::plan::PluginRef) -> bool {
        match self {
            Self::NotFound { id, .. } => *id == plugin.id,
            Self::Twice { files, .. } => files.contains(&plugin.file),
            Self::Distrusted { path, .. }
            | Self::Pinned { path, .. }
            | Self::NotPinned { path, .. }
            | Self::Changed { path }
            | Self::Unloadable { path, .. }
            | Self::NoSuchSymbol { path, .. }
            | Self::WrongAbi { path, .. }
            | Self::WrongApi { path, .. }
            | Self::NotSpoken { path, .. }
            | Self::NoPlugin { path, .. }
            | Self::OtherDigest { path, .. }
            | Self::Foreign { path, .. }
            | Self::OtherManifest { path, .. } => *path == plugin.file,
            Self::Lock { path, .. } | Self::LockDenied { path, .. } => {
                path.0.parent() == plugin.file.0.parent()
            }
            Self::Broken { plugin: id, .. }
            | Self::BadAnswer { plugin: id, .. }
            | Self::Failed { plugin: id, .. } => *id == plugin.id,
        }
    }
}

fn folders(searched: &[HostPath]) -> String {
    if searched.is_empty() {
        return "any plugin folder, as none is there".to_owned();
    }
    searched.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ")
}

impl From<HostError> for backout_engine::HostError {
    fn from(error: HostError) -> Self {
        use HostError::*;
        let said = error.to_string();
        match error {
            NotFound { id, searched } => Self::NotFound { id, searched },
            Distrusted { path, why } => Self::Distrusted { file: path, why },
            Pinned { path, .. }
            | NotPinned { path, .. }
            | OtherDigest { path, .. }
            | Lock { path, .. }
            | LockDenied { path, .. }
            | Changed { path } => Self::Distrusted { file: path, why: said },
            Twice { files: [file, _], .. } => Self::Unfit { file, why: said },
            Unloadable { path, .. }
            | NoSuchSymbol { path, .. }
            | WrongAbi { path, .. }
            | WrongApi { path, .. }
            | NotSpoken { path, .. }
            | NoPlugin { path, .. }
            | Foreign { path, .. }
            | OtherManifest { path, .. } => Self::Unfit { file: path, why: said },
            Broken { plugin, what } => Self::Broken { plugin, why: what },
            BadAnswer { plugin, why } => Self::Broken { plugin, why },
            Failed { plugin, failure } => Self::Failed { plugin, failure },
        }
    }
}
