//! Custom actions: what the host asks a plugin whose own code is a step. Since messages 1.1.
//!
//! An action is prepared while nothing is stopped, applied in the window behind all swaps, and undone from what
//! `prepare` remembered. After a crash `state` says how far it got.

use crate::{ComponentId, HostPath, NameRule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// No memo is longer, in bytes: it lies in the transaction, and is read again whenever that is settled.
pub const MEMO_LIMIT: usize = 256 * 1024;

/// One action and everything a plugin is told about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRequest {
    /// The component whose step it is.
    pub component: ComponentId,
    /// The plugin's own name for what is done.
    pub action: String,
    /// Its arguments, as the RON text that the plugin proposed.
    pub args: String,
    /// Every variable of the profile that had a value when the run was planned.
    pub folders: BTreeMap<String, HostPath>,
    /// How the product compares names.
    pub names: NameRule,
    /// What `prepare` remembered; `None` when it is asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

/// What `prepare` answers: nothing was changed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// What `apply`, `undo` and `state` need to know, as text of the plugin's own; at most [`MEMO_LIMIT`] bytes.
    pub memo: String,
    /// Whether the state is already the one behind the action: there is nothing to apply.
    #[serde(default)]
    pub already: bool,
}

/// How far an action got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionState {
    /// As it was when `prepare` looked.
    Before,
    /// As `apply` leaves it.
    After,
    /// Neither: `apply` or `undo` was cut short, or somebody else changed it.
    Between,
}
