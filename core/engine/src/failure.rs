//! What can go wrong inside the window, as facts. The words that people read are made where they are shown.
//!
//! [`Failure`]: everything is put back. [`Stuck`]: going back failed too, or the journal cannot be trusted; a person
//! is needed.

use crate::{faces::Cancelled, refusal::Refusal};
use backout_disk::{Error, ErrorKind};
use backout_journal::Unreadable;
use backout_machine::{holders, service::ServiceError};
use backout_protocol::{
    ComponentId, HostPath, Place, RunId, ServiceName, SnapshotId, guard::Exit, text::Text,
};
use std::{fmt, path::Path, time::Duration};

/// Image and number of each process that holds a file, as far as the system tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders(pub Vec<(String, u32)>);

impl Holders {
    /// Those of this file.
    pub(crate) fn of(path: &Path) -> Self {
        Self(holders::of(path).into_iter().map(|h| (h.image, h.pid)).collect())
    }
}

/// Why a run that had stopped services went back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// A service did not stop or start as it should.
    Service(ServiceError),
    /// A service was running and is not any more.
    Died {
        /// Which.
        service: ServiceName,
    },
    /// A service runs, but no process of the image that is expected of it does.
    WrongImage {
        /// Which.
        service: ServiceName,
        /// The image.
        image: String,
    },
    /// A service that is not in the plan has come up and would go down with those that are.
    Joined {
        /// Which.
        service: ServiceName,
    },
    /// Processes that outlive their service.
    Lingering {
        /// Image and number of each.
        processes: Vec<(String, u32)>,
    },
    /// Processes cannot be looked at or ended.
    Process {
        /// Why.
        why: String,
    },
    /// A program that must be closed was opened.
    MustBeClosed {
        /// Image and number of each process.
        processes: Vec<(String, u32)>,
        /// What to do.
        help: Text,
    },
    /// Files that changed between planning and arming.
    Drift {
        /// Each of them.
        targets: Vec<Place>,
    },
    /// A name could not be swapped or a folder not be synced.
    Swap {
        /// The target.
        target: Place,
        /// Why.
        error: Error,
        /// Who holds it.
        holders: Box<Holders>,
    },
    /// A file is neither old nor new while a recovery goes forwards.
    InDoubt {
        /// The target.
        target: Place,
    },
    /// A probe was not content.
    Probe {
        /// Which.
        name: String,
        /// What it said.
        why: String,
    },
    /// The operator or the clock stopped it.
    Cancelled(Cancelled),
    /// The journal took a failure.
    Journal {
        /// Why.
        why: String,
    },
    /// Services cannot be held back while files are swapped.
    Hold {
        /// Why.
        why: String,
    },
    /// The system's queue of moves for the next boot cannot be read or written.
    Queue {
        /// Why.
        why: String,
    },
    /// A command that was told to stop a service, or an action of a plugin, goes on although the run that gave it has
    /// died: it may stop the service, or change something, at any moment. Nothing was changed.
    StopGoesOn,
    /// A key of the registry, or how a service is configured, cannot be read or made what it is to be.
    Setting {
        /// Which.
        setting: String,
        /// Why.
        why: String,
    },
    /// Somebody changed the registry, or how a service is configured, while the run went on.
    SettingDrift {
        /// What of them.
        names: Vec<String>,
    },
    /// An action of a plugin could not be done.
    Action {
        /// Whose.
        component: ComponentId,
        /// The plugin's name for it.
        action: String,
        /// Why.
        why: String,
    },
    /// What an action is to change is no longer as it was when the action was prepared.
    ActionDrift {
        /// Whose.
        component: ComponentId,
        /// The plugin's name for it.
        action: String,
    },
    /// What an action changes is neither as before nor as after it while a recovery goes forwards.
    ActionInDoubt {
        /// Whose.
        component: ComponentId,
        /// The plugin's name for it.
        action: String,
    },
    /// A folder that the run works in is not there: its volume is not mounted. Nothing was changed.
    NotMounted {
        /// Which.
        folder: HostPath,
    },
    /// A folder that the run works in cannot be opened: it is a link by now, or the system refuses. Nothing was changed.
    OutOfReach {
        /// Which, and why.
        error: Error,
    },
    /// An installer did not end well.
    Installer(Exit),
    /// An installer ended well, and files of the product are not as the profile says that the patch leaves them.
    NotWhole {
        /// Which; empty: they cannot be looked at.
        files: Vec<HostPath>,
        /// What cannot be looked at, if something cannot.
        why: String,
    },
    /// How an installer ended is not on record, and no profile has versions to tell whether its work is whole.
    NotJudged,
    /// Processes of an installer go on.
    InstallerRuns {
        /// Image and number of each.
        processes: Vec<(String, u32)>,
    },
    /// Windows Installer changes something, for the installer or for somebody else.
    MsiRuns,
    /// An installer was never let go: nothing of it ran.
    NeverLetGo,
    /// Nobody confirmed in time that an installer's work stays.
    NotConfirmed {
        /// How many seconds there were.
        within: u64,
    },
    /// A guard waits to be confirmed.
    AwaitsConfirm {
        /// Which.
        run: RunId,
        /// How much time is left.
        left: Duration,
    },
    /// The run's own records say why it went back, in these words.
    Recorded {
        /// Them.
        why: String,
    },
}

