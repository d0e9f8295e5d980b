//! The life cycle: one total function from a status and a record to the next status.

use crate::record::Record;

/// Where a run stands, by its last durable record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// No record: nothing had been done.
    Nothing,
    /// The plan is written; staging may have begun.
    Begun,
    /// Everything is staged; no service was touched.
    Staged,
    /// The same, and it is to stay so until its commit.
    CommitPending,
    /// Services may have been stopped; no file was touched.
    Opening,
    /// The window is closed again before any file was touched: services are being started.
    Reopening,
    /// Files may have been swapped; the way is forwards.
    Armed,
    /// Every file is new; this action of a plugin may have run.
    Applying(u32),
    /// That action has run.
    Applied(u32),
    /// Every file is new; services are being started.
    Swapped,
    /// The run is final: new.
    Committed,
    /// Final, new and tidied up.
    CommittedClean,
    /// The way is backwards; files may be old or new.
    Undoing,
    /// Every file is old; services are being started.
    Unswapped,
    /// The way is backwards for now; files may be old or new. The next reboot is to replace them.
    Deferring,
    /// Every file is old; services are being started. Then the moves for the next reboot are queued.
    Deferred,
    /// Files and services are old; the next reboot replaces the files, or has done so.
    RebootPending,
    /// A guard: the snapshot is taken, and nothing of the installer runs.
    Guarding,
    /// A guard: the installer runs, or has run.
    Installing,
    /// A guard: the installer has ended, and its work is to be judged.
    Judging,
    /// A guard: the installer's work is judged, and stays if somebody confirms it in time.
    AwaitingConfirm,
    /// A guard: everything goes back to the snapshot, by a run of its own.
    GoingBack,
    /// The run is over: old.
    Undone,
    /// Over, old and tidied up.
    UndoneClean,
}

/// What a recovery has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Remove the transaction's folder: nothing had been done.
    Forget,
    /// Remove what was staged; touch no service.
    DropStaging,
    /// Leave everything as it is: the run waits for its commit.
    AwaitCommit,
    /// Remove what was staged, start what ran and does not run.
    DropStagingAndResume,
    /// Stop everything, swap what is not swapped, do the actions that are not done, and go on forwards.
    SwapOn,
    /// Start what ran, look at its health, commit.
    ResumeForwards,
    /// Stop everything, take every action back, put every file back, start what ran.
    PutBack,
    /// Start what ran.
    ResumeBackwards,
    /// Stop everything, put every file back, start what ran, queue the moves for the next reboot.
    PutBackAndQueue,
    /// Start what ran, queue the moves.
    ResumeAndQueue,
    /// In the same boot see to it that the moves are queued; behind the reboot go on forwards if any was made, else end
    /// the run as it is.
    AwaitReboot,
    /// Wait for the installer's end, judge its work; keep it or go back to the snapshot.
    Judge,
    /// Wait until somebody confirms the installer's work or the time for that is over; keep it or go back to the snapshot.
    AwaitConfirm,
    /// Go back to the snapshot.
    GoBack,
    /// Only tidy up: the run is over.
    TidyUp,
}

/// A record that cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{record}` cannot follow in status {status:?}")]
pub struct IllegalRecord {
    /// Where the run stood.
    pub status: Status,
    /// What was to follow.
    pub record: &'static str,
}

