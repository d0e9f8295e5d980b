//! What the host asks a plugin and what the plugin answers. JSON on the wire.
//!
//! A plugin plans, it never acts: it answers with what should be done, and may only read while it works that out.
//! Unknown fields are an error in an answer and ignored in a request, so that a newer host can say more.
//! What came with messages 1.1 says so; a plugin that speaks 1.0 alone is never asked it.

mod action;
mod example;
mod fixture;

pub use action::{ActionRequest, ActionState, MEMO_LIMIT, Prepared};
pub use example::{Example, Expected};
pub use fixture::{Facts, Fixture, Known, KnownFile, KnownKind, KnownPe, ProcessFact, Running, Seen};

use crate::{
    ComponentId, Digest, FileVersion, Fingerprint, HostPath, NameRule, Place, RelPath, ServiceName,
    step::Fate, text::Text,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Who a plugin is. Its JSON lies in the library's `.backout` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The id that profiles name it by.
    pub id: String,
    /// The plugin's own version.
    pub version: String,
    /// Lowest and highest message version it speaks, as (major, minor).
    pub api: ((u16, u16), (u16, u16)),
    /// One sentence on what it does.
    pub about: String,
}

/// A question to a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Who are you? Answered with [`Answer::Manifest`].
    Describe,
    /// What does your component need? Answered with [`Answer::Proposal`], or [`Answer::Recorded`] where
    /// [`PlanRequest::record`] is set.
    Plan(Box<PlanRequest>),
    /// What may a profile say in `config`? Answered with [`Answer::Schema`]. Since 1.1.
    Schema,
    /// What do you do, for example? Answered with [`Answer::Examples`]. Since 1.1.
    Examples,
    /// Look at what an action would change and remember it. Answered with [`Answer::Prepared`]. Since 1.1.
    Prepare(ActionRequest),
    /// Do it. Answered with [`Answer::Applied`]. Since 1.1.
    Apply(ActionRequest),
    /// Take it back, from wherever it got to. Answered with [`Answer::Undone`]. Since 1.1.
    Undo(ActionRequest),
    /// How far did it get? Answered with [`Answer::State`]. Since 1.1.
    State(ActionRequest),
}

/// Everything a plugin is told when it plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The component it plans for.
    pub component: ComponentId,
    /// The component's `config` from the profile, as the RON text that stands there.
    pub config: String,
    /// Every variable of the profile that has a value on this machine.
    pub folders: BTreeMap<String, HostPath>,
    /// How the product compares names.
    pub names: NameRule,
    /// The rows of the profile's lists that apply to this component here.
    pub listed: Vec<ListedFile>,
    /// The component's services that are installed, in the profile's order.
    pub services: Vec<ServiceName>,
    /// Where backups are to be taken from.
    pub source: BackupSource,
    /// Switches of the command line that plugins know, such as `include-unlisted`.
    pub options: BTreeSet<String>,
    /// What the host knows of services and processes. Since 1.1.
    #[serde(default)]
    pub facts: Facts,
    /// Answers to take instead of the machine's; the host fills the rest of the request from it too. Since 1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Fixture>,
    /// Whether every question about the machine is to be answered with too. Since 1.1.
    #[serde(default)]
    pub record: bool,
}

/// A file that the product's patch brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its name, as the product's page spells it.
    pub name: String,
    /// Other spellings of the same file.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The folder it is presumed in.
    pub folder: HostPath,
    /// Its version once patched; `None` where the page gives none.
    #[serde(default)]
    pub patched: Option<FileVersion>,
    /// Digest of its bytes once patched, where the list gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Digest of its bytes before the patch, where the list gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// The patch added it: rolling back means taking it away.
    #[serde(default)]
    pub added: bool,
    /// The patch takes it away: rolling back means bringing it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// Where backups come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupSource {
    /// The product's own backups.
    #[default]
    Vendor,
    /// A folder of files that somebody set aside, under their own or their `.bak` names.
    Dir(HostPath),
}

/// A plugin's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// To [`Request::Describe`].
    Manifest(Manifest),
    /// To [`Request::Plan`].
    Proposal(Proposal),
    /// To [`Request::Plan`] with [`PlanRequest::record`]. Since 1.1.
    Recorded(Box<Recorded>),
    /// To [`Request::Schema`]: a JSON schema, as text. Since 1.1.
    Schema(String),
    /// To [`Request::Examples`]. Since 1.1.
    Examples(Vec<Example>),
    /// To [`Request::Prepare`]. Since 1.1.
    Prepared(Prepared),
    /// To [`Request::Apply`]. Since 1.1.
    Applied,
    /// To [`Request::Undo`]. Since 1.1.
    Undone,
    /// To [`Request::State`]. Since 1.1.
    State(ActionState),
    /// The plugin cannot answer.
    Failed(Failure),
}

/// A proposal and what it was worked out from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// What came of it.
    pub planned: Planned,
    /// The request and every question about the machine with its answer.
    pub machine: Fixture,
}

/// A plan, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Planned {
    /// What the component needs.
    Proposal(Proposal),
    /// The plugin cannot say.
    Failed(Failure),
}

