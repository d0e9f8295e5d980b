//! A snapshot: files set aside on purpose, and what there was. Written as `snapshot.ron` beside the files themselves.

use crate::{
    Configuration, Digest, Fingerprint, HostPath, Image, NameRule, Place, RelPath, ServiceName, SnapshotId,
    registry::SavedKey,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of `snapshot.ron`: (major, minor). 1.0: the first. 1.1: how services are configured, and keys of the registry.
pub const FORMAT: (u16, u16) = (1, 1);

/// What was there when a snapshot was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// [`FORMAT`] of the tool that wrote it.
    pub format: (u16, u16),
    /// The tool's version.
    pub tool: String,
    /// Its id.
    pub id: SnapshotId,
    /// What it is called.
    #[serde(default)]
    pub label: Option<String>,
    /// The profile's name; `None`: of folders alone.
    #[serde(default)]
    pub profile: Option<String>,
    /// When it was begun, in milliseconds since 1970.
    pub taken: u64,
    /// How names compare.
    #[serde(default)]
    pub names: NameRule,
    /// The folders it covers.
    pub roots: Vec<Root>,
    /// What of them it leaves out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// The services of the profile, as far as they could be asked.
    #[serde(default)]
    pub services: Vec<SavedService>,
    /// Keys of the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registry: Vec<SavedKey>,
    /// The folders among them, or roots, that something is mounted on; `None`: nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<HostPath>>,
    /// Everything below the roots, a folder before what lies in it.
    pub entries: Vec<Entry>,
}

/// A folder that a snapshot covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Where it is.
    pub path: HostPath,
    /// What it has besides what lies in it.
    pub facts: Facts,
}

/// One name below a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which root: its number, from 0.
    pub root: usize,
    /// Where below it.
    pub path: RelPath,
    /// What it is.
    pub what: What,
    /// What it has besides; `None` where it has no content.
    #[serde(default)]
    pub facts: Option<Facts>,
}

/// What a name is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum What {
    /// A folder.
    Folder,
    /// A regular file.
    File(Image),
    /// A symbolic link, and what it holds.
    Link(HostPath),
    /// A socket, a pipe, a device: it is named, and nothing of it is kept.
    Other,
}

/// What a file or folder has beside its bytes, as it can be written down and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Its owner: a number, or `S-1-…`.
    pub owner: String,
    /// Its group, where files have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Permission bits, or attributes.
    pub mode: u32,
    /// When its bytes changed last: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// Extended attributes, access lists, streams: each with the digest of what it holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Digest>,
}

/// What was known of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedService {
    /// Its display name.
    pub name: ServiceName,
    /// Its unit, where the site names one.
    #[serde(default)]
    pub unit: Option<String>,
    /// What it was doing.
    pub state: ServiceWas,
    /// How its manager starts it, in the manager's words.
    #[serde(default)]
    pub start: Option<String>,
    /// How it was configured; `None`: its manager keeps nothing of it, or an older backout wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
}

/// What a service was doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceWas {
    /// There is none.
    NotInstalled,
    /// It ran, or was about to.
    Running,
    /// Its manager started it again and again.
    Restarting,
    /// It did not run.
    Stopped,
    /// It could not be asked: why.
    Unknown(String),
}

impl Snapshot {
    /// Where an entry is on the machine.
    pub fn place(&self, entry: &Entry) -> Option<Place> {
        let root = self.roots.get(entry.root)?;
        Some(Place { root: root.path.clone(), rel: entry.path.clone() })
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().filter_map(|e| e.what.image()).map(|i| len(&i.fingerprint)).sum()
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.entries.iter().filter(|e| e.what.image().is_some()).count()
    }

