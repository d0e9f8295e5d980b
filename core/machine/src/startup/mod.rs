//! What this machine runs when it boots, as far as it is ours: the two parts of the recovery at boot.
//!
//! The first part settles files before the managed services may start; the second starts what ran, once everything else
//! is up and with nothing waiting for it.

#[cfg_attr(unix, path = "systemd.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

#[cfg(unix)]
pub(crate) use os::FILES_UNIT;
pub use os::{disable, enable, files, is_enabled, is_there, reload};

use std::path::{Path, PathBuf};

/// A file that the manager of the boot reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupFile {
    /// Its absolute path. Its folder is there.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
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