/// Why a plugin cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// One sentence, lower-case, no full stop.
    pub message: String,
    /// Where in the config text it is (line, column from 1), if it is about the config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<(usize, usize)>,
}

/// What a component needs, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The steps, in the order they are to be carried out.
    pub steps: Vec<Proposed>,
    /// Files seen that look like backups but are not touched.
    #[serde(default)]
    pub left_alone: Vec<LeftAlone>,
    /// What a person should know before and after.
    #[serde(default)]
    pub notes: Vec<Text>,
    /// Folders that nothing of a run may stay in: staging folders lie above them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_clear: Vec<Place>,
}

/// A step as a plugin proposes it. The engine looks at the files, decides and fills in before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Proposed {
    /// Stop a service.
    StopService {
        /// Which.
        service: ServiceName,
    },
    /// Wait until processes are gone.
    WaitExit {
        /// Executable base names.
        images: Vec<String>,
        /// Below these folders.
        under: Vec<HostPath>,
    },
    /// Bring a file back from the best of these backups. With an empty list: say so if the file needs one.
    RestoreFile {
        /// The file.
        target: Place,
        /// What the list says of it.
        need: Need,
        /// Backups that claim it.
        #[serde(default)]
        candidates: Vec<Candidate>,
    },
    /// Give a file these bytes.
    WriteFile {
        /// The file.
        target: Place,
        /// Its whole new content.
        bytes: Vec<u8>,
    },
    /// Take a file away, if it still is what is expected.
    RemoveFile {
        /// The file.
        target: Place,
        /// What it must be; anything else is left alone and named.
        expect: Expect,
    },
    /// Take a folder away, once the steps before have emptied it.
    RemoveFolder {
        /// The folder.
        target: Place,
    },
    /// Start a service.
    StartService {
        /// Which.
        service: ServiceName,
    },
    /// Run the plugin's own code.
    Custom {
        /// Its name for it.
        action: String,
        /// Arguments as RON text.
        args: String,
    },
}

/// How much a target needs a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Listed, and patched it carries this version.
    Patched(FileVersion),
    /// Listed without a version: live equal to a backup counts as already back.
    Listed,
    /// Not listed; taken along because the operator asked. Never a reason to refuse for want of a backup.
    Unlisted,
}

/// A backup that claims a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Where it lies.
    pub place: Place,
    /// What becomes of it if it is taken.
    pub fate: Fate,
}

/// What a file must be for its removal to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Whatever is there.
    Anything,
    /// A file of this version: what the patch put there.
    Version(FileVersion),
    /// Exactly this state.
    Exactly(Fingerprint),
}

/// A file that was seen and is not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftAlone {
    /// Where.
    pub place: Place,
    /// Why.
    pub reason: LeftReason,
}

/// Why a file is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftReason {
    /// The product's list does not name it (`--include-unlisted` takes it along).
    Unlisted,
    /// Its name could stand for more than one listed file: these.
    Ambiguous(Vec<String>),
    /// It is no regular file.
    NotAFile,
    /// The file it belongs to is already as it was.
    TargetHeld,
    /// It is no good backup: this is why.
    Rejected(Reject),
    /// Another component's backup was taken for the same file.
    NotChosen,
    /// It was expected to be what the patch put there, and is not.
    NotExpected,
}

/// Why a backup is not good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reject {
    /// Nothing is there.
    Missing,
    /// It cannot be read: the system's words.
    Unreadable(String),
    /// It is a folder, a device or the like.
    NotAFile,
    /// It is a symbolic link.
    Symlink,
    /// It has no bytes.
    Empty,
    /// It is a PE file that ends before its headers say: a copy that was cut short.
    CutShort,
    /// Its bytes are those of the live file.
    EqualsLive,
    /// Its version is the patched one.
    Patched(FileVersion),
    /// Its version is newer than the patched one.
    Newer(FileVersion),
    /// It is made for another machine type than the file it would replace.
    WrongMachine(crate::MachineType),
    /// It is no PE file, and the file it would replace is one, or should be one as the list gives it a version.
    NotPe,
}

/// A folder named by one of the request's variables, with plain names below it: `home/is_backup/filegroup10`.
pub fn resolve(folders: &BTreeMap<String, HostPath>, location: &str) -> Result<HostPath, BadLocation> {
    let bad = |why| BadLocation { location: location.to_owned(), why };
    let (variable, below) = location.split_once('/').map_or((location, None), |(v, b)| (v, Some(b)));
    let root = folders.get(variable).ok_or_else(|| bad(Why::NoVariable(variable.to_owned())))?;
    match below {
        None => Ok(root.clone()),
        Some(below) => {
            let below = RelPath::new(below).map_err(|_| bad(Why::NotPlain))?;
            Ok(HostPath(root.0.join(below.as_path())))
        }
    }
}

/// A location that names no folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{location}`: {why}")]
pub struct BadLocation {
    /// As it was written.
    pub location: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its first name is no variable with a value.
    #[error("variable `{0}` has no value here")]
    NoVariable(String),
    /// The rest is no plain relative path.
    #[error("not a variable followed by plain names")]
    NotPlain,
}
