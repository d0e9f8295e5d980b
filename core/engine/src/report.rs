//! How a run ended.

use crate::{
    failure::{Failure, Stuck},
    learn::Written,
    recover::were,
    refusal::Refusal,
    transaction::Transaction,
    window::Machine,
};
use backout_journal::{Reading, Status};
use backout_protocol::{Counts, Notice, RunId, Step, plan::Plan, text::Text};

/// How a command ended, for whoever renders it.
#[derive(Debug)]
pub struct RunReport {
    /// The run, if one was begun or found.
    pub run: Option<RunId>,
    /// How it ended.
    pub ending: Ending,
    /// Whether files or services are other than before the run, or may be.
    pub changed: bool,
    /// How many of what was done.
    pub counts: Counts,
    /// From the first stop issued to the last start confirmed.
    pub window_ms: Option<u64>,
    /// What a person should know.
    pub notices: Vec<Notice>,
    /// Sentences of the profile.
    pub reminders: Vec<Text>,
    /// The profile of what an installer changed, where one was to be learned and was.
    pub learned: Option<Written>,
}

/// How a command ended.
#[derive(Debug)]
pub enum Ending {
    /// Done as asked. Exit 0.
    Done,
    /// There was nothing to do. Exit 0.
    NothingToDo,
    /// recover: carried to its end. Exit 0.
    Completed,
    /// recover at boot: every file is settled; services are started later. Exit 0.
    FilesSettled,
    /// Everything is staged and stays so until its commit; nothing of the product was touched. Exit 0.
    Staged,
    /// recover: put back. Exit 0.
    RolledBack(Failure),
    /// Everything is put back, and the next reboot replaces the files. Exit 30.
    RebootPending(Failure),
    /// Failed; everything is put back. Exit 20.
    PutBack(Failure),
    /// Not begun. Exit 10 to 13 or 21.
    Refused(Refusal),
    /// Open, or not confirmed. Exit 21.
    Unfinished(Failure),
    /// A person is needed. Exit 22.
    Stuck {
        /// Why it went back, if it did.
        after: Option<Failure>,
        /// Why it cannot.
        why: Stuck,
    },
}

impl RunReport {
    /// A report on an ending that leaves a run as these records have it.
    pub(crate) fn left(ending: Ending, reading: &Reading) -> Self {
        Self::leaving(ending, || may_differ(reading))
    }

    /// A report on an ending; `left`: whether files or services may be other than before where it leaves the run open.
    pub(crate) fn leaving(ending: Ending, left: impl FnOnce() -> bool) -> Self {
        Self { changed: ending.is_change(left), ..Self::of(ending) }
    }

    /// A report on nothing but an ending.
    pub fn of(ending: Ending) -> Self {
        Self {
            run: None,
            ending,
            changed: false,
            counts: Counts::default(),
            window_ms: None,
            notices: Vec::new(),
            reminders: Vec::new(),
            learned: None,
        }
    }
}

/// Whether files, or what else a run changes, may be other than before it, where these are its last records.
pub(crate) fn machine(status: Status) -> Machine {
    match status {
        Status::Nothing
        | Status::Begun
        | Status::Staged
        | Status::CommitPending
        | Status::Opening
        | Status::Reopening
        | Status::Unswapped
        | Status::Deferred
        | Status::Guarding
        | Status::Undone
        | Status::UndoneClean => Machine::AsBefore,
        Status::Armed
        | Status::Applying(_)
        | Status::Applied(_)
        | Status::Swapped
        | Status::Committed
        | Status::CommittedClean
        | Status::Undoing
        | Status::Deferring
        // The system may have made its moves.
        | Status::RebootPending
        | Status::Installing
        | Status::Judging
        | Status::AwaitingConfirm
        | Status::GoingBack => Machine::Touched,
    }
}

