//! A machine in a file: what a plugin asked about, and what the answers were. Since messages 1.1.
//!
//! With a fixture instead of the machine a plugin plans anywhere, and plans the same.

use crate::{
    Digest, FileVersion, HostPath, MachineType, NameRule, ServiceName,
    message::{BackupSource, ListedFile},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A machine as far as one plugin's component is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fixture {
    /// Every variable of the profile that has a value.
    pub folders: BTreeMap<String, HostPath>,
    /// How the product compares names.
    pub names: NameRule,
    /// The rows of the profile's lists that apply.
    pub listed: Vec<ListedFile>,
    /// The component's services that are installed.
    pub services: Vec<ServiceName>,
    /// Where backups are to be taken from.
    pub source: BackupSource,
    /// Switches of the command line.
    pub options: BTreeSet<String>,
    /// What the host knows of services and processes.
    pub facts: Facts,
    /// Every path that was asked about. What is not here was not asked: asking is then a failure.
    pub paths: BTreeMap<HostPath, Known>,
}

/// What the host tells a plugin of services and processes: a plugin cannot ask for them itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The component's services and whether each runs.
    pub services: BTreeMap<ServiceName, Running>,
    /// Processes whose executable lies below one of the product's folders.
    pub processes: Vec<ProcessFact>,
}

/// Whether a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Running {
    /// It runs, or is about to.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessFact {
    /// Its executable's base name.
    pub image: String,
    /// Where its executable lies, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HostPath>,
}

/// What is known of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Known {
    /// Nothing has this name.
    Absent,
    /// A regular file.
    File(KnownFile),
    /// A folder, and what lies in it if that was asked: names and what they stand for.
    Folder(Option<BTreeMap<String, KnownKind>>),
    /// A symbolic link or a junction.
    Symlink,
    /// A device, a socket or the like.
    Other,
    /// It cannot be looked at: the system's words.
    Unreadable(String),
}

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnownFile {
    /// Its length in bytes.
    pub len: u64,
    /// Its text, if it was read and is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bytes in hex digits, if it was read and is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Its digest, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// What its PE headers say, if that was asked and it is a PE file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pe: Option<KnownPe>,
}

/// What a PE file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPe {
    /// Its version resource's file version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<FileVersion>,
    /// The machine type it is made for.
    pub machine: MachineType,
}

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link or a junction.
    Symlink,
    /// A device, a socket or the like.
    Other,
}
