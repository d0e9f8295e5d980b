//! Mutants: every function of what the promise rests on is changed, one at a time, and some test must notice.
//!
//! A package's own tests look first and take seconds. What they miss is shown to the tests of the whole program, which take
//! minutes each.

mod explained;

use crate::{
    build::{cargo, root, target},
    memory,
    seed::Seed,
    tool::Tool,
};
use explained::Explained;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TOOL: Tool = Tool { name: "mutants", package: "cargo-mutants", version: Some("27.1.0") };

/// A package whose every function is changed.
struct Mutated {
    package: &'static str,
    /// In how many nights all of it is looked at.
    nights: u64,
    /// Whose tests look, one behind the other, at what its own have missed.
    whole: &'static [&'static str],
}

const MUTATED: [Mutated; 2] = [
    Mutated { package: "backout-journal", nights: 1, whole: &[] },
    Mutated { package: "backout-engine", nights: 60, whole: &["backout-e2e", "backout-crash"] },
];

/// What only another system would notice: the queue of the next reboot is Windows'.
const ELSEWHERE: &str = "**/defer.rs";

/// Whether the tool is here or can be installed.
pub(crate) fn can_mutate() -> Result<(), String> {
    TOOL.provide()
}

/// Looks at tonight's part of each package.
pub(crate) fn mutants(seed: Seed) -> Result<(), String> {
    let explained = Explained::from_page();
    // Each package to its end, whatever the one before has missed.
    let missed = MUTATED.map(|mutated| mutated.look(seed, &explained));
    let mut told: Vec<String> = missed.into_iter().filter_map(Result::err).collect();
    let stale = explained.stale(&all()?);
    if !stale.is_empty() {
        told.push(format!("explained and not there any more:\n{}", stale.join("\n")));
    }
    if told.is_empty() { Ok(()) } else { Err(told.join("\n")) }
}

/// Every mutant there is.
fn all() -> Result<Vec<String>, String> {
    let mut list = cargo(&[TOOL.name, "--list", "--no-times", "--colors=never"]);
    list.args(MUTATED.iter().flat_map(|mutated| ["--package", mutated.package]));
    let output = list.current_dir(root()).output().map_err(|e| format!("{list:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("failed ({}): {list:?}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

impl Mutated {
    fn look(&self, seed: Seed, explained: &Explained<'_>) -> Result<(), String> {
        let package = self.package;
        let part = format!("{}/{}", seed.day() % self.nights, self.nights);
        println!("mutants of {package}, part {part}");
        let mut own = self.call("own");
        // Unoptimised: each is built once and runs for seconds.
        own.args(["--jobs=2", "--shard", &part]);
        own.arg(format!("--cargo-arg=--config=profile.dev.package.{package}.opt-level=0"));
        let mut missed = listed(own, &self.folder("own"), "missed.txt")?;
        missed.retain(|mutant| !explained.covers(mutant));
        for whole in self.whole {
            if missed.is_empty() {
                break;
            }
            println!("{} are shown to {whole}", missed.len());
            // Its tests run once on what is not changed: whether they can notice anything, and how long they take.
            let mut call = self.call(whole);
            call.args(["--test-package", whole]);
            // Fields that are left out are taken whatever the patterns say, so the files say it too.
            let files: BTreeSet<&str> = missed.iter().filter_map(|mutant| mutant.split(':').next()).collect();
            call.args(files.into_iter().flat_map(|file| ["--file", file]));
            call.args(missed.iter().flat_map(|mutant| ["--re".to_owned(), pattern(mutant)]));
            // What could not be built or was not taken has been noticed by nobody.
            let caught = listed(call, &self.folder(whole), "caught.txt");
            let caught =
                caught.map_err(|why| format!("{why}\nnot noticed until then:\n{}", missed.join("\n")))?;
            missed.retain(|mutant| !caught.contains(mutant));
        }
        if missed.is_empty() { Ok(()) } else { Err(format!("missed:\n{}", missed.join("\n"))) }
    }

    /// A call of the tool whose results go to a folder of that name.
    fn call(&self, name: &str) -> Command {
        let mut call = memory::reaped(&cargo(&[TOOL.name, "--package", self.package]));
        call.args(["--no-times", "--colors=never", "--exclude", ELSEWHERE]);
        // One of ours would be that of every job; what only debuggers read takes most of the linker's time.
        call.env_remove("CARGO_TARGET_DIR").env("CARGO_PROFILE_DEV_DEBUG", "0");
        call.arg("--output").arg(self.folder(name));
        call
    }

    fn folder(&self, name: &str) -> PathBuf {
        target().join("mutants").join(self.package).join(name)
    }
}

/// Exactly this name, as far as a pattern needs to tell names apart.
fn pattern(name: &str) -> String {
    let exact: String = name.chars().map(|c| if c.is_alphanumeric() || c == ' ' { c } else { '.' }).collect();
    format!("^{exact}$")
}

/// One of the lists of names that a call leaves in `folder`.
fn listed(mut call: Command, folder: &Path, list: &str) -> Result<Vec<String>, String> {
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let status = call.current_dir(root()).status().map_err(|e| format!("{call:?}: {e}"))?;
    // All were noticed; some were not; some took too long, which is noticed too. Anything else is no answer.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(format!("failed ({status}): {call:?}"));
    }
    let list = folder.join("mutants.out").join(list);
    let text = fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}
