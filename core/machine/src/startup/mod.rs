//! What this machine runs when it boots, as far as it is ours: the two parts of the recovery at boot.
//!
//! The first part settles files before the managed services may start; the second starts what ran, once everything else
//! is up and with nothing waiting for it.

#[cfg_attr(unix, path = "systemd.rs")]
#[cfg_attr(windows, path = "windows/mod.rs")]
mod os;

#[cfg(unix)]
pub(crate) use os::FILES_UNIT;
#[cfg(windows)]
pub(crate) use os::SERVICE;
pub use os::{REMOVAL_FREES, disable, enable, files, is_there, registered, reload, serve};

use std::path::{Path, PathBuf};

/// A file that the manager of the boot reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupFile {
    /// Its absolute path. Its folder is there.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// What the manager of the boot knows of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// Everything, for this program and this state folder.
    Ours,
    /// Nothing.
    Missing,
    /// It would not work.
    Broken {
        /// What is wrong.
        why: String,
    },
    /// It is for another state folder.
    Elsewhere {
        /// Which.
        state: String,
    },
}

/// The recovery at boot, as it goes on, where the manager runs it as a service of its own kind.
pub trait Recovery: Send + Sync {
    /// Brings every file to one side. The services that are held back start once this has returned, unless it fails.
    ///
    /// # Errors
    /// The exit code.
    fn files(&self) -> Result<(), u8>;

    /// Starts what ran, and ends the run. Nothing waits for it.
    ///
    /// # Errors
    /// The exit code.
    fn services(&self) -> Result<(), u8>;
}

/// The manager of the boot could not be told.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` failed: {why}")]
pub struct StartupError {
    /// The command, as a person types it.
    pub command: String,
    /// What it said, or why it could not be run.
    pub why: String,
}

/// What each file of ours begins with; the state folder stands behind it.
const MARK: &str = "# Written by `backout boot install` for the state folder ";

/// The state folder that a file of ours was written for, as it stands there; `None`: it is not ours.
pub fn written_for(text: &str) -> Option<&str> {
    text.lines().next()?.strip_prefix(MARK)
}

/// How a state folder stands in the first line of a file.
pub fn marked(state: &Path) -> String {
    backout_protocol::path::encode(state.as_os_str())
}
