//! What a worker tells its parent, one JSON object a line on its standard output. The parent's answers to questions come
//! back as lines on its standard input.

use crate::answer::Answer;
use backout_protocol::{Event, RunId};
use serde::{Deserialize, Serialize};

/// One thing a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Frame {
    /// A line for standard output.
    Out(String),
    /// A line for standard error.
    Err(String),
    /// A line of the log.
    Log {
        /// `WARN` and so on.
        level: String,
        /// The part of the program that writes it.
        target: String,
        /// What it says.
        text: String,
    },
    /// This run is begun, or is the one that is settled.
    Begun(RunId),
    /// Something happened.
    Event(Event),
    /// A question that only `yes` answers.
    Ask(String),
    /// How the command ended. Nothing follows.
    Answer(Box<Answer>),
    /// It panicked, in these words. Nothing follows.
    Panicked(String),
}

impl Frame {
    /// Whether the run waits for a parent that is slow to read it. What only shows how far it is must not hold it up:
    /// services may be down.
    pub(crate) fn must_arrive(&self) -> bool {
        !matches!(self, Frame::Event(_) | Frame::Log { .. })
    }
}

/// The answer that says yes.
pub(crate) const YES: &str = "yes";
/// The answer that says no.
pub(crate) const NO: &str = "no";
