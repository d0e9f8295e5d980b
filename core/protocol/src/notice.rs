//! Facts that a plan or a result warns of. The words are made where they are shown.

use crate::{
    ComponentId, FileVersion, HostPath, KeyName, Place, RunId, ServiceName, message::Reject,
    profile::Severity, text::Text,
};
use serde::{Deserialize, Serialize};

/// Something a person should know; never a reason to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// A service of the run was found stopped and stays stopped.
    FoundStopped {
        /// Which.
        service: ServiceName,
        /// The command that starts it.
        start: String,
    },
    /// A service that was being started over and over before the run was told to start again, and not waited for.
    LeftRestarting {
        /// Which.
        service: ServiceName,
    },
    /// Nothing rolls this component back, and it is patched.
    StaysPatched {
        /// Which.
        component: ComponentId,
        /// Its files that stay patched.
        files: Vec<String>,
        /// What the profile says of it.
        why: Text,
    },
    /// What an installer changed and the profile that was learned from it cannot say; it stands there as comments.
    LearnedWithout {
        /// The profile.
        file: HostPath,
        /// What changed.
        names: Vec<HostPath>,
    },
    /// The installer left no backups of files that the learned profile lists.
    LearnedNoBackups {
        /// The profile.
        file: HostPath,
        /// How many.
        files: u64,
    },
    /// Files that changed and look like data stand in no list of the learned profile.
    LearnedNoData {
        /// The profile.
        file: HostPath,
        /// Which.
        names: Vec<HostPath>,
    },
    /// A profile that was to be learned was not written.
    NotLearned {
        /// The file.
        file: HostPath,
        /// Why.
        why: NotLearned,
    },
    /// A file that a rollback would bring back stays as it is.
    LeftOut {
        /// The file.
        target: Place,
        /// Why.
        why: Stays,
    },
    /// A plugin's action is left out, as files of its component stay as they are.
    ActionLeftOut {
        /// Whose.
        component: ComponentId,
        /// The plugin's name for it.
        action: String,
    },
    /// A component goes back to a snapshot, and a plugin's action of it stays as it is: no snapshot has it.
    ActionNotInSnapshot {
        /// Whose.
        component: ComponentId,
        /// The plugin's name for it.
        action: String,
    },
    /// A snapshot has the registry and how services were configured, and with some components alone neither goes back.
    SettingsNotOfComponent {
        /// How many keys and services.
        settings: u64,
    },
    /// A service is configured in another way than a snapshot says, and that cannot be put back.
    ConfigurationStays {
        /// Which.
        service: ServiceName,
        /// What differs, in words.
        what: Vec<String>,
    },
    /// A key that cannot be read stays as it is on a guard's way back.
    KeyStays {
        /// The key.
        key: KeyName,
        /// Why.
        why: String,
    },
    /// Values, keys or services that are neither as they were nor as a run made them stay as they are.
    SettingDriftKept {
        /// Which.
        names: Vec<String>,
    },
    /// A file that somebody edited since the patch goes back all the same, as the operator said; what it held is kept.
    LocalSetAside {
        /// The file.
        target: Place,
    },
    /// Only named files of a run are taken back.
    PartlyUndone {
        /// The run.
        of: RunId,
        /// How many of its changes stay.
        left: u64,
    },
    /// The builds that will be reached differ from each other.
    MixedBuilds {
        /// All of them.
        builds: Vec<FileVersion>,
    },
    /// A fix that is given up.
    Advisory {
        /// The profile's id of it.
        id: String,
        /// How bad.
        severity: Severity,
        /// What comes back.
        text: Text,
    },
    /// The file system does not promise that a rename survives a power cut whole.
    WeakFileSystem {
        /// A folder on it.
        folder: HostPath,
        /// Its type.
        kind: String,
    },
    /// One of several backups was taken for a shared file.
    Chosen {
        /// The file.
        target: Place,
        /// Whose backup.
        component: ComponentId,
        /// Whose backups were not.
        instead_of: Vec<ComponentId>,
        /// Some of them were good, and the operator's preference decided.
        #[serde(default)]
        preferred: bool,
    },
    /// Rights that were changed since the run that is undone will be as they were before it.
    RightsChanged {
        /// The file.
        target: Place,
        /// What is different now, in words.
        what: String,
    },
    /// A folder an older run left behind, whose state folder does not know it.
    UnknownLeftover {
        /// The folder.
        folder: HostPath,
        /// The run.
        run: RunId,
    },
    /// Something that the new file cannot have from the live one.
    MetadataDiffers {
        /// The file.
        target: Place,
        /// What.
        what: String,
    },
    /// A folder stays as it is, as not all that it has, or is to have, can be kept.
    NotDressed {
        /// The folder.
        folder: Place,
        /// What cannot.
        what: String,
    },
    /// A file was rewritten meanwhile; what was found is kept here.
    DriftKept {
        /// The file.
        target: Place,
        /// Where its drifted content lies; `None`: it stays in place, it was never swapped.
        kept: Option<HostPath>,
    },
    /// A file was rewritten before the reboot that replaced it.
    RewrittenBeforeReboot {
        /// The file.
        target: Place,
        /// Where what was found lies.
        kept: HostPath,
    },
    /// A probe that failed while going backwards.
    ProbeFailed {
        /// Which.
        probe: String,
    },
    /// A process was ended because the operator said so.
    EndedProcess {
        /// Its image.
        image: String,
        /// Its number.
        pid: u32,
    },
    /// Nothing settles an unfinished run at boot: after a power cut its services stay down until somebody recovers.
    NotSettledAtBoot,
    /// Services set up as commands cannot be held back at boot.
    CommandsNotHeldAtBoot,
    /// Sockets, pipes and devices: a snapshot names them and keeps nothing of them.
    NothingKept {
        /// Where.
        places: Vec<Place>,
    },
    /// A folder that a snapshot does not have, and that does not go away with what came since.
    FolderStays {
        /// The folder.
        folder: Place,
        /// What in it is left alone.
        holds: Place,
    },
    /// Files and folders whose rights, times or attributes are not as a snapshot says, and whose copies do not have them
    /// either: they stay as they are.
    RightsStay {
        /// The first of them.
        first: Place,
        /// What differs.
        what: String,
        /// How many there are.
        files: u64,
    },
    /// Copies in a snapshot that could not be given all that their originals have.
    KeptWithout {
        /// The first of them.
        first: Place,
        /// What it lacks.
        what: String,
        /// How many there are.
        files: u64,
    },
    /// An installer's work stays although it is not good.
    KeptInSpite {
        /// What is wrong with it.
        why: String,
    },
    /// New names of what was there before an installer ran, elsewhere or where the snapshot does not look: nobody has a copy, so
    /// they stay.
    OlderStays {
        /// Each of them; of a folder and what lies in it the folder.
        places: Vec<HostPath>,
    },
    /// Names that came, or were changed, after an installer had ended in folders that were watched: nobody takes them away.
    CameSince {
        /// Which.
        places: Vec<HostPath>,
    },
    /// New names of which nobody knows whether they are an installer's: nobody takes them away.
    CameUnknown {
        /// Which.
        places: Vec<HostPath>,
        /// Why that is not known.
        why: String,
    },
    /// What came while an installer ran could not be written down.
    CameNotWritten {
        /// Why.
        why: String,
    },
    /// Files that had further names (hard links) have only their own behind a guard's way back.
    Parted {
        /// The first.
        first: HostPath,
        /// How many.
        files: u64,
    },
    /// Immutable and append-only were taken off, as they were in the way of a guard's way back.
    Unlocked {
        /// The first.
        first: HostPath,
        /// How many.
        names: u64,
    },
    /// Folders that the guarded ones lie in were gone and are made anew.
    AboveMade {
        /// The outermost.
        first: HostPath,
        /// How many.
        folders: u64,
    },
    /// Names that a guard's way back leaves as they are with all that lies in them: their names are none that anything speaks of,
    /// or they lie too deep.
    NotLookedAt {
        /// Which.
        places: Vec<HostPath>,
    },
    /// A watched folder that holds more than one product, as a rule.
    WatchedWide {
        /// Which.
        folder: HostPath,
    },
    /// Data of databases is taken along as it lies.
    DataIncluded {
        /// The first that was found.
        first: HostPath,
        /// Whose it is.
        of: String,
        /// How many were found.
        count: u64,
    },
    /// Files that are open for writing are taken along as they are.
    OpenIncluded {
        /// The first of them.
        first: HostPath,
        /// Image and number of each process that has it open.
        holders: Vec<(String, u32)>,
        /// How many files there are.
        count: u64,
    },
    /// Whether processes of other users have files open could not be seen.
    WritersUnseen {
        /// How many processes.
        processes: u64,
    },
    /// Files of packages are guarded, and the records of the package manager are not.
    PackagedIncluded {
        /// Whose files they are.
        packages: Vec<String>,
        /// How many files there are.
        files: u64,
        /// The commands that report what differs from the packages.
        check: Vec<String>,
    },
    /// The installer is a package manager, whose records are not guarded.
    PackageManagerRuns {
        /// Which.
        name: String,
        /// Its own way back.
        back: String,
    },
    /// Which files belong to packages could not be found out.
    PackagesUnread {
        /// Why.
        why: String,
    },
    /// Processes that an installer has started go on behind it.
    InstallerLeft {
        /// Image and number of each.
        processes: Vec<(String, u32)>,
    },
}

