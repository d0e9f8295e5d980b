//! A machine in a file: what a plugin asked about, and what the answers were. Since messages 1.1.
//!
//! With a fixture instead of the machine a plugin plans anywhere, and plans the same.

use crate::{
    ComponentId, Digest, FileVersion, HostPath, MachineType, NameRule, ServiceName,
    message::{BackupSource, ListedFile, PlanRequest},
    path::encode,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A machine as far as one plugin's component is concerned. Unlike the rest of a request it is read to its last field:
/// a machine that is only half understood is another machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fixture {
    /// Every variable of the profile that has a value.
    pub folders: BTreeMap<String, HostPath>,
    /// How the product compares names.
    pub names: NameRule,
    /// The rows of the profile's lists that apply.
    pub listed: Vec<ListedFile>,
    /// The component's services that are installed.
    pub services: Vec<ServiceName>,
    /// Where backups are to be taken from.
    pub source: BackupSource,
    /// Switches of the command line.
    pub options: BTreeSet<String>,
    /// What the host knows of services and processes.
    pub facts: Facts,
    /// Every path that was asked about. What neither is here nor follows from what is ([`Fixture::look`]) was not asked:
    /// asking is then a failure.
    pub paths: BTreeMap<HostPath, Known>,
}

/// What a fixture says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'f> {
    /// This stands there.
    Known(&'f Known),
    /// Nothing has this name: a folder above it has other names only, or is no folder.
    Absent,
    /// Its folder's listing says what it is and nothing more.
    Kind(KnownKind),
}

impl Fixture {
    /// The machine of a request, with no path asked about yet.
    pub fn of(request: &PlanRequest) -> Self {
        Self {
            folders: request.folders.clone(),
            names: request.names,
            listed: request.listed.clone(),
            services: request.services.clone(),
            source: request.source.clone(),
            options: request.options.clone(),
            facts: request.facts.clone(),
            paths: BTreeMap::new(),
        }
    }

    /// The request to plan `component`, with this `config`, on this machine instead of the one it is asked on.
    pub fn request(&self, component: ComponentId, config: String) -> PlanRequest {
        PlanRequest {
            component,
            config,
            folders: self.folders.clone(),
            names: self.names,
            listed: self.listed.clone(),
            services: self.services.clone(),
            source: self.source.clone(),
            options: self.options.clone(),
            facts: self.facts.clone(),
            machine: Some(self.clone()),
            record: false,
        }
    }

    /// What is said of `path`, itself or by the folders above it; `None`: nothing is.
    pub fn look(&self, path: &Path) -> Option<Seen<'_>> {
        if let Some(known) = self.paths.get(&HostPath(path.to_owned())) {
            return Some(Seen::Known(known));
        }
        let (folder, name) = (path.parent()?, path.file_name()?);
        match self.look(folder)? {
            Seen::Known(Known::Folder(Some(names)) | Known::Symlink(Some(names))) => {
                Some(names.get(&encode(name)).map_or(Seen::Absent, |kind| Seen::Kind(*kind)))
            }
            Seen::Known(Known::Absent | Known::File(_) | Known::Other)
            | Seen::Absent
            | Seen::Kind(KnownKind::File | KnownKind::Other) => Some(Seen::Absent),
            // Whoever may not look at a folder may not look at what is in it.
            Seen::Known(unreadable @ Known::Unreadable(_)) => Some(Seen::Known(unreadable)),
            Seen::Known(Known::Folder(None) | Known::Symlink(None) | Known::Closed(_))
            | Seen::Kind(KnownKind::Folder | KnownKind::Symlink) => None,
        }
    }

    /// The same machine, on which `path` and all below it cannot be looked at for the reason `why`.
    #[must_use]
    pub fn unreadable(&self, path: &Path, why: &str) -> Self {
        let mut other = self.clone();
        other.paths.retain(|known, _| !known.0.starts_with(path));
        other.paths.insert(HostPath(path.to_owned()), Known::Unreadable(why.to_owned()));
        other
    }
}

