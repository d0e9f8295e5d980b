//! What a run tells: events while it goes on, one result at the end. CONTRACT: the JSON names.

use crate::{ComponentId, RunId, ServiceName};
use serde::{Deserialize, Serialize};

/// `schema` of a result.
pub const RESULT_SCHEMA: &str = "backout.result/v1";
/// `schema` of an event.
pub const EVENT_SCHEMA: &str = "backout.event/v1";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// What was asked for is done.
    Done,
    /// There was nothing to do.
    NothingToDo,
    /// recover: the run was carried to its end.
    Completed,
    /// Everything is as it was before.
    RolledBack,
    /// Not begun.
    Refused,
    /// A run is open; `recover` goes on.
    Unfinished,
    /// A person is needed.
    Stuck,
    /// Finished by the next reboot.
    RebootPending,
    /// Everything is prepared, nothing is changed; `commit` carries it out.
    Staged,
}

/// How many of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Files whose bytes, or what is beside them, were changed.
    pub replaced: u64,
    /// Folders that stay and were given other rights.
    #[serde(default)]
    pub dressed: u64,
    /// Files and folders taken away.
    pub removed: u64,
    /// Files and folders that were not there before.
    pub created: u64,
    /// Backups whose names went away.
    pub consumed: u64,
    /// Files already as they were.
    pub held: u64,
    /// Components skipped.
    pub skipped: u64,
    /// Files seen and not touched.
    pub left_alone: u64,
    /// Services stopped and started.
    pub services: u64,
    /// Actions of plugins done or taken back.
    #[serde(default)]
    pub actions: u64,
    /// Keys of the registry, and services that were configured in another way.
    #[serde(default)]
    pub settings: u64,
}

/// The one final object of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`RESULT_SCHEMA`].
    pub schema: String,
    /// The process's exit code.
    pub exit_code: u8,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether any product file or service is other than before.
    pub changed: bool,
    /// The run, if one was begun.
    pub run_id: Option<RunId>,
    /// The caller's own id, as given.
    pub request_id: Option<String>,
    /// Whether a reboot finishes it.
    pub reboot_required: bool,
    /// Milliseconds from the first stop issued to the last start confirmed, if there was a window.
    pub window_ms: Option<u64>,
    /// How many of what.
    pub counts: Counts,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// Why it did not end as asked.
    pub error: Option<ErrorInfo>,
    /// What the verb itself has to tell.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// A warning as a program reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Its stable code, `BKO-nnnn`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// An error as a program reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// Its stable code, `BKO-nnnn`.
    pub code: String,
    /// What failed and what state the machine is in.
    pub message: String,
    /// Where in the run.
    pub step: Option<String>,
    /// What to run or do next.
    pub help: Option<String>,
}

/// Something that happened during a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// A phase began.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// A file was staged.
    Staged {
        /// How many so far.
        done: u64,
        /// Of how many.
        total: u64,
        /// The target.
        target: String,
    },
    /// A name was swapped, forwards or back.
    Swapped {
        /// How many so far.
        done: u64,
        /// Of how many.
        total: u64,
        /// The target.
        target: String,
    },
    /// A service was told to stop or start, or was seen to have done so.
    Service {
        /// Which.
        service: ServiceName,
        /// What.
        action: ServiceAction,
    },
    /// Waiting for processes to be gone.
    Waiting {
        /// Their images.
        images: Vec<String>,
    },
    /// An action of a plugin is done or taken back, or was.
    Action {
        /// Whose.
        component: ComponentId,
        /// The plugin's name for it.
        action: String,
        /// What happens to it.
        doing: ActionDoing,
    },
    /// A guard waits to be confirmed.
    AwaitingConfirm {
        /// Which.
        run: RunId,
        /// Seconds left.
        left_s: u64,
        /// Until when, in milliseconds since 1970, as the clock stands now.
        until: u64,
    },
    /// The run goes backwards.
    Unwinding,
    /// `status --follow`: a line of the log of the run that another process carries out.
    Log {
        /// The line.
        line: String,
    },
}

/// The parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Looking at everything.
    Preflight,
    /// Preparing new files beside their targets.
    Stage,
    /// Stopping services.
    Quiesce,
    /// Exchanging names.
    Swap,
    /// Starting services.
    Resume,
    /// Looking whether all is well.
    Health,
    /// Making it final.
    Commit,
    /// Settling an unfinished run.
    Recover,
    /// An installer runs.
    Install,
    /// Looking whether an installer's work is whole.
    Judge,
}

/// What happens to an action of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionDoing {
    /// It is being done.
    Applying,
    /// It is done.
    Applied,
    /// It is being taken back.
    Undoing,
    /// It is taken back.
    Undone,
}

/// What happened to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceAction {
    /// Told to stop.
    Stopping,
    /// Seen stopped.
    Stopped,
    /// Told to start.
    Starting,
    /// Seen running.
    Started,
}
