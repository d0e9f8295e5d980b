//! A ServerProtect as it is installed: below `C:\Program Files\Trend`, its services registered with the system's own
//! service manager by their display names.

mod holding;
mod manager;

pub use holding::Holding;

use crate::{
    ServerProtect, World,
    binary::program,
    process,
    serverprotect::{SERVICES, rows},
};
use backout_demo::{Tree, TreeSpec};
use backout_protocol::MachineType;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use windows_sys::Win32::{
    Foundation::{ERROR_INTERNAL_ERROR, ERROR_SERVICE_ALREADY_RUNNING},
    System::Services::{SERVICE_RUNNING, SERVICE_STOP_PENDING, SERVICE_STOPPED},
};

const HOME: &str = r"C:\Program Files\Trend";
/// It says that the folder is of these tests.
const OURS: &str = r"C:\Program Files\Trend.backout-test";
/// Only what fails waits so long.
const LIMIT: Duration = Duration::from_secs(600);

/// The manager's names and the folder are there once only.
static ALONE: Mutex<()> = Mutex::new(());

/// What is installed. It goes with this.
#[derive(Debug)]
pub struct Installed {
    /// The tree, and the binary to run on it.
    pub product: ServerProtect,
    /// Its three services, in the vendor's order.
    pub services: Vec<Registered>,
    _alone: MutexGuard<'static, ()>,
}

impl Installed {
    /// Installs it patched, with all components and their services running.
    ///
    /// # Panics
    /// Where services of these names or the folder are there already, and not of a test that died.
    pub fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = Path::new(OURS).exists();
        for (shown, name) in SERVICES {
            if let Some(there) = manager::key_of(shown) {
                assert!(there == key(name), "the service `{shown}` is there already: `{there}`");
                remove(&there);
            }
        }
        assert!(ours || !Path::new(HOME).exists(), "`{HOME}` is there already");
        fs::write(OURS, "").unwrap();
        let _ = fs::remove_dir_all(HOME);

        let mut world = World::new(&[]);
        world.home = PathBuf::from(HOME);
        world.profile = "serverprotect-5.8-patch3".to_owned();
        let spec = TreeSpec { machine: MachineType::X64, ..TreeSpec::default() };
        let tree = Tree::build(&world.home, &spec, &rows()).unwrap();
        let site = format!(
            "( vars: {{ \"home\": {:?}, \"tmi\": {:?} }}, services: System,
               timeouts: (stop: 10, start: 30, status: 10, exit: 5, settle: 0) )",
            tree.home, tree.tmi
        );
        fs::write(&world.site, site).unwrap();
        let product = ServerProtect { world, tree };
        let lists = ["normal-server-x64", "information-server", "cm-agent"];
        let services = SERVICES.iter().zip(lists).map(|((shown, name), list)| {
            let live = product.list(list).into_iter().map(|file| file.live.clone());
            let libraries: Vec<PathBuf> = live.filter(|f| is_library(f)).take(3).collect();
            Registered::new(shown, name, &product.world, &libraries)
        });
        let services: Vec<Registered> = services.collect();
        let this = Self { product, services, _alone: alone };
        this.services.iter().for_each(Registered::start);
        this
    }

    /// Leaves everything behind, for what comes after a reboot.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// What was left by [`Installed::leave`] goes.
    pub fn clear() {
        for (shown, name) in SERVICES {
            if manager::key_of(shown).is_some_and(|there| there == key(name)) {
                remove(&key(name));
            }
        }
        let _ = fs::remove_dir_all(HOME);
        let _ = fs::remove_file(OURS);
    }

    /// Whether each of the services runs that were left.
    pub fn left_running() -> Vec<bool> {
        SERVICES.iter().map(|(_, name)| runs(&key(name))).collect()
    }

    /// Whether each service runs.
    pub fn running(&self) -> Vec<bool> {
        self.services.iter().map(Registered::runs).collect()
    }
}

impl Default for Installed {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.services.clear();
        let _ = fs::remove_dir_all(HOME);
        if !Path::new(HOME).exists() {
            let _ = fs::remove_file(OURS);
        }
    }
}

fn is_library(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("dll"))
}

fn key(name: &str) -> String {
    format!("backout-test-{name}")
}

/// A service that the manager has.
#[derive(Debug)]
pub struct Registered {
    key: String,
    how: PathBuf,
}

impl Registered {
    fn new(shown: &str, name: &str, world: &World, libraries: &[PathBuf]) -> Self {
        let program = program("backout-kit", "service");
        let how = world.path().join(format!("{name}.how"));
        let mut parts = vec![program.as_path(), &how];
        parts.extend(libraries.iter().map(PathBuf::as_path));
        assert!(!libraries.is_empty(), "it has files that are in use");
        manager::create(&key(name), shown, &manager::line(&parts)).unwrap();
        Self { key: key(name), how }
    }

    /// From its next start on it behaves like this, as the program `service` says.
    pub fn behaves(&self, how: &str) {
        fs::write(&self.how, how).unwrap();
    }

    /// Starts it and sees it run. A manager that is under load may refuse that with an error of its own: again.
    pub fn start(&self) {
        until("it is told to start", || {
            let told = manager::start(&self.key);
            match told.as_ref().err().and_then(io::Error::raw_os_error).map(i32::cast_unsigned) {
                Some(ERROR_INTERNAL_ERROR) => false,
                Some(ERROR_SERVICE_ALREADY_RUNNING) => true,
                _ => told.map(|()| true).unwrap(),
            }
        });
        until("it runs", || self.runs());
    }

    /// Stops it and sees it stopped.
    pub fn stop(&self) {
        manager::stop(&self.key).unwrap();
        until("it is stopped", || manager::status(&self.key).is_ok_and(|(s, _)| s == SERVICE_STOPPED));
    }

    /// Starts it again, to behave like this.
    pub fn restart(&self, how: &str) {
        self.stop();
        self.behaves(how);
        self.start();
    }

    /// Whether the manager says that it runs, and its process does.
    pub fn runs(&self) -> bool {
        runs(&self.key)
    }

    /// Whether it was told to stop and has not.
    pub fn is_stopping(&self) -> bool {
        manager::status(&self.key).is_ok_and(|(state, _)| state == SERVICE_STOP_PENDING)
    }

    /// Its process now.
    pub fn process(&self) -> u32 {
        manager::status(&self.key).map_or(0, |(_, pid)| pid)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        remove(&self.key);
    }
}

fn runs(key: &str) -> bool {
    manager::status(key).is_ok_and(|(state, pid)| state == SERVICE_RUNNING && process::is_there(pid))
}

/// Takes a service away, whatever it is doing.
fn remove(key: &str) {
    let pid = manager::status(key).map_or(0, |(_, pid)| pid);
    if pid != 0 {
        process::kill(pid);
    }
    let _ = manager::delete(key);
}

/// Waits for something that comes by itself.
#[track_caller]
pub fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !seen() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
