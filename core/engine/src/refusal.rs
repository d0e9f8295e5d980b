//! Everything that can keep a run from being begun, as facts. The words are made where they are shown.

use crate::{
    Failure,
    faces::{Cancelled, HostError},
    failure::Holders,
    guard::delicate::{Data, OpenFile},
    snapshot::{Cannot, InUse},
};
use backout_machine::{
    packages::{Manager, Owner},
    service::ServiceError,
};
use backout_protocol::{
    ComponentId, FileVersion, Fingerprint, HostPath, Place, RunId, ServiceName, SnapshotId,
    message::Reject,
    plan::PlanDrift,
    profile::Goes,
    text::{RonError, Text},
};

/// Why a run was not begun. Nothing was touched.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// No profile has this name.
    ProfileNotFound {
        /// As asked for.
        name: String,
        /// Folders looked in.
        searched: Vec<HostPath>,
    },
    /// A file that was named cannot be read.
    Unreadable {
        /// Which.
        path: HostPath,
        /// The system's words.
        why: String,
    },
    /// A profile, site or plan is no RON of its form.
    Malformed(RonError),
    /// A profile contradicts itself.
    ProfileInvalid {
        /// Its name.
        profile: String,
        /// What is wrong.
        why: String,
    },
    /// A profile, site, program or folder that somebody else could have changed.
    Distrusted {
        /// What it is for.
        what: Trusted,
        /// The file.
        path: HostPath,
        /// What is wrong.
        why: String,
    },
    /// A program that a service or probe names is not given as an absolute path.
    ProgramNotAbsolute {
        /// As given.
        program: String,
    },
    /// The profile has no such component.
    ComponentUnknown {
        /// As asked for.
        component: ComponentId,
        /// Those it has.
        known: Vec<ComponentId>,
    },
    /// Asked for by name, and not on this machine.
    ComponentAbsent {
        /// Which.
        component: ComponentId,
        /// The file that would show it.
        marker: Option<HostPath>,
    },
    /// Asked for by name, and nothing rolls it back.
    ComponentNotRestorable {
        /// Which.
        component: ComponentId,
        /// The profile's words.
        why: Option<Text>,
    },
    /// None of a component's file lists is for the machine type found.
    NoListFor {
        /// Which.
        component: ComponentId,
        /// The machine type of its marker file, if that is a PE file.
        machine: Option<backout_protocol::MachineType>,
    },
    /// Nothing of the product was found.
    NothingPresent {
        /// The profile.
        profile: String,
    },
    /// A service and backups say that a component is here, but none of its files is in its folder.
    NothingLive {
        /// Which.
        component: ComponentId,
        /// The variable that says where it is.
        variable: String,
        /// Its value, and where that came from.
        value: backout_protocol::plan::Resolved,
    },
    /// A variable has no value here.
    VariableMissing {
        /// Which.
        variable: String,
        /// What it is.
        about: Text,
    },
    /// The profile has no such variable.
    VariableUnknown {
        /// As given.
        variable: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// A variable's value is no absolute path without `.` and `..`.
    VariableNotAbsolute {
        /// Which.
        variable: String,
        /// As given.
        value: HostPath,
    },
    /// A plugin cannot be used.
    Plugin(HostError),
    /// A plugin proposed something outside its folders or that contradicts itself.
    BadProposal {
        /// Its id.
        plugin: String,
        /// What.
        why: String,
    },
    /// More actions than a journal has room for.
    TooManyActions {
        /// So many are wanted.
        wanted: usize,
        /// So many there may be.
        most: usize,
    },
    /// An action of a plugin cannot be prepared.
    ActionNotReady {
        /// Whose.
        component: ComponentId,
        /// Its action.
        action: String,
        /// Why.
        why: String,
    },
    /// What an action of the run changed is no longer as the run left it, and not as it was before either.
    UndoActionDrift {
        /// Whose.
        component: ComponentId,
        /// Its action.
        action: String,
    },
    /// The profile goes the other way than the verb.
    WrongVerb {
        /// The profile's name.
        profile: String,
        /// What it is made for.
        goes: Goes,
    },
    /// The site names a service that the profile does not.
    SiteServiceUnknown {
        /// As given.
        service: ServiceName,
        /// Those of the profile.
        known: Vec<ServiceName>,
    },
    /// A required service is not installed.
    ServiceMissing {
        /// Which.
        service: ServiceName,
        /// Who requires it.
        component: ComponentId,
    },
    /// A service cannot be asked.
    Service(ServiceError),
    /// Files newer than the patch: something was installed on top.
    NewerOnTop {
        /// Each with its version and the patched one.
        files: Vec<(Place, FileVersion, FileVersion)>,
    },
    /// Files that need a backup and have no good one.
    NoGoodBackup {
        /// Each of them.
        wanting: Vec<Wanting>,
    },
    /// Good backups that differ.
    BackupsDiffer {
        /// The file.
        target: Place,
        /// Its good backups.
        backups: Vec<Claim>,
    },
    /// `--prefer` names a file or component that no backup is in question for.
    PreferUnused {
        /// The file as given.
        target: String,
        /// The component as given.
        component: ComponentId,
    },
    /// Files that somebody edited since the patch: neither as it left them nor as they were before it.
    Drifted {
        /// Each of them.
        targets: Vec<Place>,
    },
    /// The installer that is to be guarded is not there, or is no program.
    NoInstaller {
        /// As given.
        program: String,
        /// Why.
        why: String,
    },
    /// Data of databases in folders that were named by hand.
    DatabaseFiles {
        /// All that was found.
        found: Vec<Data>,
    },
    /// Files in folders that were named by hand are open for writing.
    OpenForWriting {
        /// Each of them.
        files: Vec<OpenFile>,
    },
    /// Files below the folders belong to packages.
    Packaged {
        /// Whose they are.
        owners: Vec<Owner>,
    },
    /// The installer is a package manager.
    PackageManager {
        /// As it would be run.
        program: HostPath,
        /// Which, and its own way back.
        manager: Manager,
    },
    /// The process that would hold the installer's processes together cannot be started.
    NoHolder {
        /// Why.
        why: String,
    },
    /// A folder that no guard without a profile can be asked to watch.
    NotWatchable {
        /// Which.
        path: HostPath,
        /// Why.
        why: Unwatchable,
    },
    /// A service that is to be watched is not known to the system's manager, or to the site.
    WatchedServiceUnknown {
        /// Which.
        service: ServiceName,
    },
    /// No profile can be written to this file.
    CannotLearn {
        /// The file.
        path: HostPath,
        /// Why.
        why: crate::learn::target::Cannot,
    },
    /// A path given with a flag names no file that the run is about.
    PathUnused {
        /// The flag.
        flag: PathFlag,
        /// As given.
        path: String,
    },
    /// Live names that this product takes for the same.
    NamesFoldAlike {
        /// All of them.
        names: Vec<Place>,
    },
    /// Two steps want different things of one name.
    StepsContradict {
        /// The name.
        target: Place,
    },
    /// A program that must be closed is running.
    MustBeClosed {
        /// Its processes: image and number.
        processes: Vec<(String, u32)>,
        /// What to do.
        help: Text,
    },
    /// Something that backout itself needs lies where the run changes files or reads backups.
    InTheWay {
        /// What it is for.
        what: Trusted,
        /// Where it is.
        path: HostPath,
        /// The folder that holds it, or the target that it is.
        of: HostPath,
    },
    /// A target, a parent or a root is a symbolic link.
    Symlink {
        /// Which.
        path: HostPath,
    },
    /// A target is neither a regular file nor absent.
    NotAFile {
        /// Which.
        path: HostPath,
    },
    /// A target has more than one name.
    HardLinked {
        /// Which.
        path: HostPath,
        /// How many names.
        links: u64,
    },
    /// A target or folder is immutable or append-only.
    Immutable {
        /// Which.
        path: HostPath,
    },
    /// A target is a mount point of its own, or something is mounted on a folder that was not when its snapshot was taken.
    MountPoint {
        /// Which.
        path: HostPath,
    },
    /// Nothing is mounted on a folder any more that was a volume of its own when its snapshot was taken.
    MountGone {
        /// Which.
        path: HostPath,
    },
    /// A target folder lies on a read-only file system.
    ReadOnly {
        /// Which.
        path: HostPath,
    },
    /// A folder of the product is not there.
    FolderMissing {
        /// Which.
        path: HostPath,
    },
    /// The operator may not do this. Exit 13.
    NoRights {
        /// To what.
        path: HostPath,
    },
    /// Not enough free space.
    NoSpace {
        /// A folder on the file system.
        folder: HostPath,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// The recovery at boot cannot be installed or taken away.
    BootManager {
        /// Why.
        why: String,
    },
    /// The recovery at boot is installed for another state folder.
    BootElsewhere {
        /// Which.
        state: String,
    },
    /// There is nothing here to install.
    NotAPackage {
        /// The folder.
        folder: HostPath,
        /// Why.
        why: String,
    },
    /// A file of the package is not as it was made.
    PackageSpoilt {
        /// Which.
        file: HostPath,
        /// What is wrong with it.
        why: String,
    },
    /// A file or folder cannot be installed. What was installed up to there stays.
    InstallFailed {
        /// Which.
        path: HostPath,
        /// Why.
        why: String,
    },
    /// A file that would hold services back is there already, and is not this state folder's.
    HeldElsewhere {
        /// The file.
        path: HostPath,
    },
    /// Another state folder's run is unfinished in a target folder.
    ForeignRun {
        /// The folder it left.
        folder: HostPath,
        /// Its id.
        run: String,
        /// Its state folder, if it says.
        state: Option<HostPath>,
    },
    /// The state folder was written by a newer tool.
    StateTooNew {
        /// Which.
        path: HostPath,
        /// Its format.
        found: (u16, u16),
    },
    /// The state folder cannot be used.
    State {
        /// Which.
        path: HostPath,
        /// Why.
        why: String,
    },
    /// A run is unfinished. Exit 21.
    Unfinished {
        /// Which.
        run: RunId,
    },
    /// Another process works on this state folder. Exit 11.
    Locked {
        /// Its number, if it left one.
        pid: Option<u32>,
    },
    /// The saved plan no longer fits. Exit 12.
    PlanStale {
        /// What differs.
        drift: Vec<PlanDrift>,
    },
    /// A file cannot be looked at, as somebody has it open and lets nobody else read it.
    InUse {
        /// Which.
        path: HostPath,
        /// Who, as far as the system tells.
        holders: Holders,
    },
    /// Folders are nested so deep that nothing walks to the end.
    TooDeep {
        /// The first that is not walked to.
        path: HostPath,
        /// So many lie above it, without the one that the walk began with.
        most: usize,
    },
    /// A file cannot be looked at.
    Look(backout_disk::Error),
    /// The operator stopped it before the first service was touched.
    Cancelled(Cancelled),
    /// Staging failed; it was taken away again.
    StageFailed(backout_disk::Error),
    /// Something went wrong in the window before any service was stopped.
    BeforeStop(Failure),
    /// What was staged is not what the plan says: the backup changed meanwhile.
    SourceChanged {
        /// The backup.
        source: Place,
    },
    /// The journal could not be begun.
    JournalFailed {
        /// Why.
        why: String,
    },
    /// No finished run can be undone.
    NothingToUndo,
    /// No finished run has this id.
    RunUnknown {
        /// As asked for.
        run: String,
    },
    /// The run was undone or is itself put back.
    RunNotUndoable {
        /// Which.
        run: RunId,
        /// Why.
        why: NotUndoable,
    },
    /// Files that are neither as the run left them nor as they were before it.
    UndoDrift {
        /// Each of them.
        targets: Vec<Place>,
        /// Those that are as a later run left them, and the newest such run.
        on_top: Vec<(Place, RunId)>,
    },
    /// A before-image that the undo needs is gone or has changed.
    BeforeImageLost {
        /// Whose.
        target: Place,
    },
    /// A target that the system moves, replaces or removes at its next boot: somebody's installer waits for that.
    MovedAtBoot {
        /// Which.
        path: HostPath,
    },
    /// A changing verb without a terminal to ask on and without `--yes`.
    NotConfirmed,
    /// The system makes no moves at boot, so no reboot can replace a file in use.
    NoDelayedMoves,
    /// Nothing settles a run at boot, so none may wait for one.
    RebootNotSettled,
    /// A run waits for a reboot.
    RebootPending {
        /// Which.
        run: RunId,
    },
    /// The open run does not wait for a reboot.
    NoRebootPending {
        /// Which.
        run: RunId,
    },
    /// A run is staged and waits for its commit. Exit 21.
    CommitPending {
        /// Which.
        run: RunId,
    },
    /// This machine is not fit for the patch.
    NotFit {
        /// What keeps it from being put in.
        found: Vec<crate::advice::Told>,
    },
    /// Nothing of this id is there to be confirmed before the patch.
    ConfirmsNothing {
        /// As given.
        asked: String,
        /// What can be confirmed.
        known: Vec<String>,
    },
    /// A guard waits to be confirmed. Exit 21.
    AwaitsConfirm {
        /// Which.
        run: RunId,
        /// How much time is left.
        left: std::time::Duration,
    },
    /// No guard waits to be confirmed.
    NothingAwaits,
    /// No run of this id waits to be confirmed.
    ConfirmUnknown {
        /// As asked for.
        asked: String,
        /// The run that does wait, if there is one.
        waiting: Option<RunId>,
    },
    /// The run is none that waits to be confirmed.
    AwaitsNothing {
        /// Which.
        run: RunId,
    },
    /// The time to confirm is over: everything goes back, or is back.
    ConfirmTooLate {
        /// Which.
        run: RunId,
    },
    /// The process that would take back what nobody confirms cannot be started.
    NoWaiter {
        /// Why.
        why: String,
    },
    /// No run waits for its commit.
    NothingStaged,
    /// No run of this id waits for its commit.
    CommitUnknown {
        /// As asked for.
        asked: String,
        /// The run that does wait, if there is one.
        waiting: Option<RunId>,
    },
    /// The run is over in the old state: it was put back, called off or undone.
    CommitOver {
        /// Which.
        run: RunId,
        /// What became of it.
        why: NotCommittable,
    },
    /// The open run does not wait for its commit, so it cannot be called off.
    NoCommitPending {
        /// Which.
        run: RunId,
    },
    /// What was staged no longer fits the machine; it stays staged. Exit 12.
    StagedDrift {
        /// Which run.
        run: RunId,
        /// What differs.
        drift: Vec<PlanDrift>,
    },
    /// The same, so much that it could not even be planned any more. Exit 12.
    StagedStale {
        /// Which run.
        run: RunId,
        /// Why not.
        why: Box<Refusal>,
    },
    /// The commit was refused before its window; the run stays staged. Exits as the reason does.
    StillStaged {
        /// Which run.
        run: RunId,
        /// Why.
        why: Box<Refusal>,
    },
    /// Records of a staged run are missing or have changed.
    StagedSpoilt {
        /// Which run.
        run: RunId,
        /// Which file.
        path: HostPath,
        /// What is wrong with it.
        why: String,
    },
    /// Asked on the terminal, and the answer was no.
    Declined,
    /// No snapshot, or more than one, is meant.
    SnapshotUnknown {
        /// As asked for.
        asked: String,
        /// Those that are there, oldest first.
        known: Vec<SnapshotId>,
    },
    /// A snapshot is not as it was written.
    SnapshotDamaged {
        /// Which.
        id: SnapshotId,
        /// What is wrong with it, file by file.
        what: Vec<String>,
    },
    /// A snapshot was written by a newer tool.
    SnapshotTooNew {
        /// Which.
        id: SnapshotId,
        /// Its format.
        found: (u16, u16),
    },
    /// A snapshot that may not be removed.
    SnapshotKept {
        /// Which.
        id: SnapshotId,
        /// Why it stays.
        why: InUse,
    },
    /// A snapshot covers other folders.
    SnapshotElsewhere {
        /// Which.
        id: SnapshotId,
        /// What it covers and the product does not have, or the other way round.
        path: HostPath,
    },
    /// Names that no step can make what they were.
    SnapshotCannot {
        /// Which snapshot.
        id: SnapshotId,
        /// Each of them, and why.
        names: Vec<(Place, Cannot)>,
    },
    /// A snapshot cannot be taken; nothing of it stays.
    SnapshotFailed(backout_disk::Error),
    /// A file that changes while it is read, however often.
    Changing {
        /// Which.
        path: HostPath,
    },
    /// What an undo would set back cannot be read.
    SettingUnread {
        /// Which key or service.
        setting: String,
        /// Why.
        why: String,
    },
    /// The registry cannot be read, or holds more than is kept of a key.
    Registry(backout_machine::registry::RegistryError),
    /// A glob that is none.
    BadGlob {
        /// As given.
        glob: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A flag that takes the path of a file of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFlag {
    /// `--keep-local`.
    KeepLocal,
    /// `--overwrite`.
    Overwrite,
    /// `undo --path`.
    Undo,
}

/// What must not be changeable by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// A profile.
    Profile,
    /// A site file.
    Site,
    /// A saved plan.
    Plan,
    /// A program that a service or a probe runs.
    Program,
    /// The state folder.
    State,
    /// A folder of backups that the operator names.
    Backups,
    /// A plugin or a folder of plugins.
    Plugins,
}

/// Why a run that was asked for has nothing to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCommittable {
    /// It ended in the old state, for this reason.
    PutBack(String),
    /// This run took it back.
    UndoneBy(RunId),
    /// It was given up, or its records cannot be read.
    Unknown,
}

/// Why a run cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotUndoable {
    /// This run took it back already.
    UndoneBy(RunId),
    /// It ended in the old state.
    RolledBack,
    /// It is an undo; undo the run that followed, or roll back again.
    IsAnUndo,
    /// Its records cannot be read.
    Damaged(String),
}

/// A file that needs a backup and has no good one.
#[derive(Debug, Clone)]
pub struct Wanting {
    /// The file.
    pub target: Place,
    /// Whose.
    pub component: ComponentId,
    /// Each backup seen and why it is none; empty: none was seen.
    pub rejected: Vec<(Place, Reject)>,
    /// A component not asked for that has a good one.
    pub elsewhere: Option<ComponentId>,
}

/// A backup in question.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose.
    pub component: ComponentId,
    /// Where.
    pub place: Place,
    /// Its version.
    pub version: Option<FileVersion>,
    /// Its state.
    pub fingerprint: Fingerprint,
}

/// Why a folder cannot be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwatchable {
    /// It is no folder.
    NoFolder,
    /// It is all there is.
    Everything,
    /// The whole system lives by it.
    System,
    /// The kernel makes it up.
    Kernel,
    /// It lies in the state folder.
    OurOwn,
    /// It is a symbolic link, which no snapshot of what it leads to has.
    Link,
}
