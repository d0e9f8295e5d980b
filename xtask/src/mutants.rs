//! Mutants: every function of what the promise rests on is changed, one at a time, and some test must notice.
//!
//! A package's own tests look first and take seconds. What they miss is shown to the tests of the whole program, which take
//! minutes each.

use crate::{
    build::{cargo, root, target},
    seed::Seed,
    tool::Tool,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TOOL: Tool = Tool { name: "mutants", package: "cargo-mutants" };

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

/// Longer than the tests of the whole program take, in seconds: a mutant that hangs is noticed.
const PATIENCE: &str = "1800";

/// Looks at tonight's part of each package. Where the tool cannot be installed that is said, and nothing else.
pub(crate) fn mutants(seed: Seed) -> Result<(), String> {
    if let Err(why) = TOOL.provide() {
        println!("mutants are skipped: {why}");
        return Ok(());
    }
    // Each package to its end, whatever the one before has missed.
    let missed = MUTATED.map(|mutated| mutated.look(seed));
    missed.into_iter().collect()
}

impl Mutated {
    fn look(&self, seed: Seed) -> Result<(), String> {
        let package = self.package;
        let part = format!("{}/{}", seed.day() % self.nights, self.nights);
        println!("mutants of {package}, part {part}");
        let mut own = self.call("own");
        // Unoptimised: each is built once and runs for seconds.
        own.args(["--jobs=2", "--shard", &part]);
        own.arg(format!("--cargo-arg=--config=profile.dev.package.{package}.opt-level=0"));
        let mut missed = listed(own, &self.folder("own"), "missed.txt")?;
        for whole in self.whole {
            if missed.is_empty() {
                break;
            }
            println!("{} are shown to {whole}", missed.len());
            let mut call = self.call(whole);
            call.args(["--baseline=skip", "--timeout", PATIENCE, "--test-package", whole]);
            // Fields that are left out are taken whatever the patterns say, so the files say it too.
            let files: BTreeSet<&str> = missed.iter().filter_map(|name| name.split(':').next()).collect();
            call.args(files.into_iter().flat_map(|file| ["--file", file]));
            call.args(missed.iter().flat_map(|name| ["--re".to_owned(), pattern(name)]));
            // What could not be built or was not taken has been noticed by nobody.
            let caught = listed(call, &self.folder(whole), "caught.txt")?;
            missed.retain(|name| !caught.contains(name));
        }
        if missed.is_empty() { Ok(()) } else { Err(format!("missed:\n{}", missed.join("\n"))) }
    }

    /// A call of the tool whose results go to a folder of that name.
    fn call(&self, name: &str) -> Command {
        let mut call = cargo(&[TOOL.name, "--package", self.package, "--no-times", "--colors=never"]);
        // What only debuggers read takes most of the linker's time, and each mutant is linked once.
        call.env("CARGO_PROFILE_DEV_DEBUG", "0").arg("--output").arg(self.folder(name));
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
