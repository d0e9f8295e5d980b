//! Real services: `ctl VERB NAME` starts, stops and asks a real process, and writes down what it was told. Files named
//! `NAME.<fault>` beside it make it misbehave.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod control;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A folder of services and the log of what they were told.
#[derive(Debug)]
pub struct Services {
    dir: PathBuf,
}

impl Services {
    /// Makes the folder with its control script.
    pub fn new(dir: PathBuf) -> Self {
        fs::create_dir_all(&dir).unwrap();
        control::install(&dir);
        Self { dir }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One entry of a site's `Commands`.
    pub fn entry(&self, display: &str, name: &str) -> String {
        let [start, stop, status] = ["start", "stop", "status"].map(|verb| self.command(verb, name));
        format!("{display:?}: (start: {start}, stop: {stop}, status: {status})")
    }

    /// A command, as a site or a profile says it. The status of a service that nobody knows is never well.
    pub fn command(&self, verb: &str, name: &str) -> String {
        format!("[{:?}, {verb:?}, {name:?}]", self.dir.join(control::NAME).to_str().unwrap())
    }

    /// Makes a service misbehave: `refuse-stop`, `ignore-stop`, `refuse-start`, `die`, `nonsense`.
    pub fn fault(&self, name: &str, fault: &str) {
        fs::write(self.dir.join(format!("{name}.{fault}")), "").unwrap();
    }

    /// Lets it behave again.
    pub fn mend(&self, name: &str, fault: &str) {
        let _ = fs::remove_file(self.dir.join(format!("{name}.{fault}")));
    }

    /// The next such verb of a service ends whoever called for it, and goes on.
    pub fn kills(&self, name: &str, verb: &str) {
        self.fault(name, &format!("kills-{verb}"));
    }

    /// The next such verb of a service waits before it does anything, until [`Services::go_on`].
    pub fn waits(&self, name: &str, verb: &str) {
        self.mend(name, "waiting");
        self.mend(name, "go");
        self.fault(name, &format!("waits-{verb}"));
    }

    /// Whether a service waits.
    pub fn waiting(&self, name: &str) -> bool {
        self.dir.join(format!("{name}.waiting")).exists()
    }

    /// Lets it go on.
    pub fn go_on(&self, name: &str) {
        self.fault(name, "go");
    }

    /// Runs one verb and says its exit code.
    pub fn ctl(&self, verb: &str, name: &str) -> i32 {
        let mut ctl = Command::new(self.dir.join(control::NAME));
        ctl.args([verb, name]).stdin(Stdio::null()).status().unwrap().code().unwrap_or(-1)
    }

    /// Whether the service's process runs.
    pub fn runs(&self, name: &str) -> bool {
        self.ctl("status", name) == 0
    }

    /// What all services were told, in order.
    pub fn log(&self) -> Vec<String> {
        fs::read_to_string(self.dir.join(control::LOG))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Forgets it.
    pub fn clear_log(&self) {
        let _ = fs::remove_file(self.dir.join(control::LOG));
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        control::end(&self.dir);
    }
}
