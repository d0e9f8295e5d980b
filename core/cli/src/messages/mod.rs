//! Every sentence that a user reads, and the stable code of each error and warning.
//!
//! Codes: 1xxx refused, nothing touched; 2xxx failed inside the window; 3xxx unfinished or stuck; 4xxx warnings;
//! 5xxx found by a verb that only reads, but 52xx a run that waits for its commit or a profile that is learned; 9xxx usage and bugs. A code never changes its meaning and is never used again.

pub(crate) mod abandon;
pub(crate) mod boot;
pub(crate) mod confirm;
pub(crate) mod conformance;
mod delicate;
pub(crate) mod doctor;
pub(crate) mod failure;
pub(crate) mod fixture;
pub(crate) mod guard;
pub(crate) mod history;
pub(crate) mod install;
pub(crate) mod inventory;
pub(crate) mod notice;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod profile;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod runbook;
pub(crate) mod scaffold;
pub(crate) mod show;
pub(crate) mod snapshot;
pub(crate) mod staged;
pub(crate) mod stuck;
pub(crate) mod usage;
pub(crate) mod worker;

#[cfg(test)]
mod every_variant;

use backout_protocol::{Place, report::ErrorInfo, text::Text};
use serde::{Deserialize, Serialize};

/// An error as people and programs get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    /// As it was printed once.
    pub(crate) fn again(info: &ErrorInfo) -> Self {
        let number = info.code.rsplit('-').next().and_then(|n| n.parse().ok());
        Self {
            code: number.unwrap_or_default(),
            message: info.message.clone(),
            help: info.help.clone().unwrap_or_default(),
            step: info.step.clone(),
        }
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

/// An error and everything behind it, in one line: our errors keep their source and do not repeat it.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        text.push_str(&format!(": {cause}"));
        behind = cause.source();
    }
    text
}

/// Bytes as people read them.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..10_240 => format!("{n} bytes"),
        10_240..10_485_760 => format!("{} KiB", n / 1024),
        _ => format!("{} MiB", n / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Every `Said::new(nnnn` and every `(nnnn,` of the notices, by file.
    fn codes() -> BTreeMap<u16, Vec<&'static str>> {
        let files = [
            ("refusal", include_str!("refusal.rs")),
            ("failure", include_str!("failure.rs")),
            ("stuck", include_str!("stuck.rs")),
            ("notice", include_str!("notice.rs")),
            ("abandon", include_str!("abandon.rs")),
            ("boot", include_str!("boot.rs")),
            ("confirm", include_str!("confirm.rs")),
            ("conformance", include_str!("conformance.rs")),
            ("profile", include_str!("profile.rs")),
            ("scaffold", include_str!("scaffold.rs")),
            ("doctor", include_str!("doctor.rs")),
            ("delicate", include_str!("delicate.rs")),
            ("guard", include_str!("guard.rs")),
            ("guard/learn", include_str!("guard/learn.rs")),
            ("history", include_str!("history.rs")),
            ("plugin", include_str!("plugin.rs")),
            ("snapshot", include_str!("snapshot.rs")),
            ("staged", include_str!("staged.rs")),
            ("usage", include_str!("usage.rs")),
            ("worker", include_str!("worker.rs")),
        ];
        let mut codes: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for (file, text) in files {
            let words = text.split(|c: char| !c.is_ascii_digit());
            for code in words.filter(|w| w.len() == 4).filter_map(|w| w.parse().ok()) {
                codes.entry(code).or_default().push(file);
            }
        }
        codes
    }

    #[test]
    fn a_code_means_one_thing() {
        let codes = codes();
        assert!(codes.len() > 80, "{codes:?}");
        for (code, files) in codes {
            assert_eq!(files.len(), 1, "BKO-{code:04} is used more than once: {files:?}");
        }
    }

    #[test]
    fn every_error_says_what_to_do_next() {
        let place = Place {
            root: std::path::PathBuf::from("/r").into(),
            rel: backout_protocol::RelPath::new("f").unwrap(),
        };
        let failures = [
            backout_engine::Failure::Died { service: "S".parse().unwrap() },
            backout_engine::Failure::Drift { targets: vec![place.clone()] },
            backout_engine::Failure::InDoubt { target: place },
        ];
        for failure in &failures {
            for said in [failure::said(failure), failure::put_back(failure), failure::unfinished(failure)] {
                assert!(!said.message.is_empty() && !said.help.is_empty(), "{said:?}");
            }
        }
        assert!(failure::put_back(&failures[0]).message.contains("put back"));
        assert!(failure::unfinished(&failures[0]).help.contains("backout recover"));
    }
}
