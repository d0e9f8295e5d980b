//! The real binary and the real plugins, built once.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod making;

use serde_json::Value;
use std::{
    fs::File,
    io::{Read, Seek},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    thread,
};

/// Where the built things are.
#[derive(Debug)]
pub struct Built {
    /// The binary.
    pub backout: PathBuf,
    /// The plugins' libraries.
    pub plugins: Vec<PathBuf>,
}

/// Packages whose libraries are plugins.
const PLUGINS: [&str; 5] = [
    "backout-normal-server",
    "backout-information-server",
    "backout-cm-agent",
    "backout-file-set",
    "backout-settings",
];

/// The binary and the plugins: built now if they are not up to date, or found beside the test where that cannot be.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = making::built(&PLUGINS);
        assert_eq!(built.plugins.len(), PLUGINS.len(), "{built:?}");
        built
    })
}

/// An example of a package, like [`built`].
pub fn example(package: &str, name: &str) -> PathBuf {
    making::executable(package, "--example", name)
}

/// A program of a package, like [`built`].
pub fn program(package: &str, name: &str) -> PathBuf {
    making::executable(package, "--bin", name)
}

/// A library of a package's examples, like [`built`].
#[cfg(unix)]
pub fn library(package: &str, name: &str) -> PathBuf {
    making::library(package, name)
}

/// Outcomes that only a run has.
const OF_A_RUN: [&str; 6] = ["completed", "rolled-back", "unfinished", "stuck", "reboot-pending", "staged"];

/// How a call of the binary ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// The result object, where `--json` was given.
    pub json: Value,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Runs a command to its end.
    pub fn to_its_end(command: &mut Command) -> Self {
        Running::start(command).to_its_end()
    }

    /// Reads what a finished process left.
    pub fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = stdout.lines().last().and_then(|l| serde_json::from_str(l).ok());
        let json = json.or_else(|| serde_json::from_str(&stdout).ok()).unwrap_or(Value::Null);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code(), json, stdout, stderr }
    }

    /// Panics with everything that is known unless the exit code is `code`, and what is said of a run names it.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        let outcome = self.json["outcome"].as_str().unwrap_or_default();
        assert!(
            !OF_A_RUN.contains(&outcome) || self.json["run_id"].is_string(),
            "which run? {}",
            self.stdout
        );
        self
    }

    /// The stable code of the error, or "".
    pub fn error_code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or("")
    }
}

/// A call of the binary that goes on. It writes to files: a pipe would stay open as long as whatever the call leaves
/// behind, on systems where every child inherits it.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    out: File,
    err: File,
}

impl Running {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        let sink = || tempfile::tempfile().unwrap();
        let (out, err) = (sink(), sink());
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
        Self { child: command.spawn().unwrap(), out, err }
    }

    /// Waits until that is so, which must be before the call ends.
    #[track_caller]
    pub fn until(&mut self, reached: impl Fn() -> bool) {
        while !reached() {
            assert!(self.child.try_wait().unwrap().is_none(), "the call ended early");
            thread::yield_now();
        }
    }

    /// Waits for its end.
    pub fn to_its_end(mut self) -> Run {
        let status = self.child.wait().unwrap();
        Run::of(&Output { status, stdout: said(&mut self.out), stderr: said(&mut self.err) })
    }
}

fn said(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}
