//! A world with a throw-away ServerProtect in it.

use crate::world::World;
use backout_demo::{Tree, TreeSpec};
use backout_protocol::FileVersion;
use std::{collections::BTreeMap, fs::File, path::Path, path::PathBuf};

/// Display names and short names of the three services, in the vendor's order.
pub const SERVICES: [(&str, &str); 3] = [
    ("Trend ServerProtect", "spnt"),
    ("Trend ServerProtect Agent", "agent"),
    ("Trend Micro Management Infrastructure", "tmi"),
];

/// The patch's file list.
pub fn rows() -> Vec<(String, String, Option<FileVersion>)> {
    let csv = include_str!("../../../profiles/serverprotect-5.8-patch3.csv");
    let row = |line: &str| {
        let mut cells = line.split(',').map(str::to_owned);
        let mut cell = || cells.next().unwrap();
        (cell(), cell(), cell().parse().ok())
    };
    csv.lines().skip(1).map(row).collect()
}

/// A ServerProtect world and its tree.
#[derive(Debug)]
pub struct ServerProtect {
    /// The world.
    pub world: World,
    /// What was built.
    pub tree: Tree,
}

impl ServerProtect {
    /// Builds the tree and starts the services that its components have.
    pub fn new(spec: &TreeSpec) -> Self {
        let has = [spec.normal_server, spec.information_server || spec.cm_agent, spec.cm_agent];
        let services: Vec<_> = SERVICES.iter().zip(has).filter(|(_, has)| *has).map(|(s, _)| *s).collect();
        let mut world = World::new(&services);
        let tree = Tree::build(&world.home, spec, &rows()).unwrap();
        world.profile = "serverprotect-5.8-patch3".to_owned();
        let mut this = Self { world, tree };
        this.write_site("timeouts: (stop: 120, start: 120, status: 120, exit: 10, settle: 0)");
        this.world.names = services.iter().map(|(_, n)| (*n).to_owned()).collect();
        this
    }

    /// Writes the site file again; `more` is further fields.
    pub fn write_site(&self, more: &str) {
        let of =
            |n: &String| SERVICES.iter().find(|(_, s)| s == n).map(|(d, s)| self.world.services.entry(d, s));
        let entries: Vec<String> = self.world.names.iter().filter_map(of).collect();
        let text = format!(
            "(\n vars: {{ \"home\": {:?}, \"tmi\": {:?} }},\n services: Commands({{ {} }}),\n {more}\n)\n",
            self.tree.home.to_str().unwrap(),
            self.tree.tmi.to_str().unwrap(),
            entries.join(",\n   ")
        );
        crate::write(&self.world.site, text);
    }

    /// The version of every listed live file, each path once.
    pub fn versions(&self) -> BTreeMap<PathBuf, Option<FileVersion>> {
        self.tree.files.iter().map(|f| (f.live.clone(), version(&f.live))).collect()
    }

    /// A listed file by its name.
    pub fn live(&self, name: &str) -> PathBuf {
        let same =
            |f: &&backout_demo::TreeFile| f.live.file_name().is_some_and(|n| n.eq_ignore_ascii_case(name));
        self.tree.files.iter().find(same).unwrap().live.clone()
    }

    /// The files of one list.
    pub fn list(&self, list: &str) -> Vec<&backout_demo::TreeFile> {
        self.tree.files.iter().filter(|f| f.list == list).collect()
    }
}

/// The version in a file's version resource.
pub fn version(path: &Path) -> Option<FileVersion> {
    let mut file = File::open(path).ok()?;
    backout_machine::version::read(&mut file).ok().flatten().and_then(|p| p.version)
}
