//! How much of the time to confirm a guard is left, and how long its installer runs.
//!
//! In the boot in which the wait began, or the installer, a clock tells that nobody sets. Behind a reboot there is only the machine's own clock,
//! which may be wrong there: then it may end the wait early, and never makes it longer than it was from the start.

use backout_machine::{boot_id, since_boot};
use backout_protocol::guard::Deadline;
use serde::{Deserialize, Serialize};
use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A moment by the clock that nobody sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// Which boot.
    boot: String,
    /// Milliseconds behind its begin.
    up: u64,
}

impl Moment {
    /// This one; `None`: the system does not tell.
    pub(super) fn now() -> Option<Self> {
        Some(Self { boot: boot_id().ok()?, up: ms(since_boot().ok()?) })
    }

    /// How long ago it was; `None`: it was in another boot, or nothing tells.
    pub(super) fn passed(&self) -> Option<Duration> {
        Self::now().and_then(|now| self.until(&now))
    }

    fn until(&self, now: &Self) -> Option<Duration> {
        (self.boot == now.boot).then(|| Duration::from_millis(now.up.saturating_sub(self.up)))
    }
}

/// How long ago this was, in milliseconds since 1970, as far as the clock that people set can tell.
pub(super) fn since(at: u64) -> Duration {
    Duration::from_millis(wall().saturating_sub(at))
}

/// What the clocks say.
struct Now {
    /// Milliseconds since 1970.
    at: u64,
    /// Which boot this is, and how many milliseconds ago it was.
    boot: Option<(String, u64)>,
}

/// A wait of so many seconds, from now on.
///
/// # Errors
/// The system does not tell which boot this is.
pub(super) fn begin(within: u64) -> io::Result<Deadline> {
    in_this_boot(within.saturating_mul(1000), within)
}

/// The same moment by the clock of this boot.
///
/// # Errors
/// The system does not tell which boot this is.
pub(super) fn anchored(deadline: &Deadline) -> io::Result<Deadline> {
    in_this_boot(ms(left(deadline)), deadline.within)
}

fn in_this_boot(length: u64, within: u64) -> io::Result<Deadline> {
    let (boot, up) = (boot_id()?, ms(since_boot()?));
    Ok(Deadline { at: wall().saturating_add(length), boot, up: up.saturating_add(length), within })
}

/// What is left of it; nothing: it is over.
pub(crate) fn left(deadline: &Deadline) -> Duration {
    let boot = boot_id().ok().zip(since_boot().ok().map(ms));
    left_at(deadline, &Now { at: wall(), boot })
}

/// When it is over, in milliseconds since 1970 as the clock stands now.
pub(super) fn until(left: Duration) -> u64 {
    wall().saturating_add(ms(left))
}

fn left_at(deadline: &Deadline, now: &Now) -> Duration {
    let left = match &now.boot {
        Some((boot, up)) if *boot == deadline.boot => deadline.up.saturating_sub(*up),
        _ => deadline.at.saturating_sub(now.at),
    };
    Duration::from_millis(left.min(deadline.within.saturating_mul(1000)))
}

fn wall() -> u64 {
    ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_is_told_within_one_boot_alone() {
        let moment = |boot: &str, up| Moment { boot: boot.into(), up };
        assert_eq!(moment("a", 3).until(&moment("a", 10)), Some(Duration::from_millis(7)));
        assert_eq!(moment("a", 10).until(&moment("a", 3)), Some(Duration::ZERO));
        assert_eq!(moment("a", 3).until(&moment("b", 10)), None);
        assert!(Moment::now().unwrap().passed().unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing_and_behind_a_reboot_it_makes_no_wait_longer() {
        let deadline = Deadline { at: 1_000_000, boot: "a".into(), up: 70_000, within: 60 };
        let left =
            |at, boot: &str, up| left_at(&deadline, &Now { at, boot: Some((boot.into(), up)) }).as_millis();
        for clock in [0, 999_000, 5_000_000] {
            assert_eq!(left(clock, "a", 10_000), 60_000);
            assert_eq!(left(clock, "a", 69_999), 1);
            assert_eq!(left(clock, "a", 70_000), 0);
            assert_eq!(left(clock, "a", 90_000), 0);
        }
        assert_eq!(left(970_000, "b", 5), 30_000);
        assert_eq!(left(1_000_000, "b", 5), 0);
        assert_eq!(left(5_000_000, "b", 5), 0);
        assert_eq!(left(0, "b", 5), 60_000);
        assert_eq!(left_at(&deadline, &Now { at: 999_999, boot: None }).as_millis(), 1);
    }
}