/// How a way back that is not gone leaves the machine, but for the files that are as the installer left them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Some of what was new is removed: until the rest is taken back nothing but us starts the services.
    pub partly: bool,
    /// Services that were stopped for it and do not come up again.
    pub down: Vec<ServiceName>,
}

/// Why a person is needed. The run stays open.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stuck {
    /// A service cannot be brought back to what it was.
    Service(ServiceError),
    /// A service does not stay up on the old files.
    Died {
        /// Which.
        service: ServiceName,
    },
    /// A service cannot be stopped, so files cannot be put back under it.
    Process {
        /// Why.
        why: String,
    },
    /// A key of the registry, or how a service is configured, cannot be made what it was.
    Setting {
        /// Which.
        setting: String,
        /// Why.
        why: String,
    },
    /// A file cannot be put back.
    Target {
        /// Which.
        target: Place,
        /// Why.
        error: Error,
        /// Who holds it.
        holders: Box<Holders>,
    },
    /// An action of a plugin could not be taken back; every file is.
    Action {
        /// Whose.
        component: ComponentId,
        /// The plugin's name for it.
        action: String,
        /// Why.
        why: String,
    },
    /// A file's before-image is nowhere to be found.
    BeforeImageLost {
        /// Which.
        target: Place,
    },
    /// A before-image lies in staging although no record says that anything was swapped: a record was lost.
    RecordLost {
        /// Whose.
        target: Place,
        /// Where it lies.
        at: HostPath,
    },
    /// Something is as the run was to make it although no record says that it had begun to: a record was lost.
    ArmedLost {
        /// What, in words.
        what: String,
    },
    /// The journal or its companions cannot be acted on.
    Journal {
        /// Which file.
        path: HostPath,
        /// Why.
        why: Unreadable,
    },
    /// A companion of the journal is missing or has changed.
    Companion {
        /// Which file.
        path: HostPath,
        /// Why.
        why: String,
    },
    /// The way back from an installer's work cannot be begun.
    WayBack {
        /// To which snapshot.
        snapshot: SnapshotId,
        /// How it leaves the machine.
        left: Left,
        /// Why.
        why: Box<Refusal>,
    },
    /// The way back from an installer's work failed; its files are as the installer left them.
    WayBackFailed {
        /// To which snapshot.
        snapshot: SnapshotId,
        /// How it leaves the machine.
        left: Left,
        /// Why.
        why: Box<Failure>,
    },
    /// The undo could not be made durable; services are left stopped.
    NotDurable {
        /// Why.
        why: String,
    },
}

impl Failure {
    /// A name that could not be swapped, with those who stand in the way.
    pub(crate) fn swap(target: &Place, error: Error) -> Self {
        Failure::Swap { holders: holders(target, &error), target: target.clone(), error }
    }
}

