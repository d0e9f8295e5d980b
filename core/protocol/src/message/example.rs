//! Examples that a plugin declares: documentation that is run. Since messages 1.1.

use crate::message::{Fixture, Proposal};
use serde::{Deserialize, Serialize};

/// A configuration, a machine, and what the plugin plans for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows, in one sentence.
    pub about: String,
    /// The component's `config`, as RON text.
    pub config: String,
    /// The machine.
    pub machine: Fixture,
    /// What comes of it.
    pub expect: Expected,
}

/// What comes of an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expected {
    /// Exactly this.
    Proposal(Proposal),
    /// The plugin says that it cannot, with these words among its own.
    Failure(String),
}