/// Why a file stays as it is in a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stays {
    /// The operator said so (`--keep-local`).
    KeptLocal,
    /// It needs a backup and has no good one: those that were seen, and why they are none.
    NoGoodBackup(Vec<(Place, Reject)>),
    /// It has several good backups, and they differ.
    BackupsDiffer,
    /// It is newer than the patch.
    NewerOnTop {
        /// Its version.
        live: FileVersion,
        /// The patched one.
        patched: FileVersion,
    },
    /// It is neither as the patch left it nor as it was before: somebody edited it.
    Drifted,
}

/// Why a profile that was to be learned was not written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotLearned {
    /// The installer's work is not good.
    NotGood,
    /// It changed nothing that a profile could say.
    Nothing,
    /// Something failed: why.
    Failed {
        /// Why.
        why: String,
    },
}

impl Notice {
    /// Whether this is about a file, or an action, that stays as it is although the operator did not name it.
    pub fn is_left_out(&self) -> bool {
        self.left_out().is_some() || matches!(self, Notice::ActionLeftOut { .. })
    }

    /// The file that stays although the operator did not name it, if this is about one.
    pub fn left_out(&self) -> Option<(&Place, &Stays)> {
        match self {
            Notice::LeftOut { why: Stays::KeptLocal, .. } => None,
            Notice::LeftOut { target, why } => Some((target, why)),
            _ => None,
        }
    }
}
