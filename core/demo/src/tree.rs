//! A throw-away ServerProtect for Windows 5.8 with its Patch 3 put in, backups and all.
//!
//! ```text
//! SProtect/                            files of the normal server, the Information Server and the console, patched
//!     StCommon.dll.bak or StCommon.bak the normal server's backups
//!     is_backup/filegroup10/           the Information Server's backups
//!     is_backup/filegroup100/          the agent's backups of what it has in SProtect
//!     HotFix/                          what the Information Server deploys
//! TMI/                                 the agent's own files, patched
//!     Backup/                          their backups
//! ```

use crate::pe;
use backout_protocol::{FileVersion, MachineType, NameRule};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// The product's own version line; files of another line are not the product's but the agent's.
const PRODUCT: [u16; 3] = [5, 80, 0];
/// The agent's build before the patch.
const OLD_AGENT: u16 = 1100;

/// One row of the patch's file list: list, file name, version after the patch.
pub type Row = (String, String, Option<FileVersion>);

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeSpec {
    /// What every file is made for; it also chooses the normal server's list.
    pub machine: MachineType,
    /// Whether there is a normal server.
    pub normal_server: bool,
    /// Whether there is an Information Server.
    pub information_server: bool,
    /// Whether there is a Control Manager agent.
    pub cm_agent: bool,
    /// Whether there is a management console.
    pub console: bool,
    /// How the normal server's backups are spelled.
    pub bak: BakSpelling,
    /// The product's build before the patch.
    pub old_build: u16,
    /// Whether the Information Server, patched first, has pushed its files before the normal server made its backups:
    /// then those of the files that both have are patched ones.
    pub pushed: bool,
}

impl Default for TreeSpec {
    fn default() -> Self {
        Self {
            machine: MachineType::X86,
            normal_server: true,
            information_server: true,
            cm_agent: true,
            console: true,
            bak: BakSpelling::Full,
            old_build: 1179,
            pushed: false,
        }
    }
}

/// How the normal server's backups are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BakSpelling {
    /// `StCommon.dll.bak`.
    Full,
    /// `StCommon.bak`.
    Stem,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The install folder.
    pub home: PathBuf,
    /// The agent's folder. It exists only if there is an agent.
    pub tmi: PathBuf,
    /// Every file of a list, once for each list that names it.
    pub files: Vec<TreeFile>,
}

/// One file of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// The list that names it.
    pub list: String,
    /// The live file, as it is spelled on the disk; lists that share it may spell it otherwise.
    pub live: PathBuf,
    /// The backup, if its list has backups.
    pub backup: Option<PathBuf>,
    /// Its bytes before the patch.
    pub before: Vec<u8>,
    /// Its bytes after the patch, which are in it now.
    pub patched: Vec<u8>,
}

/// Where a list's backups lie.
#[derive(Clone, Copy)]
enum Backups {
    Bak,
    FileGroup10,
    Agent,
    Nowhere,
}

impl Tree {
    /// Builds `SProtect` and `TMI` in `folder`. Rows of lists that this product does not have are left out.
    pub fn build(folder: &Path, spec: &TreeSpec, rows: &[Row]) -> io::Result<Tree> {
        let mut tree = Tree { home: folder.join("SProtect"), tmi: folder.join("TMI"), files: Vec::new() };
        fs::create_dir_all(&tree.home)?;
        let normal_server = match spec.machine {
            MachineType::X64 => "normal-server-x64",
            MachineType::X86 | MachineType::Other(_) => "normal-server-x86",
        };
        let components = [
            (spec.normal_server, normal_server, Backups::Bak),
            (spec.information_server, "information-server", Backups::FileGroup10),
            (spec.cm_agent, "cm-agent", Backups::Agent),
            (spec.console, "management-console", Backups::Nowhere),
        ];
        let mut spellings = BTreeMap::new();
        for (_, list, backups) in components.into_iter().filter(|(present, ..)| *present) {
            for (_, name, version) in rows.iter().filter(|row| row.0 == list) {
                let shared = rows.iter().any(|row| row.0 == "information-server" && key(&row.1) == key(name));
                let pushed = spec.pushed && shared;
                tree.add(spec, &mut spellings, (list, name, *version), backups, pushed)?;
            }
        }
        tree.deploy(rows)?;
        Ok(tree)
    }

    fn add(
        &mut self,
        spec: &TreeSpec,
        spellings: &mut BTreeMap<PathBuf, PathBuf>,
        (list, name, version): (&str, &str, Option<FileVersion>),
        backups: Backups,
        pushed: bool,
    ) -> io::Result<()> {
        let in_home = version.is_none_or(|v| v.line() == PRODUCT);
        let folder = if matches!(backups, Backups::Agent) && !in_home { &self.tmi } else { &self.home };
        // One file, however the lists spell it: the first list wins.
        let live = spellings.entry(folder.join(key(name))).or_insert_with(|| folder.join(name)).clone();
        let before = bytes(spec.machine, name, version.map(|v| old(v, spec.old_build)), "before the patch");
        let patched = bytes(spec.machine, name, version, "patched");
        put(&live, &patched)?;
        let backup = match backups {
            Backups::Bak => Some(folder.join(bak(name, spec.bak))),
            Backups::FileGroup10 => Some(folder.join("is_backup/filegroup10").join(name)),
            Backups::Agent if in_home => Some(folder.join("is_backup/filegroup100").join(name)),
            Backups::Agent => Some(folder.join("Backup").join(name)),
            Backups::Nowhere => None,
        };
        if let Some(backup) = &backup {
            let held = if pushed && matches!(backups, Backups::Bak) { &patched } else { &before };
            put(backup, held)?;
        }
        self.files.push(TreeFile { list: list.to_owned(), live, backup, before, patched });
        Ok(())
    }

    /// What waits to be deployed.
    fn deploy(&self, rows: &[Row]) -> io::Result<()> {
        for (_, name, version) in rows.iter().filter(|row| row.0 == "normal-server-hotfix") {
            put(
                &self.home.join("HotFix").join(name),
                &bytes(MachineType::X86, name, *version, "to be deployed"),
            )?;
        }
        Ok(())
    }
}

/// The version before the patch.
fn old(version: FileVersion, build: u16) -> FileVersion {
    let [a, b, c] = version.line();
    FileVersion([a, b, c, if version.line() == PRODUCT { build } else { OLD_AGENT }])
}

/// A file without a version is a text file.
fn bytes(machine: MachineType, name: &str, version: Option<FileVersion>, state: &str) -> Vec<u8> {
    match version {
        Some(version) => pe(machine, Some(version), &format!("{}, {state}", name.to_lowercase())),
        None => format!("[{}]\r\nState={state}\r\n", name.to_lowercase()).into_bytes(),
    }
}

fn bak(name: &str, spelling: BakSpelling) -> PathBuf {
    match spelling {
        BakSpelling::Full => PathBuf::from(format!("{name}.bak")),
        BakSpelling::Stem => Path::new(name).with_extension("bak"),
    }
}

fn key(name: &str) -> String {
    NameRule::Folded.key(OsStr::new(name))
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}
