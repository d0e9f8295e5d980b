//! A question about the machine that got no answer.

use crate::failure;
use backout_protocol::{message::Failure, path::encode};
use std::{fmt, path::PathBuf};

/// What is asked about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// What it is.
    Stat,
    /// What lies in it.
    List,
    /// Its bytes, at most so many.
    Read(u64),
    /// Its digest.
    Hash,
    /// Its PE headers.
    Version,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Question::Stat => "what it is",
            Question::List => "what lies in it",
            Question::Read(_) => "its bytes",
            Question::Hash => "its digest",
            Question::Version => "its version",
        })
    }
}

/// A path that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookError {
    /// The path.
    pub path: PathBuf,
    /// What was asked.
    pub question: Question,
    /// Why there is no answer.
    pub why: Why,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The system does not give it, or the question makes no sense for what is there.
    Refused(String),
    /// The fixture that answers instead of the machine does not say.
    NotInFixture,
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, question) = (encode(self.path.as_os_str()), self.question);
        match &self.why {
            Why::Refused(why) => write!(f, "`{path}` cannot be looked at ({question}): {why}"),
            Why::NotInFixture => write!(f, "the fixture says nothing of `{path}` ({question})"),
        }
    }
}
impl std::error::Error for LookError {}
impl From<LookError> for Failure {
    fn from(e: LookError) -> Self {
        failure(e.to_string())
    }
}
