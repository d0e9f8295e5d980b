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
pub(crate) const REBOOT: u8 = 30;
pub(crate) const DIFFERENT: u8 = 31;
pub(crate) const USAGE: u8 = 64;
pub(crate) const BUG: u8 = 70;

/// As Windows' installers say that a reboot is needed, `ERROR_SUCCESS_REBOOT_REQUIRED`.
const MSI_REBOOT: i32 = 3010;

/// The code that the process ends with; `msi`: in the words of Windows' installers, where codes can be so long.
pub(crate) fn of_process(code: u8, msi: bool) -> i32 {
    if code == REBOOT && msi && cfg!(windows) { MSI_REBOOT } else { code.into() }
}

/// The exit code and the outcome of a refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> (u8, Outcome) {
    match refusal {
        Refusal::Locked { .. } => (LOCKED, Outcome::Refused),
        Refusal::PlanStale { .. } | Refusal::StagedDrift { .. } | Refusal::StagedStale { .. } => {
            (STALE, Outcome::Refused)
        }
        Refusal::StillStaged { why, .. } => of_refusal(why),
        Refusal::NoRights { .. } => (NO_RIGHTS, Outcome::Refused),
        Refusal::Unfinished { .. } | Refusal::AwaitsConfirm { .. } => (UNFINISHED, Outcome::Unfinished),
        Refusal::RebootPending { .. } => (UNFINISHED, Outcome::RebootPending),
        Refusal::CommitPending { .. } => (UNFINISHED, Outcome::Staged),
        _ => (REFUSED, Outcome::Refused),
    }
}

/// The exit code and the outcome of an ending.
pub(crate) fn of(ending: &Ending) -> (u8, Outcome) {
    match ending {
        Ending::Done => (DONE, Outcome::Done),
        Ending::NothingToDo => (DONE, Outcome::NothingToDo),
        Ending::Completed => (DONE, Outcome::Completed),
        Ending::Staged => (DONE, Outcome::Staged),
        Ending::FilesSettled => (DONE, Outcome::Unfinished),
        Ending::RebootPending(_) => (REBOOT, Outcome::RebootPending),
        Ending::RolledBack(_) => (DONE, Outcome::RolledBack),
        Ending::PutBack(_) => (PUT_BACK, Outcome::RolledBack),
        Ending::Refused(refusal) => of_refusal(refusal),
        Ending::Unfinished(_) => (UNFINISHED, Outcome::Unfinished),
        Ending::Stuck { .. } => (STUCK, Outcome::Stuck),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_engine::{Failure, Stuck};

    #[test]
    fn each_ending_has_the_contracts_code() {
        let failure = || Failure::Died { service: "S".parse().unwrap() };
        let refused = |r: Refusal| of(&Ending::Refused(r)).0;
        assert_eq!(of(&Ending::Done), (0, Outcome::Done));
        assert_eq!(of(&Ending::NothingToDo), (0, Outcome::NothingToDo));
        assert_eq!(of(&Ending::Completed), (0, Outcome::Completed));
        assert_eq!(of(&Ending::RebootPending(failure())), (30, Outcome::RebootPending));
        assert_eq!(of(&Ending::RolledBack(failure())), (0, Outcome::RolledBack));
        assert_eq!(of(&Ending::PutBack(failure())), (20, Outcome::RolledBack));
        assert_eq!(of(&Ending::Unfinished(failure())), (21, Outcome::Unfinished));
        assert_eq!(refused(Refusal::NothingToUndo), 10);
        assert_eq!(refused(Refusal::Locked { pid: None }), 11);
        assert_eq!(refused(Refusal::PlanStale { drift: Vec::new() }), 12);
        assert_eq!(refused(Refusal::NoRights { path: std::path::PathBuf::from("/x").into() }), 13);
        let run = "01jd0000000000000000000000".parse().unwrap();
        assert_eq!(of_refusal(&Refusal::Unfinished { run }), (21, Outcome::Unfinished));
        let run = "01jd0000000000000000000000".parse().unwrap();
        assert_eq!(of_refusal(&Refusal::RebootPending { run }), (21, Outcome::RebootPending));
        assert_eq!(of(&Ending::Staged), (0, Outcome::Staged));
        let run: backout_protocol::RunId = "01jd0000000000000000000000".parse().unwrap();
        assert_eq!(of_refusal(&Refusal::CommitPending { run: run.clone() }), (21, Outcome::Staged));
        assert_eq!(refused(Refusal::StagedDrift { run: run.clone(), drift: Vec::new() }), 12);
        let why = Box::new(Refusal::NoRights { path: std::path::PathBuf::from("/x").into() });
        assert_eq!(refused(Refusal::StillStaged { run, why }), 13);
    }

    #[test]
    fn only_a_reboot_has_an_installers_code() {
        let reboot = if cfg!(windows) { 3010 } else { 30 };
        assert_eq!((of_process(30, true), of_process(30, false), of_process(20, true)), (reboot, 30, 20));
    }

    #[test]
    fn stuck_is_22_whatever_came_before() {
        let why = || Stuck::NotDurable { why: "w".into() };
        assert_eq!(of(&Ending::Stuck { after: None, why: why() }), (22, Outcome::Stuck));
        let after = Some(Failure::Recorded { why: "w".into() });
        assert_eq!(of(&Ending::Stuck { after, why: why() }), (22, Outcome::Stuck));
    }

    #[test]
    fn the_table_for_people_has_the_same_codes() {
        let page = include_str!("../../../docs/src/exit-codes.md");
        let rows = page.lines().filter_map(|l| l.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok());
        let listed: Vec<u8> = rows.collect();
        let untouched = [DONE, CHANGES_PENDING, REFUSED, LOCKED, STALE, NO_RIGHTS];
        let touched = [PUT_BACK, UNFINISHED, STUCK, REBOOT, DIFFERENT, USAGE, BUG];
        assert_eq!(listed, [&untouched[..], &touched].concat());
    }
}