/// What the host tells a plugin of services and processes: a plugin cannot ask for them itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The component's services and whether each runs.
    pub services: BTreeMap<ServiceName, Running>,
    /// Processes whose executable lies below one of the product's folders.
    pub processes: Vec<ProcessFact>,
}

/// Whether a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Running {
    /// It runs, or is about to.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessFact {
    /// Its executable's base name.
    pub image: String,
    /// Where its executable lies, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HostPath>,
}

/// What is known of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Known {
    /// Nothing has this name.
    Absent,
    /// A regular file.
    File(KnownFile),
    /// A folder, and what lies in it if that was asked: names (with `%XX` as in a [`HostPath`]) and what they stand for.
    /// What runs leave behind (`.backout-*`) is left out.
    Folder(Option<BTreeMap<String, KnownKind>>),
    /// A folder that cannot be listed: the system's words.
    Closed(String),
    /// A symbolic link or a junction, and what lies in the folder it leads to if that was asked.
    Symlink(Option<BTreeMap<String, KnownKind>>),
    /// A device, a socket or the like.
    Other,
    /// Nothing can be told of it, nor of what may lie below: the system's words.
    Unreadable(String),
}

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnownFile {
    /// Its length in bytes.
    pub len: u64,
    /// Its text, if it was read and is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bytes in hex digits, if it was read and is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Its digest, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// What its PE headers say, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pe: Option<KnownPe>,
    /// Its bytes cannot be read: the system's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// What a file's PE headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KnownPe {
    /// It has none: it is no PE file.
    No,
    /// It is a PE file.
    Yes {
        /// The machine type it is made for.
        machine: MachineType,
        /// Its version resource's file version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<FileVersion>,
    },
}

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link or a junction.
    Symlink,
    /// A device, a socket or the like.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{from_ron, to_ron};

    const MACHINE: &str = r#"(
        folders: { "home": "/srv/product" },
        paths: {
            "/srv/product": folder({ "a": file, "sub": folder, "link": symlink }),
            "/srv/product/a": file((len: 3, text: "abc", pe: no)),
            "/srv/product/b": file((len: 9, pe: yes(machine: x86, version: "5.80.0.1"))),
            "/srv/closed": unreadable("permission denied"),
            "/srv/none": absent,
        },
    )"#;

    fn machine() -> Fixture {
        from_ron("machine.ron", MACHINE).unwrap()
    }

    #[test]
    fn a_machine_in_a_file_is_read_back_as_it_was_written() {
        let machine = machine();
        assert_eq!(from_ron::<Fixture>("machine.ron", &to_ron(&machine).unwrap()).unwrap(), machine);
        let json = serde_json::to_string(&machine).unwrap();
        assert_eq!(serde_json::from_str::<Fixture>(&json).unwrap(), machine);
        for bad in [r#"(path: {})"#, r#"(paths: { "/a": file((size: 3)) })"#, r#"(paths: { "/a": gone })"#] {
            assert!(from_ron::<Fixture>("machine.ron", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_follows_from_the_folders_above_need_not_be_said() {
        let machine = machine();
        let look = |path: &str| machine.look(Path::new(path));
        assert_eq!(look("/srv/product/new"), Some(Seen::Absent));
        assert_eq!(look("/srv/product/a/below"), Some(Seen::Absent));
        assert_eq!(look("/srv/none/a/b"), Some(Seen::Absent));
        assert_eq!(look("/srv/product/sub"), Some(Seen::Kind(KnownKind::Folder)));
        assert!(matches!(look("/srv/closed/a"), Some(Seen::Known(Known::Unreadable(_)))));
        for unknown in ["/srv/product/sub/x", "/srv/product/link/x", "/srv/other", "/"] {
            assert_eq!(look(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_lies_below_an_unreadable_folder_cannot_be_looked_at_either() {
        let machine = machine().unreadable(Path::new("/srv/product"), "no");
        for path in ["/srv/product", "/srv/product/a", "/srv/product/x/y"] {
            assert!(
                matches!(machine.look(Path::new(path)), Some(Seen::Known(Known::Unreadable(_)))),
                "{path}"
            );
        }
        assert_eq!(machine.look(Path::new("/srv/none")), Some(Seen::Known(&Known::Absent)));
    }
}
