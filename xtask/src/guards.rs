//! Tools of others that watch over the code: `cargo deny` over what is built in, `cargo mutants` over the tests.

use crate::{
    build::{call, cargo, root, target},
    seed::Seed,
};
use std::{fs, process::Stdio};

/// A tool that cargo installs.
struct Tool {
    /// As in `cargo NAME`.
    name: &'static str,
    package: &'static str,
}

const DENY: Tool = Tool { name: "deny", package: "cargo-deny" };
const MUTANTS: Tool = Tool { name: "mutants", package: "cargo-mutants" };

/// Packages whose tests must notice a change of any function, and in how many nights all of it is looked at: each change of the
/// engine takes a minute to build, and there are thousands.
const MUTATED: [(&str, u64); 2] = [("backout-journal", 1), ("backout-engine", 60)];

impl Tool {
    fn is_here(&self) -> bool {
        quietly(&[self.name, "--version"])
    }

    /// Installs it if need be. `Err`: why it cannot be had here.
    fn provide(&self) -> Result<(), String> {
        if self.is_here() {
            return Ok(());
        }
        println!("installing {}", self.package);
        if quietly(&["install", "--quiet", "--locked", self.package]) && self.is_here() {
            return Ok(());
        }
        Err(self.missing())
    }

    fn missing(&self) -> String {
        format!("`cargo {}` is not here (cargo install --locked {})", self.name, self.package)
    }
}

/// A call of cargo that says nothing.
fn quietly(args: &[&str]) -> bool {
    let mut call = cargo(args);
    call.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    call.status().is_ok_and(|s| s.success())
}

/// Whether `cargo deny` is here. It is not built for this: that would take longer than most suites.
pub(crate) fn can_deny() -> Result<(), String> {
    if DENY.is_here() { Ok(()) } else { Err(DENY.missing()) }
}

/// Licences, where crates come from, crates that are there twice; advisories where their list can be fetched.
pub(crate) fn deny() -> Result<(), String> {
    let mut checks = vec!["licenses", "bans", "sources"];
    if quietly(&["deny", "fetch", "db"]) {
        checks.push("advisories");
    } else {
        println!("advisories are not looked at: their list cannot be fetched");
    }
    call(cargo(&["deny", "--log-level", "error", "check", "--hide-inclusion-graph"]).args(checks))
}

/// Changes every function of some packages, one at a time: some test must notice. Of those that take too long for a night a part
/// is looked at, by the seed. Where it cannot be installed that is said, and nothing else.
pub(crate) fn mutants(seed: Seed) -> Result<(), String> {
    if let Err(why) = MUTANTS.provide() {
        println!("mutants are skipped: {why}");
        return Ok(());
    }
    // Each package to its end, whatever the one before has missed.
    let missed = MUTATED.map(|(package, nights)| {
        let part = format!("{}/{nights}", seed.day() % nights);
        println!("mutants of {package}, part {part}");
        let output = target().join("mutants").join(package);
        fs::create_dir_all(&output).map_err(|e| format!("{}: {e}", output.display()))?;
        let mut mutants = cargo(&["mutants", "--package", package, "--shard", &part]);
        // What only debuggers read takes most of the linker's time, and each mutant is linked once.
        mutants.env("CARGO_PROFILE_DEV_DEBUG", "0");
        call(mutants.args(["--no-times", "--colors=never", "--jobs=2", "--output"]).arg(&output))
    });
    missed.into_iter().collect()
}
