//! Who holds a file, asked of the real system.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "makes the files that are held, stops at the first surprise"
)]

use backout_machine::{Holder, holders};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const MARK: &str = "holds:";

/// Not a test of its own: a process that has a file open, says so, and stays.
#[test]
fn hold() {
    let Some(path) = std::env::args().find_map(|a| a.strip_prefix(MARK).map(PathBuf::from)) else { return };
    let _held = fs::File::open(&path).unwrap();
    fs::write(path.with_extension("held"), "").unwrap();
    loop {
        std::thread::park();
    }
}

/// A process that does not outlive its test.
struct Holding(Child);

impl Holding {
    fn new(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "hold", &format!("{MARK}{}", path.display())]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        while !path.with_extension("held").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it runs");
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_has_a_file_open_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("held.dll"), dir.path().join("other.dll"));
    fs::write(&path, "x").unwrap();
    fs::write(&other, "x").unwrap();
    let holding = Holding::new(&path);
    let own = std::env::current_exe().unwrap();
    let image = own.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(holders::of(&path), [Holder { pid: holding.0.id(), image }]);
    assert_eq!(holders::of(&other), []);
    drop(holding);
    assert_eq!(holders::of(&path), []);
    assert_eq!(holders::of(&dir.path().join("nothing")), []);
}

#[cfg(unix)]
#[test]
fn a_program_that_runs_holds_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("sleeper");
    fs::copy("/bin/sleep", &path).unwrap();
    let mut command = Command::new(&path);
    let child = loop {
        // Another test's child may have our copy open for writing for a moment.
        match command.arg("600").spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            other => break Holding(other.unwrap()),
        }
    };
    while holders::of(&path).is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(holders::of(&path), [Holder { pid: child.0.id(), image: "sleeper".into() }]);
}
