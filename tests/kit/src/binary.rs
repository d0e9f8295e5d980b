//! The real binary and the real plugins, built once.

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
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
const PLUGINS: [&str; 4] =
    ["backout-normal-server", "backout-information-server", "backout-cm-agent", "backout-file-set"];

/// Builds the binary and the plugins (nothing is done if they are up to date) and says where they are.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
        build.current_dir(root).args(["build", "--quiet", "--message-format=json", "-p", "backout"]);
        build.args(PLUGINS.iter().flat_map(|p| ["-p", p]));
        let output = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "the binary and the plugins must build");
        let mut found = Built { backout: PathBuf::new(), plugins: Vec::new() };
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            if message["reason"] != "compiler-artifact" {
                continue;
            }
            let kinds = message["target"]["kind"].as_array().cloned().unwrap_or_default();
            if message["target"]["name"] == "backout" && kinds.iter().any(|k| k == "bin") {
                found.backout = PathBuf::from(message["executable"].as_str().unwrap());
            }
            if kinds.iter().any(|k| k == "cdylib") {
                let files = message["filenames"].as_array().unwrap();
                let so = files
                    .iter()
                    .filter_map(Value::as_str)
                    .find(|f| f.ends_with(std::env::consts::DLL_SUFFIX));
                found.plugins.extend(so.map(PathBuf::from));
            }
        }
        assert_eq!(found.plugins.len(), PLUGINS.len(), "{found:?}");
        found
    })
}

/// Builds an example of a package (nothing is done if it is up to date) and says where it is.
pub fn example(package: &str, name: &str) -> PathBuf {
    executable(package, "--example", name)
}

/// Builds a program of a package (nothing is done if it is up to date) and says where it is.
pub fn program(package: &str, name: &str) -> PathBuf {
    executable(package, "--bin", name)
}

fn executable(package: &str, kind: &str, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    build.current_dir(root).args(["build", "--quiet", "--message-format=json", "-p", package, kind, name]);
    let output = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{name} must build");
    let messages = String::from_utf8(output.stdout).unwrap();
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut found = built.filter(|m| m["target"]["name"] == name);
    found.find_map(|message| message["executable"].as_str().map(PathBuf::from)).unwrap()
}

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
    /// Reads what a finished process left.
    pub fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = stdout.lines().last().and_then(|l| serde_json::from_str(l).ok());
        let json = json.or_else(|| serde_json::from_str(&stdout).ok()).unwrap_or(Value::Null);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code(), json, stdout, stderr }
    }

    /// Panics with everything that is known unless the exit code is `code`.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The stable code of the error, or "".
    pub fn error_code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or("")
    }
}
