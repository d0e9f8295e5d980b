//! Exit codes. CONTRACT; `docs/src/exit-codes.md` is the table for people.

use backout_engine::{Ending, Refusal};
use backout_protocol::Outcome;

pub(crate) const DONE: u8 = 0;
pub(crate) const CHANGES_PENDING: u8 = 2;
pub(crate) const REFUSED: u8 = 10;
pub(crate) const LOCKED: u8 = 11;
pub(crate) const STALE: u8 = 12;
pub(crate) const NO_RIGHTS: u8 = 13;
pub(crate) const PUT_BACK: u8 = 20;
pub(crate) const UNFINISHED: u8 = 21;
pub(crate) const STUCK: u8 = 22;
pub(crate) const DIFFERENT: u8 = 31;
pub(crate) const USAGE: u8 = 64;
pub(crate) const BUG: u8 = 70;

/// The exit code and the outcome of a refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> (u8, Outcome) {
    match refusal {
        Refusal::Locked { .. } => (LOCKED, Outcome::Refused),
        Refusal::PlanStale { .. } => (STALE, Outcome::Refused),
        Refusal::NoRights { .. } => (NO_RIGHTS, Outcome::Refused),
        Refusal::Unfinished { .. } => (UNFINISHED, Outcome::Unfinished),
        _ => (REFUSED, Outcome::Refused),
    }
}

/// The exit code and the outcome of an ending.
pub(crate) fn of(ending: &Ending) -> (u8, Outcome) {
    match ending {
        Ending::Done => (DONE, Outcome::Done),
        Ending::NothingToDo => (DONE, Outcome::NothingToDo),
        Ending::Completed => (DONE, Outcome::Completed),
        Ending::RolledBack(_) => (DONE, Outcome::RolledBack),
        Ending::PutBack(_) => (PUT_BACK, Outcome::RolledBack),
        Ending::Refused(refusal) => of_refusal(refusal),
        Ending::Unfinished(_) => (UNFINISHED, Outcome::Unfinished),
        Ending::Stuck { .. } => (STUCK, Outcome::Stuck),
    }
}