/// The status after one more record.
///
/// # Errors
/// The record cannot follow: the journal is damaged or the program has a bug. Either way nothing may be done on it.
pub fn next(status: Status, record: &Record) -> Result<Status, IllegalRecord> {
    use Record as R;
    use Status as S;
    let illegal = Err(IllegalRecord { status, record: record.name() });
    match (status, record) {
        (S::Nothing, R::Begin { .. }) => Ok(S::Begun),
        (S::Begun, R::Staged { .. }) => Ok(S::Staged),
        (S::Staged, R::CommitPending) => Ok(S::CommitPending),
        (S::Staged | S::CommitPending, R::Opening { .. }) => Ok(S::Opening),
        (S::Opening, R::Armed) => Ok(S::Armed),
        (S::Armed | S::Applied(_), R::Swapped) => Ok(S::Swapped),
        (S::Armed, R::Applying { n: 0 }) => Ok(S::Applying(0)),
        (S::Applying(n), R::Applied { n: m }) if n == *m => Ok(S::Applied(n)),
        (S::Applied(n), R::Applying { n: m }) if n.checked_add(1) == Some(*m) => Ok(S::Applying(*m)),
        (S::Swapped, R::Starting { .. } | R::Started { .. } | R::Health { .. }) => Ok(S::Swapped),
        (S::Swapped, R::Committed) => Ok(S::Committed),
        (S::Committed, R::Clean) => Ok(S::CommittedClean),

        (S::Begun | S::Staged | S::CommitPending | S::Opening | S::Reopening, R::Undone { .. }) => {
            Ok(S::Undone)
        }
        (S::Opening | S::Reopening, R::Starting { .. } | R::Started { .. }) => Ok(S::Reopening),
        (S::Armed | S::Applying(_) | S::Applied(_) | S::Swapped, R::Undo { .. }) => Ok(S::Undoing),
        (S::Undoing, R::Unswapped) => Ok(S::Unswapped),
        (S::Unswapped, R::Starting { .. } | R::Started { .. } | R::Health { .. }) => Ok(S::Unswapped),
        (S::Unswapped, R::Undone { .. }) => Ok(S::Undone),
        (S::Undone, R::Clean) => Ok(S::UndoneClean),

        // Only a swap meets files in use.
        (S::Armed, R::Deferring { .. }) => Ok(S::Deferring),
        (S::Deferring, R::Unswapped) => Ok(S::Deferred),
        (S::Deferred, R::Starting { .. } | R::Started { .. } | R::Health { .. }) => Ok(S::Deferred),
        (S::Deferred, R::RebootPending { .. }) => Ok(S::RebootPending),
        // What cannot be deferred is undone.
        (S::Deferring, R::Undo { .. }) => Ok(S::Undoing),
        (S::Deferred, R::Undone { .. }) => Ok(S::Undone),
        // Behind the reboot: some names are new, and the way is forwards.
        (S::RebootPending, R::Armed) => Ok(S::Armed),
        // Behind the reboot nothing is new, or it was called off before.
        (S::RebootPending, R::Starting { .. } | R::Started { .. }) => Ok(S::RebootPending),
        (S::RebootPending, R::Undone { .. }) => Ok(S::Undone),

        (S::Begun, R::GuardOpen { .. }) => Ok(S::Guarding),
        (S::Guarding, R::LetGo) => Ok(S::Installing),
        // Nothing ran: the holder was never told, or never got so far.
        (S::Guarding | S::Installing, R::Undone { .. }) => Ok(S::Undone),
        (S::Installing, R::InstallerExited { .. }) => Ok(S::Judging),
        (S::Judging, R::AwaitingConfirm { .. }) => Ok(S::AwaitingConfirm),
        (S::Judging | S::AwaitingConfirm, R::Kept { .. }) => Ok(S::Committed),
        (S::Judging | S::AwaitingConfirm, R::GoingBack { .. }) => Ok(S::GoingBack),
        (S::GoingBack, R::Undone { .. }) => Ok(S::Undone),

        (
            S::Begun
            | S::Guarding
            | S::Installing
            | S::Judging
            | S::AwaitingConfirm
            | S::GoingBack
            | S::Staged
            | S::CommitPending
            | S::Opening
            | S::Reopening
            | S::Armed
            | S::Applying(_)
            | S::Applied(_)
            | S::Swapped
            | S::Undoing
            | S::Unswapped
            | S::Deferring
            | S::Deferred
            | S::RebootPending,
            R::Recovering { .. },
        ) => Ok(status),

        // Every other pair, spelled out by record so that a new record must be thought about here.
        (_, R::Begin { .. })
        | (_, R::Staged { .. })
        | (_, R::CommitPending)
        | (_, R::Opening { .. })
        | (_, R::Armed)
        | (_, R::Applying { .. })
        | (_, R::Applied { .. })
        | (_, R::Swapped)
        | (_, R::Starting { .. })
        | (_, R::Started { .. })
        | (_, R::Health { .. })
        | (_, R::Committed)
        | (_, R::Clean)
        | (_, R::Undo { .. })
        | (_, R::Deferring { .. })
        | (_, R::RebootPending { .. })
        | (_, R::Unswapped)
        | (_, R::Undone { .. })
        | (_, R::GuardOpen { .. })
        | (_, R::LetGo)
        | (_, R::InstallerExited { .. })
        | (_, R::AwaitingConfirm { .. })
        | (_, R::GoingBack { .. })
        | (_, R::Kept { .. })
        | (_, R::Recovering { .. }) => illegal,
    }
}

/// The status after a whole journal.
///
/// # Errors
/// As [`next`], at the first record that cannot follow.
pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Status, IllegalRecord> {
    records.into_iter().try_fold(Status::Nothing, next)
}

impl Status {
    /// What a recovery has to do from here.
    pub fn remedy(self) -> Remedy {
        match self {
            Status::Nothing => Remedy::Forget,
            Status::Begun | Status::Staged => Remedy::DropStaging,
            Status::CommitPending => Remedy::AwaitCommit,
            Status::Opening | Status::Reopening => Remedy::DropStagingAndResume,
            Status::Armed | Status::Applying(_) | Status::Applied(_) => Remedy::SwapOn,
            Status::Swapped => Remedy::ResumeForwards,
            Status::Undoing => Remedy::PutBack,
            Status::Unswapped => Remedy::ResumeBackwards,
            Status::Deferring => Remedy::PutBackAndQueue,
            Status::Deferred => Remedy::ResumeAndQueue,
            Status::RebootPending => Remedy::AwaitReboot,
            Status::Guarding => Remedy::DropStaging,
            Status::Installing | Status::Judging => Remedy::Judge,
            Status::AwaitingConfirm => Remedy::AwaitConfirm,
            Status::GoingBack => Remedy::GoBack,
            Status::Committed | Status::CommittedClean | Status::Undone | Status::UndoneClean => {
                Remedy::TidyUp
            }
        }
    }

