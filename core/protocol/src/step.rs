//! Steps: the units of reversion, as the engine carries them out.

use crate::{
    ComponentId, Configuration, Fingerprint, HostPath, Image, KeyName, Place, RelPath, ServiceName,
    configuration::Part, registry::Edit,
};
use serde::{Deserialize, Serialize};

/// One step of a plan, with the state before and after it. A step is done or undone as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Step {
    /// Stop a service and see it stopped.
    StopService {
        /// Which.
        service: ServiceName,
    },
    /// Wait until no process of these images runs from below these folders.
    WaitExit {
        /// Executable base names, compared without regard to case.
        images: Vec<String>,
        /// Folders below which the executable must lie to count.
        under: Vec<HostPath>,
    },
    /// Put other bytes, or a symbolic link, under a name, whether or not something is there now. Where the two images are
    /// the same, the bytes stay and what is beside them is put back.
    ReplaceFile {
        /// The name.
        target: Place,
        /// Where the bytes come from.
        source: Source,
        /// What is there now.
        before: Image,
        /// What will be there.
        after: Image,
        /// Whose backup was taken.
        component: ComponentId,
        /// What becomes other than the bytes of a file, in words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        differs: Vec<String>,
    },
    /// Move a backup's own name away, because it went back under its original one.
    ConsumeBackup {
        /// The backup.
        backup: Place,
        /// What it holds.
        before: Image,
    },
    /// Take a file away.
    RemoveFile {
        /// The name.
        target: Place,
        /// What is there now.
        before: Image,
    },
    /// Make a folder; files inside it are steps of their own and come with it in one move.
    CreateFolder {
        /// The name.
        target: Place,
        /// The saved folder whose owner, mode and times it takes; `None`: those of the folder it comes to lie in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        like: Option<Place>,
    },
    /// Take a folder away that is empty by then.
    RemoveFolder {
        /// The name.
        target: Place,
    },
    /// Give a folder that stays the owner, rights and attributes of another; its times stay.
    DressFolder {
        /// The root, whose staging folder keeps what the folder had.
        root: HostPath,
        /// Where below it; `None`: the root itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rel: Option<RelPath>,
        /// The folder that has them.
        like: Place,
        /// What differs, in words.
        differs: Vec<String>,
    },
    /// Nothing to do: the target is already as it was before the patch. Checked again before anything is swapped.
    Hold {
        /// The name.
        target: Place,
        /// What is there.
        image: Image,
    },
    /// Start a service and see it running.
    StartService {
        /// Which.
        service: ServiceName,
    },
    /// Make a key of the registry, with what lies in it, what a snapshot has; behind all swaps, while services are down.
    SetKey {
        /// Which.
        key: KeyName,
        /// What becomes of what, in the order in which it can be done.
        edits: Vec<Edit>,
    },
    /// Make how a service is configured what a snapshot has; likewise.
    Configure {
        /// Which.
        service: ServiceName,
        /// How it is now.
        before: Configuration,
        /// How it will be.
        after: Configuration,
        /// What of it changes.
        parts: Vec<Part>,
    },
    /// Code of a plugin, run behind all swaps while services are down.
    Custom {
        /// Whose step it is.
        component: ComponentId,
        /// The plugin's manifest id.
        plugin: String,
        /// The plugin's own name for what it does.
        action: String,
        /// Its arguments, as RON text.
        args: String,
        /// Whether it is done or taken back.
        #[serde(default, skip_serializing_if = "Way::is_forth")]
        way: Way,
    },
}

/// Whether a run does a plugin's action or takes one back that an earlier run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Way {
    /// It is done.
    #[default]
    Forth,
    /// It is taken back, by what the run that did it remembers.
    Back {
        /// Its number among the actions of that run, which this plan undoes; from 0.
        n: u32,
    },
}

impl Way {
    fn is_forth(&self) -> bool {
        *self == Way::Forth
    }
}

/// Where the bytes of a replaced file come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Source {
    /// A file on this machine.
    File(Place),
    /// A file that a snapshot keeps: everything else that it has goes on as it was saved, too.
    Saved(Place),
    /// Bytes that the plan itself carries.
    Inline(Vec<u8>),
}

/// What becomes of a backup whose bytes went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It stays where it is.
    Keep,
    /// Its name goes away, as a rename would have done.
    Consume,
}

impl Step {
    /// The name a file step changes or holds. A folder that is dressed keeps its name and what lies in it.
    pub fn target(&self) -> Option<&Place> {
        match self {
            Step::ReplaceFile { target, .. }
            | Step::RemoveFile { target, .. }
            | Step::CreateFolder { target, .. }
            | Step::RemoveFolder { target }
            | Step::Hold { target, .. } => Some(target),
            Step::ConsumeBackup { backup, .. } => Some(backup),
            Step::DressFolder { .. }
            | Step::StopService { .. }
            | Step::WaitExit { .. }
            | Step::StartService { .. }
            | Step::SetKey { .. }
            | Step::Configure { .. }
            | Step::Custom { .. } => None,
        }
    }

    /// Whether it changes a file or folder.
    pub fn changes_files(&self) -> bool {
        match self {
            Step::ReplaceFile { .. }
            | Step::ConsumeBackup { .. }
            | Step::RemoveFile { .. }
            | Step::CreateFolder { .. }
            | Step::RemoveFolder { .. }
            | Step::DressFolder { .. } => true,
            Step::StopService { .. }
            | Step::WaitExit { .. }
            | Step::Hold { .. }
            | Step::StartService { .. }
            | Step::SetKey { .. }
            | Step::Configure { .. }
            | Step::Custom { .. } => false,
        }
    }

    /// Whether it changes anything but services.
    pub fn changes(&self) -> bool {
        self.changes_files() || self.is_setting() || matches!(self, Step::Custom { .. })
    }

    /// Whether it changes the registry or how a service is configured.
    pub fn is_setting(&self) -> bool {
        matches!(self, Step::SetKey { .. } | Step::Configure { .. })
    }

    /// What a setting is about, for people.
    pub fn setting(&self) -> Option<String> {
        match self {
            Step::SetKey { key, .. } => Some(key.to_string()),
            Step::Configure { service, .. } => Some(format!("service {service}")),
            _ => None,
        }
    }

    /// The bytes a file step will put in place; 0 where it puts none.
    pub fn new_bytes(&self) -> u64 {
        match self {
            Step::ReplaceFile { after: Image { fingerprint: Fingerprint::File { len, .. }, .. }, .. } => *len,
            _ => 0,
        }
    }
}
