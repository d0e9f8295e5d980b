//! A guard: an installer that runs with a snapshot behind it. What was asked for, and how the installer ended.

use crate::{HostPath, Site, SnapshotId};
use serde::{Deserialize, Serialize};

/// What was asked of a guard, with all that judging the installer's work and going back need: neither profile nor site is
/// read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The snapshot that stands behind the installer.
    pub snapshot: SnapshotId,
    /// The folders that the snapshot covers.
    pub roots: Vec<HostPath>,
    /// The installer and its arguments. Words, not paths: so that those that are no UTF-8 survive.
    pub argv: Vec<HostPath>,
    /// What becomes of a failure.
    pub on_failure: OnFailure,
    /// Seconds after which an installer that still runs is ended; `None`: never.
    #[serde(default)]
    pub timeout: Option<u64>,
    /// What the installer's exit codes mean.
    #[serde(default, skip_serializing_if = "Codes::is_usual")]
    pub codes: Codes,
    /// Seconds that the product may take to be whole and healthy, once the installer has ended well.
    pub settle: u32,
    /// Seconds within which somebody has to confirm that the work stays; `None`: it stays without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within: Option<u64>,
    /// The profile that is to be written of what the installer changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learn: Option<Learn>,
    /// The profile's text; `None`: there is none, folders and services were named.
    #[serde(default)]
    pub profile: Option<String>,
    /// The site.
    pub site: Site,
}

/// Until when a guard waits to be confirmed: by the clock that people set, and by one that nobody sets and each boot begins
/// anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadline {
    /// Milliseconds since 1970.
    pub at: u64,
    /// The boot in which the wait began.
    pub boot: String,
    /// Milliseconds since that boot.
    pub up: u64,
    /// How many seconds the wait is.
    pub within: u64,
}

/// A profile that is to be written of what an installer changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learn {
    /// The file.
    pub file: HostPath,
    /// The plugin that its components name. It takes `from`, `to`, `suffix`, `consume`, `exact`, `made` and `wait_exit`.
    pub plugin: String,
}

/// What becomes of an installer's work that is not good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Everything goes back to the snapshot.
    #[default]
    Rollback,
    /// A person is asked; where nobody can be, it is kept.
    Ask,
    /// It is kept, and said to be not good.
    Keep,
}

/// How an installer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started: why. Nothing of it ran.
    NotStarted(String),
    /// It was ended, as its time was over.
    TimedOut,
    /// It was ended, as the operator said so.
    CalledOff,
    /// Nobody knows: the machine or whoever would have written it down went down first.
    Unknown,
}

/// What an installer's exit codes mean, beside what is usual: 0 is well, 3010 and 1641 ask for a reboot, all others are failures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codes {
    /// These say that the work is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub good: Vec<i32>,
    /// These say that a reboot finishes the work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reboot: Vec<i32>,
}

/// What Windows' installers end with where a reboot is needed to finish, or was begun.
const REBOOTS: [i32; 2] = [3010, 1641];

impl Codes {
    /// Whether they are what is usual.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the installer says that it did its work.
    pub fn is_well(&self, exit: &Exit) -> bool {
        matches!(exit, Exit::Code(code) if *code == 0 || self.good.contains(code))
            || self.wants_a_reboot(exit)
    }

    /// Whether the installer says that a reboot finishes its work.
    pub fn wants_a_reboot(&self, exit: &Exit) -> bool {
        let usual = |code| REBOOTS.contains(code) && !self.good.contains(code);
        matches!(exit, Exit::Code(code) if usual(code) || self.reboot.contains(code))
    }

    /// A code that is said to mean both.
    pub fn contradiction(&self) -> Option<i32> {
        let well = |code: &&i32| **code == 0 || self.good.contains(code);
        self.reboot.iter().find(well).copied()
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Windows' numbers for faults are known by their hexadecimal digits.
            Exit::Code(code) if *code < 0 => {
                write!(f, "the installer ended with the code {:#010X}", code.cast_unsigned())
            }
            Exit::Code(code) => write!(f, "the installer ended with the code {code}"),
            Exit::Signal(signal) => write!(f, "the installer was ended by the signal {signal}"),
            Exit::NotStarted(why) => write!(f, "the installer could not be started: {why}"),
            Exit::TimedOut => f.write_str("the installer took longer than it may and was ended"),
            Exit::CalledOff => f.write_str("the installer was ended, as you said"),
            Exit::Unknown => f.write_str("how the installer ended is not on record"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_what_is_usual_and_what_was_said_of_it() {
        let told = |codes: &Codes, exit: &Exit| (codes.is_well(exit), codes.wants_a_reboot(exit));
        let usual = Codes::default();
        for code in REBOOTS {
            assert_eq!(told(&usual, &Exit::Code(code)), (true, true));
        }
        assert_eq!(told(&usual, &Exit::Code(0)), (true, false));
        let bad =
            [Exit::Code(1), Exit::Code(2), Exit::Signal(1), Exit::TimedOut, Exit::CalledOff, Exit::Unknown];
        for exit in &bad {
            assert_eq!(told(&usual, exit), (false, false), "{exit}");
        }
        let good = Codes { good: vec![3010], reboot: vec![3010] };
        assert_eq!(good.contradiction(), Some(3010));
        let good = Codes { good: vec![3010], reboot: Vec::new() };
        assert_eq!(told(&good, &Exit::Code(3010)), (true, false));
        let codes = Codes { good: vec![1], reboot: vec![2] };
        assert_eq!(codes.contradiction(), None);
        assert_eq!(told(&codes, &Exit::Code(0)), (true, false));
        for (exit, is) in bad.iter().zip([(true, false), (true, true), (false, false), (false, false)]) {
            assert_eq!(told(&codes, exit), is, "{exit}");
        }
    }
}