    /// Whether the run is over, so that only tidying up may be left.
    pub fn is_over(self) -> bool {
        matches!(self.remedy(), Remedy::TidyUp)
    }

    /// Whether the run ended, or will end, in the new state.
    pub fn is_committed(self) -> bool {
        matches!(self, Status::Committed | Status::CommittedClean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Direction, Verdict};
    use backout_protocol::{
        Digest,
        guard::{Deadline, Exit, OnFailure},
        plan::Was,
    };

    fn all_records() -> Vec<Record> {
        let service = || "s".parse().unwrap();
        vec![
            Record::Begin { format: (1, 0), tool: String::new(), boot: String::new(), plan: Digest([0; 32]) },
            Record::Staged { staged: Digest([0; 32]) },
            Record::CommitPending,
            Record::Opening { services: vec![(service(), Was::Running)] },
            Record::Armed,
            Record::Applying { n: 0 },
            Record::Applied { n: 0 },
            Record::Swapped,
            Record::Starting { service: service() },
            Record::Started { service: service() },
            Record::Health { verdict: Verdict::Well },
            Record::Committed,
            Record::Clean,
            Record::Undo { why: String::new() },
            Record::Deferring { why: String::new() },
            Record::RebootPending { boot: String::new(), entries: 1 },
            Record::Unswapped,
            Record::Undone { why: String::new() },
            Record::GuardOpen {
                snapshot: "01jd0000000000000000000000".parse().unwrap(),
                argv: Vec::new(),
                policy: OnFailure::Rollback,
                services: Vec::new(),
                group: 1,
            },
            Record::LetGo,
            Record::InstallerExited { code: Exit::Code(0) },
            Record::AwaitingConfirm {
                until: Deadline { at: 1, boot: String::new(), up: 1, within: 1 },
                verdict: Verdict::Well,
                why: String::new(),
            },
            Record::GoingBack { why: String::new() },
            Record::Kept { verdict: Verdict::Well, why: String::new() },
            Record::Recovering { direction: Direction::Forwards },
        ]
    }

    fn names(status: Status) -> Vec<&'static str> {
        all_records().iter().filter(|r| next(status, r).is_ok()).map(Record::name).collect()
    }

    #[test]
    fn each_status_takes_exactly_these_records() {
        use Status as S;
        let table: [(Status, &[&str]); 24] = [
            (S::Nothing, &["Begin"]),
            (S::Begun, &["Staged", "Undone", "GuardOpen", "Recovering"]),
            (S::Guarding, &["Undone", "LetGo", "Recovering"]),
            (S::Installing, &["Undone", "InstallerExited", "Recovering"]),
            (S::Judging, &["AwaitingConfirm", "GoingBack", "Kept", "Recovering"]),
            (S::AwaitingConfirm, &["GoingBack", "Kept", "Recovering"]),
            (S::GoingBack, &["Undone", "Recovering"]),
            (S::Staged, &["CommitPending", "Opening", "Undone", "Recovering"]),
            (S::CommitPending, &["Opening", "Undone", "Recovering"]),
            (S::Opening, &["Armed", "Starting", "Started", "Undone", "Recovering"]),
            (S::Reopening, &["Starting", "Started", "Undone", "Recovering"]),
            (S::Armed, &["Applying", "Swapped", "Undo", "Deferring", "Recovering"]),
            (S::Applying(0), &["Applied", "Undo", "Recovering"]),
            (S::Applied(0), &["Swapped", "Undo", "Recovering"]),
            (S::Swapped, &["Starting", "Started", "Health", "Committed", "Undo", "Recovering"]),
            (S::Committed, &["Clean"]),
            (S::CommittedClean, &[]),
            (S::Undoing, &["Unswapped", "Recovering"]),
            (S::Unswapped, &["Starting", "Started", "Health", "Undone", "Recovering"]),
            (S::Deferring, &["Undo", "Unswapped", "Recovering"]),
            (S::Deferred, &["Starting", "Started", "Health", "RebootPending", "Undone", "Recovering"]),
            (S::RebootPending, &["Armed", "Starting", "Started", "Undone", "Recovering"]),
            (S::Undone, &["Clean"]),
            (S::UndoneClean, &[]),
        ];
        for (status, legal) in table {
            assert_eq!(names(status), legal, "{status:?}");
        }
    }

    #[test]
    fn an_undo_is_sticky() {
        for record in all_records() {
            for from in [Status::Undoing, Status::Deferring, Status::Deferred, Status::GoingBack] {
                let after = next(from, &record);
                assert!(
                    !matches!(after, Ok(Status::Armed | Status::Swapped | Status::Committed)),
                    "{record:?}"
                );
            }
        }
    }
}