    /// What cannot be meant, if anything: every path must lie in a folder that is named before it, once.
    pub fn contradiction(&self) -> Option<String> {
        let mut seen: BTreeMap<(usize, &std::path::Path), bool> = BTreeMap::new();
        if let Some(root) = self.roots.iter().find(|r| !r.path.0.is_absolute()) {
            return Some(format!("`{}` is not an absolute path", root.path));
        }
        if let Some(why) = self.registry.iter().find_map(|saved| saved.tree.contradiction()) {
            return Some(why);
        }
        for entry in &self.entries {
            if entry.root >= self.roots.len() {
                return Some(format!("`{}` lies in the root number {}", entry.path, entry.root));
            }
            let parent = entry.path.as_path().parent().filter(|p| !p.as_os_str().is_empty());
            if parent.is_some_and(|p| seen.get(&(entry.root, p)) != Some(&true)) {
                return Some(format!("`{}` lies in no folder", entry.path));
            }
            if seen.insert((entry.root, entry.path.as_path()), entry.what == What::Folder).is_some() {
                return Some(format!("`{}` stands there twice", entry.path));
            }
            if matches!(&entry.what, What::File(image) if !matches!(image.fingerprint, Fingerprint::File { .. }))
            {
                return Some(format!("`{}` is a file without a digest", entry.path));
            }
            if entry.facts.is_none() && matches!(entry.what, What::File(_) | What::Folder) {
                return Some(format!("`{}` has neither owner nor mode", entry.path));
            }
        }
        None
    }
}

impl What {
    /// A file's image.
    pub fn image(&self) -> Option<&Image> {
        match self {
            What::File(image) => Some(image),
            What::Folder | What::Link(_) | What::Other => None,
        }
    }
}

fn len(fingerprint: &Fingerprint) -> u64 {
    match fingerprint {
        Fingerprint::File { len, .. } => *len,
        Fingerprint::Absent | Fingerprint::Folder { .. } | Fingerprint::Link { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let (owner, modified, attributes) = ("0".to_owned(), (1, 2), BTreeMap::new());
        Facts { owner, group: None, mode: 0o644, modified, attributes }
    }

    fn snapshot(entries: Vec<(usize, &str, What)>) -> Snapshot {
        let entry = |(root, path, what): (usize, &str, What)| {
            let facts = Some(facts());
            Entry { root, path: RelPath::new(path).unwrap(), what, facts }
        };
        Snapshot {
            format: FORMAT,
            tool: "0".into(),
            id: "01jd0000000000000000000000".parse().unwrap(),
            label: None,
            profile: None,
            taken: 0,
            names: NameRule::Exact,
            roots: vec![Root { path: HostPath(std::env::temp_dir()), facts: facts() }],
            exclude: Vec::new(),
            services: Vec::new(),
            registry: Vec::new(),
            mounts: None,
            entries: entries.into_iter().map(entry).collect(),
        }
    }

    #[test]
    fn every_name_lies_once_in_a_folder_that_is_named_before_it() {
        let sound = snapshot(vec![(0, "a", What::Folder), (0, "a/b", What::Other)]);
        assert_eq!(sound.contradiction(), None);
        for wrong in [
            vec![(1, "a", What::Folder)],
            vec![(0, "a/b", What::Other)],
            vec![(0, "a", What::Other), (0, "a/b", What::Other)],
            vec![(0, "a/b", What::Other), (0, "a", What::Folder)],
            vec![(0, "a", What::Folder), (0, "a", What::Other)],
            vec![(0, "a", What::File(Image::ABSENT))],
        ] {
            assert!(snapshot(wrong.clone()).contradiction().is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn one_of_the_first_format_still_reads() {
        let text = r#"(format: (1, 0), tool: "0", id: "01jd0000000000000000000000", taken: 0, roots: [], services: [
            (name: "S", state: running, start: Some("enabled"))], entries: [])"#;
        let read: Snapshot = crate::text::from_ron("s", text).unwrap();
        assert_eq!((read.services[0].configuration.as_ref(), read.registry.len()), (None, 0));
    }

    #[test]
    fn a_path_that_climbs_is_not_even_read() {
        let text = crate::text::to_ron(&snapshot(vec![(0, "a", What::Folder)])).unwrap();
        let read = |text: &str| crate::text::from_ron::<Snapshot>("s", text);
        assert!(read(&text).is_ok());
        for climbs in ["../a", "/a", "a/../../b", "", ".", "a//b"] {
            assert!(read(&text.replace("path: \"a\"", &format!("path: \"{climbs}\""))).is_err(), "{climbs}");
        }
        assert!(read(&text.replacen('(', "(unknown: 1,", 1)).is_err());
    }
}