impl Stuck {
    /// A file that cannot be put back, with those who stand in the way.
    pub(crate) fn target(target: &Place, error: Error) -> Self {
        Stuck::Target { holders: holders(target, &error), target: target.clone(), error }
    }
}

/// Who holds a file that is refused because it is in use. That may also be called "access denied".
fn holders(target: &Place, error: &Error) -> Box<Holders> {
    match error.kind {
        ErrorKind::Busy | ErrorKind::Denied => Box::new(Holders::of(&target.path())),
        _ => Box::default(),
    }
}

impl fmt::Display for Failure {
    /// For the journal and the log; what people read is made where it is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |places: &[Place]| places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Failure::Service(e) => write!(f, "{e}"),
            Failure::Died { service } => write!(f, "service `{service}` stopped by itself"),
            Failure::WrongImage { service, image } => {
                write!(f, "service `{service}` runs, and `{image}` does not")
            }
            Failure::Lingering { processes } | Failure::MustBeClosed { processes, .. } => {
                let all: Vec<String> =
                    processes.iter().map(|(image, pid)| format!("{image} ({pid})")).collect();
                write!(f, "still running: {}", all.join(", "))
            }
            Failure::Process { why } => write!(f, "processes: {why}"),
            Failure::Drift { targets } => write!(f, "changed meanwhile: {}", names(targets)),
            Failure::Swap { target, error, .. } => write!(f, "`{target}`: {error}"),
            Failure::InDoubt { target } => write!(f, "`{target}` is neither old nor new"),
            Failure::Probe { name, why } => write!(f, "probe `{name}`: {why}"),
            Failure::Cancelled(why) => write!(f, "stopped: {why:?}"),
            Failure::Journal { why } => write!(f, "journal: {why}"),
            Failure::Hold { why } => write!(f, "services cannot be held back: {why}"),
            Failure::Queue { why } => f.write_str(why),
            Failure::StopGoesOn => f.write_str("a stop command or an action of the run goes on"),
            Failure::Setting { setting, why } => write!(f, "`{setting}`: {why}"),
            Failure::SettingDrift { names } => write!(f, "changed meanwhile: {}", names.join(", ")),
            Failure::Action { component, action, why } => {
                write!(f, "action `{action}` of `{component}`: {why}")
            }
            Failure::ActionDrift { component, action } => {
                write!(f, "what action `{action}` of `{component}` is to change was changed meanwhile")
            }
            Failure::ActionInDoubt { component, action } => {
                write!(f, "action `{action}` of `{component}` is half done")
            }
            Failure::OutOfReach { error } => write!(f, "{error}"),
            Failure::NotMounted { folder } => write!(f, "`{folder}` is not there"),
            Failure::Joined { service } => {
                write!(f, "the service `{service}` has come up since the plan was made")
            }
            Failure::Installer(exit) => write!(f, "{exit}"),
            Failure::NotWhole { files, why } if files.is_empty() => {
                write!(f, "whether the installer's work is whole cannot be seen: {why}")
            }
            Failure::NotWhole { files, .. } => {
                let all: Vec<String> = files.iter().map(ToString::to_string).collect();
                write!(f, "files are not as the patch leaves them: {}", all.join(", "))
            }
            Failure::NotJudged => f.write_str("how the installer ended is not on record"),
            Failure::InstallerRuns { processes } => {
                let all: Vec<String> =
                    processes.iter().map(|(image, pid)| format!("{image} ({pid})")).collect();
                write!(f, "the installer goes on: {}", all.join(", "))
            }
            Failure::MsiRuns => f.write_str("Windows Installer is at work"),
            Failure::NeverLetGo => f.write_str("the installer was never let go"),
            Failure::NotConfirmed { within } => write!(f, "it was not confirmed within {within} s"),
            Failure::AwaitsConfirm { left, .. } => {
                write!(f, "it waits to be confirmed, for {} s more", left.as_secs())
            }
            Failure::Recorded { why } => f.write_str(why),
        }
    }
}
