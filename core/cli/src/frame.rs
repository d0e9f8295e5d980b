//! What a worker tells its parent, one JSON object a line on its standard output. The parent's answers to questions come
//! back as lines on its standard input.

use crate::answer::Answer;
use backout_protocol::Event;
use serde::{Deserialize, Serialize};

/// One thing a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Frame {
    /// A line for standard output.
    Out(String),
    /// A line for standard error.
    Err(String),
    /// Something happened.
    Event(Event),
    /// A question that only `yes` answers.
    Ask(String),
    /// How the command ended. Nothing follows.
    Answer(Box<Answer>),
    /// It panicked, in these words. Nothing follows.
    Panicked(String),
}

/// The answer that says yes.
pub(crate) const YES: &str = "yes";
/// The answer that says no.
pub(crate) const NO: &str = "no";
