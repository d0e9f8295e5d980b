//! Tools of others that watch over the code: `cargo deny` over what is built in, `cargo mutants` over the tests.

use crate::build::{call, cargo, root};
use std::process::Stdio;

/// A tool that cargo installs.
struct Tool {
    /// As in `cargo NAME`.
    name: &'static str,
    package: &'static str,
}

const DENY: Tool = Tool { name: "deny", package: "cargo-deny" };
const MUTANTS: Tool = Tool { name: "mutants", package: "cargo-mutants" };

/// Packages whose tests must notice a change of any function.
const MUTATED: [&str; 2] = ["backout-journal", "backout-engine"];

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

/// Changes every function of some packages, one at a time: some test must notice. Where it cannot be installed that is
/// said, and nothing else.
pub(crate) fn mutants() -> Result<(), String> {
    if let Err(why) = MUTANTS.provide() {
        println!("mutants are skipped: {why}");
        return Ok(());
    }
    MUTATED.iter().try_for_each(|package| {
        let output = format!("target/mutants/{package}");
        call(&mut cargo(&[
            "mutants",
            "--package",
            package,
            "--output",
            &output,
            "--no-times",
            "--colors=never",
        ]))
    })
}
