//! A world: a product's folders, its services, a site, a state folder, and the binary to run on them.

use crate::{
    binary::{Run, built},
    place,
    service::Services,
    snapshot::{Snapshot, snapshot},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A throw-away machine.
#[derive(Debug)]
pub struct World {
    /// The binary.
    pub program: PathBuf,
    /// The product's folder.
    pub home: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    /// The plugin folder.
    pub plugins: PathBuf,
    /// The site file.
    pub site: PathBuf,
    /// The profile to name: a built-in's name or a path.
    pub profile: String,
    /// The services.
    pub services: Services,
    /// Names of the services in the control script.
    pub names: Vec<String>,
    // The last, as fields are dropped in their order: the services are found by what lies in it, and ended before it goes.
    dir: TempDir,
}

/// A small product with one of every kind of change: replaced, created, in a new folder, consumed.
pub(crate) const SMALL: &str = r#"(
  name: "small", title: (en: "A small product"),
  product: (name: "Small", version: "1", patch: "2"),
  variables: [(name: "home", about: (en: "where it is"))],
  components: [
    ( id: "files", title: (en: "files"),
      role: Restore(plugin: "file-set", config: (from: "home/backup", to: "home/live", consume: true)),
      presence: (marker: "home/live/a.conf"),
      services: [(name: "First"), (name: "Second")] ),
  ],
  timeouts: (stop: 120, start: 120, status: 120, exit: 5, settle: 0),
)"#;

impl World {
    /// An empty world with these services: (display name, name in the control script).
    pub fn new(services: &[(&str, &str)]) -> Self {
        Self::new_in(&place::worlds(), services)
    }

    fn new_in(above: &Path, services: &[(&str, &str)]) -> Self {
        Self::in_folder(TempDir::with_prefix_in("backout-world-", above).unwrap(), services)
    }

    fn in_folder(dir: TempDir, services: &[(&str, &str)]) -> Self {
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        let plugins = dir.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        for library in &built().plugins {
            let to = plugins.join(library.file_name().unwrap());
            fs::copy(library, &to).unwrap();
            place::shield(&to);
        }
        let ctl = Services::new(dir.path().join("services"));
        let world = Self {
            program: built().backout.clone(),
            home,
            state: dir.path().join("state"),
            plugins,
            site: dir.path().join("site.ron"),
            profile: String::new(),
            services: ctl,
            names: services.iter().map(|(_, n)| (*n).to_owned()).collect(),
            dir,
        };
        world.write_site(services, "");
        for (_, name) in services {
            assert_eq!(world.services.ctl("start", name), 0);
        }
        world.services.clear_log();
        world
    }

    /// Writes the site file again; `more` is further fields.
    pub fn write_site(&self, services: &[(&str, &str)], more: &str) {
        let entries: Vec<String> = services.iter().map(|(d, n)| self.services.entry(d, n)).collect();
        let text = format!(
            "(\n vars: {{ \"home\": {:?} }},\n services: Commands({{ {} }}),\n {more}\n)\n",
            self.home.to_str().unwrap(),
            entries.join(",\n   ")
        );
        fs::write(&self.site, text).unwrap();
    }

    /// The small product, patched, with both services running.
    pub fn small() -> Self {
        Self::small_in(&place::worlds())
    }

    /// The same, in a folder of its own below `above`.
    pub fn small_in(above: &Path) -> Self {
        let mut world = Self::new_in(above, &[("First", "first"), ("Second", "second")]);
        small_tree(&world.home);
        let profile = world.dir.path().join("small.ron");
        fs::write(&profile, SMALL).unwrap();
        world.profile = profile.to_str().unwrap().to_owned();
        world
    }

    /// The small product, patched, without services.
    pub fn without_services() -> Self {
        Self::without_services_in(&place::worlds())
    }

    /// The same, in a folder of its own below `above`.
    pub fn without_services_in(above: &Path) -> Self {
        let dir = TempDir::with_prefix_in("backout-world-", above).unwrap();
        let mut world = Self::in_folder(dir, &[]);
        small_tree(&world.home);
        let profile = world.dir.path().join("small.ron");
        fs::write(&profile, SMALL.replace(r#"services: [(name: "First"), (name: "Second")]"#, "")).unwrap();
        world.profile = profile.to_str().unwrap().to_owned();
        world
    }

    /// The world's folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A call of the binary with this world's state folder; nothing is added but `args`.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).arg("--state-dir").arg(&self.state);
        command.stdin(Stdio::null()).env_remove("BACKOUT_STATE_DIR");
        command
    }

    /// The flags that a verb with a profile needs here.
    pub fn flags(&self) -> Vec<String> {
        let text = |p: &Path| p.to_str().unwrap().to_owned();
        vec!["--site".into(), text(&self.site), "--plugin-dir".into(), text(&self.plugins)]
    }

    /// `VERB PROFILE` with everything it needs, and `--yes --json`.
    pub fn verb(&self, verb: &str, more: &[&str]) -> Run {
        Run::to_its_end(&mut self.verb_command(verb, more))
    }

    /// The same, not run yet.
    pub fn verb_command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = self.command(&[verb, &self.profile]);
        command.args(self.flags()).args(["--json", "--jobs", "1"]).args(more);
        if ["rollback", "apply"].contains(&verb) {
            command.arg("--yes");
        }
        command
    }

    /// `rollback`.
    pub fn rollback(&self, more: &[&str]) -> Run {
        self.verb("rollback", more)
    }

    /// `recover`, `undo`, `commit`, `status`: verbs without a profile.
    pub fn plain(&self, args: &[&str]) -> Run {
        let mut command = self.command(args);
        command.arg("--json");
        if ["undo", "commit"].contains(&args[0]) {
            command.arg("--yes");
        }
        Run::to_its_end(&mut command)
    }

    /// The product's files.
    pub fn files(&self) -> Snapshot {
        snapshot(&self.home)
    }

    /// Which of the services run, by name.
    pub fn running(&self) -> Vec<bool> {
        self.names.iter().map(|n| self.services.runs(n)).collect()
    }
}

/// The files of the small product, patched, in `home`.
pub(crate) fn small_tree(home: &Path) {
    let live = home.join("live");
    let backup = home.join("backup");
    for (folder, files) in [
        (&live, [("a.conf", "patched a"), ("b.conf", "patched b"), ("sub/c.conf", "patched c")].as_slice()),
        (
            &backup,
            [
                ("a.conf", "old a"),
                ("b.conf", "old b"),
                ("sub/c.conf", "old c"),
                ("gone.conf", "old gone"),
                ("new/deep/d.conf", "old d"),
                ("new/e.conf", "old e"),
            ]
            .as_slice(),
        ),
    ] {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            filetime::set_file_mtime(&path, filetime::FileTime::from_unix_time(1_300_000_000, 123)).unwrap();
        }
    }
}
