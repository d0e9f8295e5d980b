//! Every sentence that a user reads, and the stable code of each error and warning.
//!
//! Codes: 1xxx refused, nothing touched; 2xxx failed inside the window; 3xxx unfinished or stuck; 4xxx warnings;
//! 9xxx usage and bugs. A code never changes its meaning and is never used again.

pub(crate) mod failure;
pub(crate) mod notice;
pub(crate) mod plan;
pub(crate) mod refusal;
pub(crate) mod stuck;
pub(crate) mod usage;

use backout_protocol::{Place, report::ErrorInfo, text::Text};

/// An error as people and programs get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its number; printed as `BKO-nnnn`.
    pub code: u16,
    /// What failed and what state the machine is in.
    pub message: String,
    /// What to run or do next.
    pub help: String,
    /// Where in the run.
    pub step: Option<String>,
}

impl Said {
    pub(crate) fn new(code: u16, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: help.into(), step: None }
    }

    pub(crate) fn at(mut self, step: &str) -> Self {
        self.step = Some(step.to_owned());
        self
    }

    /// As a program reads it.
    pub(crate) fn info(&self) -> ErrorInfo {
        ErrorInfo {
            code: code(self.code),
            message: self.message.clone(),
            step: self.step.clone(),
            help: Some(self.help.clone()),
        }
    }
}

/// A code as it is printed.
pub(crate) fn code(number: u16) -> String {
    format!("BKO-{number:04}")
}

/// A sentence of a data file in the language of this run.
pub(crate) fn text(text: &Text) -> String {
    text.en.clone()
}

/// Names in backticks, with commas.
pub(crate) fn names<T: std::fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
}

/// Places, one a line.
pub(crate) fn lines(places: &[Place]) -> String {
    places.iter().map(|p| format!("\n  `{p}`")).collect()
}

/// Bytes as people read them.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..10_240 => format!("{n} bytes"),
        10_240..10_485_760 => format!("{} KiB", n / 1024),
        _ => format!("{} MiB", n / 1_048_576),
    }
}