/// Whether files or services may be other than before a run that is left as these records have it.
pub(crate) fn may_differ(reading: &Reading) -> bool {
    let down = match reading.status {
        Status::Opening | Status::Reopening | Status::Unswapped | Status::Deferred => {
            were(reading).iter().any(|(_, was)| was.ran())
        }
        _ => false,
    };
    let doubt = reading.is_opening_in_doubt() || reading.is_armed_in_doubt();
    down || doubt || machine(reading.status) == Machine::Touched
}

impl Ending {
    /// Whether files or services are other than before, or may be, where the run has come to this. `left`: whether they may
    /// where it is left open.
    pub(crate) fn is_change(&self, left: impl FnOnce() -> bool) -> bool {
        match self {
            Ending::Done | Ending::Completed => true,
            // A record was lost: the run got further than it says.
            Ending::Stuck { why: Stuck::RecordLost { .. } | Stuck::ArmedLost { .. }, .. } => true,
            Ending::FilesSettled | Ending::Unfinished(_) | Ending::Stuck { .. } => left(),
            Ending::NothingToDo
            | Ending::Staged
            | Ending::RolledBack(_)
            | Ending::RebootPending(_)
            | Ending::PutBack(_)
            | Ending::Refused(_) => false,
        }
    }
}

impl From<Refusal> for RunReport {
    fn from(refusal: Refusal) -> Self {
        Self::of(Ending::Refused(refusal))
    }
}

/// What a run amounts to whose staging is known: a folder whose rights could not be kept is not given others.
pub(crate) fn counts_of(tx: &Transaction) -> Counts {
    Counts { dressed: tx.dressings.len() as u64, ..counts(&tx.plan) }
}

/// What a plan amounts to.
pub fn counts(plan: &Plan) -> Counts {
    use backout_protocol::plan::ComponentState as C;
    let mut counts = Counts {
        left_alone: plan.left_alone.len() as u64
            + plan.notices.iter().filter(|n| matches!(n, Notice::LeftOut { .. })).count() as u64,
        skipped: plan.components.iter().filter(|c| matches!(c.state, C::Absent | C::NotPatchedHere)).count()
            as u64,
        ..Counts::default()
    };
    for step in &plan.steps {
        match step {
            Step::ReplaceFile { before, .. } if before.fingerprint.is_absent() => counts.created += 1,
            Step::ReplaceFile { .. } => counts.replaced += 1,
            Step::ConsumeBackup { .. } => counts.consumed += 1,
            Step::RemoveFile { .. } | Step::RemoveFolder { .. } => counts.removed += 1,
            Step::CreateFolder { .. } => counts.created += 1,
            Step::DressFolder { .. } => counts.dressed += 1,
            Step::Hold { .. } => counts.held += 1,
            Step::StopService { .. } => counts.services += 1,
            Step::Custom { .. } => counts.actions += 1,
            Step::SetKey { .. } | Step::Configure { .. } => counts.settings += 1,
            Step::WaitExit { .. } | Step::StartService { .. } => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_journal::{Record, Tail, format::Line};
    use backout_protocol::plan::Was;

    #[test]
    fn what_is_left_before_it_was_armed_differs_where_a_service_that_ran_may_be_down() {
        let opening = |was| Some(Record::Opening { services: vec![("a".parse().unwrap(), was)] });
        for (record, status, differs) in [
            (opening(Was::Running), Status::Opening, true),
            (opening(Was::Restarting), Status::Unswapped, true),
            (opening(Was::Stopped), Status::Opening, false),
            (opening(Was::Running), Status::Staged, false),
            (None, Status::Begun, false),
            (opening(Was::Stopped), Status::Armed, true),
        ] {
            let run: RunId = "01jd0000000000000000000000".parse().unwrap();
            let line = |record| Line { seq: 0, run: run.clone(), prev: 0, at: 0, record };
            let lines = record.into_iter().map(line).collect();
            let reading = Reading { lines, status, tail: Tail::Blank };
            assert_eq!(may_differ(&reading), differs, "{reading:?}");
        }
    }
}
