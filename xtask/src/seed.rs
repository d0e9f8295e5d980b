//! Where random draws of the tests come from: each day the same, so that a failure comes again; each night new ones.

use std::{process::Command, time::SystemTime};

/// As `backout_kit::seed` reads it.
const NAME: &str = "BACKOUT_SEED";
/// As `backout_kit::seed` has it.
const DAILY: u64 = 1;

/// A number that all draws come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(u64);

impl Seed {
    /// What is set, or the one of every day.
    pub(crate) fn daily() -> Result<Self, String> {
        Self::or(|| DAILY)
    }

    /// What is set, or a new one.
    pub(crate) fn nightly() -> Result<Self, String> {
        Self::or(|| SystemTime::UNIX_EPOCH.elapsed().map_or(DAILY, |since| since.as_secs()))
    }

    fn or(otherwise: impl FnOnce() -> u64) -> Result<Self, String> {
        let seed = match std::env::var(NAME) {
            Ok(text) => text.parse().map_err(|_| format!("{NAME} is a number, and not `{text}`"))?,
            Err(_) => otherwise(),
        };
        println!("{NAME}={seed}");
        Ok(Self(seed))
    }

    /// Of a night, the day since 1970: the nights take turns by it.
    pub(crate) fn day(self) -> u64 {
        self.0 / (24 * 3600)
    }

    /// Tells it to a program.
    pub(crate) fn into_command(self, command: &mut Command) -> &mut Command {
        command.env(NAME, self.0.to_string())
    }
}
