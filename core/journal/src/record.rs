//! The records of a journal, in the order a run writes them.

use backout_protocol::{
    Digest, ServiceName, SnapshotId,
    guard::{Deadline, Exit, OnFailure},
    plan::Was,
};
use serde::{Deserialize, Serialize};

/// One fact of a run. `F` in a comment: durable before the next step is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Record {
    /// The plan is on disk and has this digest. F, and the transaction folder's names with it.
    Begin {
        /// Version of the journal's format: (major, minor).
        format: (u16, u16),
        /// Version of the tool.
        tool: String,
        /// The boot the run began in.
        boot: String,
        /// Digest of `plan.ron`.
        plan: Digest,
    },
    /// Every new file lies beside its target, and `staged.ron` has this digest. F.
    Staged {
        /// Digest of `staged.ron`.
        staged: Digest,
    },
    /// The run is left as it is on purpose, until `commit` opens its window or somebody calls it off. F.
    CommitPending,
    /// The window opens; what the services were. F, before the first stop is issued.
    Opening {
        /// Each service of the run in stop order.
        services: Vec<(ServiceName, Was)>,
    },
    /// Services are down and all files are as planned. From here on recovery goes forwards. F.
    Armed,
    /// An action of a plugin is about to run. F.
    Applying {
        /// Its number among the actions that have something to do, from 0.
        n: u32,
    },
    /// That action has run. F.
    Applied {
        /// Its number.
        n: u32,
    },
    /// Every name is swapped and every folder synced. F.
    Swapped,
    /// A service is about to be started.
    Starting {
        /// Which.
        service: ServiceName,
    },
    /// It was seen running.
    Started {
        /// Which.
        service: ServiceName,
    },
    /// What the health check found.
    Health {
        /// Whether all is well.
        verdict: Verdict,
    },
    /// The run is final. F.
    Committed,
    /// Nothing is left to tidy up; the transaction's folder goes next.
    Clean,
    /// The run goes backwards, for good. F.
    Undo {
        /// Why.
        why: String,
    },
    /// As `Undo`, and once everything is as it was the next reboot is to replace the files. F.
    Deferring {
        /// Why.
        why: String,
    },
    /// Files and services are as they were; from here on the moves may stand in the system's queue for the next boot. F,
    /// before the queue is written.
    RebootPending {
        /// The boot in which they were queued.
        boot: String,
        /// How many moves.
        entries: u32,
    },
    /// Every name is back and every folder synced. F.
    Unswapped,
    /// Files and services are as they were. F.
    Undone {
        /// Why the run was given up.
        why: String,
    },
    /// A guard: its snapshot is taken and its holder waits for the word; nothing of the installer runs. F.
    GuardOpen {
        /// What it can go back to.
        snapshot: SnapshotId,
        /// The installer and its arguments, cut short where they are long: `plan.ron` has all of them.
        argv: Vec<String>,
        /// What becomes of a failure.
        policy: OnFailure,
        /// What the services were.
        services: Vec<(ServiceName, Was)>,
        /// The holder's process, by whose number its group is known in this boot.
        group: u32,
    },
    /// The holder is about to be told to let the installer go. F, before it is told: without it nothing ran.
    LetGo,
    /// The installer has ended. F, before its work is judged.
    InstallerExited {
        /// How.
        code: Exit,
    },
    /// The installer's work stays if somebody confirms it in time, and goes back if not. F, before anybody is asked.
    AwaitingConfirm {
        /// Until when.
        until: Deadline,
        /// Whether it is good.
        verdict: Verdict,
        /// What is wrong with it, if anything.
        why: String,
    },
    /// The installer's work is not good, or nobody confirmed it, and everything goes back to the snapshot by a run of its own. F, before anything of
    /// it is begun.
    GoingBack {
        /// Why.
        why: String,
    },
    /// The installer's work stays; the guard is final. F.
    Kept {
        /// Whether it is good.
        verdict: Verdict,
        /// What is wrong with it, if anything.
        why: String,
    },
    /// A recovery took the run over. Written to a new journal that replaced the old one before anything was done.
    Recovering {
        /// Which way it goes.
        direction: Direction,
    },
}

/// Which way a recovery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// To the new state.
    Forwards,
    /// To the old state.
    Backwards,
}

/// What a health check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Every service runs and every probe is content.
    Well,
    /// Something is not.
    Ill,
}

impl Record {
    /// Whether it decides what a recovery does. The others only tell a reader how far a run got.
    pub fn is_milestone(&self) -> bool {
        match self {
            Record::Begin { .. }
            | Record::Staged { .. }
            | Record::CommitPending
            | Record::Opening { .. }
            | Record::Armed
            | Record::Applying { .. }
            | Record::Applied { .. }
            | Record::Swapped
            | Record::Committed
            | Record::Clean
            | Record::Undo { .. }
            | Record::Deferring { .. }
            | Record::RebootPending { .. }
            | Record::Unswapped
            | Record::GuardOpen { .. }
            | Record::LetGo
            | Record::InstallerExited { .. }
            | Record::AwaitingConfirm { .. }
            | Record::GoingBack { .. }
            | Record::Kept { .. }
            | Record::Undone { .. } => true,
            Record::Starting { .. }
            | Record::Started { .. }
            | Record::Health { .. }
            | Record::Recovering { .. } => false,
        }
    }

    /// Its name, as it stands in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Record::Begin { .. } => "Begin",
            Record::Staged { .. } => "Staged",
            Record::CommitPending => "CommitPending",
            Record::Opening { .. } => "Opening",
            Record::Armed => "Armed",
            Record::Applying { .. } => "Applying",
            Record::Applied { .. } => "Applied",
            Record::Swapped => "Swapped",
            Record::Starting { .. } => "Starting",
            Record::Started { .. } => "Started",
            Record::Health { .. } => "Health",
            Record::Committed => "Committed",
            Record::Clean => "Clean",
            Record::Undo { .. } => "Undo",
            Record::Deferring { .. } => "Deferring",
            Record::RebootPending { .. } => "RebootPending",
            Record::Unswapped => "Unswapped",
            Record::Undone { .. } => "Undone",
            Record::GuardOpen { .. } => "GuardOpen",
            Record::LetGo => "LetGo",
            Record::InstallerExited { .. } => "InstallerExited",
            Record::AwaitingConfirm { .. } => "AwaitingConfirm",
            Record::GoingBack { .. } => "GoingBack",
            Record::Kept { .. } => "Kept",
            Record::Recovering { .. } => "Recovering",
        }
    }
}
