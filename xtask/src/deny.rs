//! `cargo deny` watches over what is built in.

use crate::{
    build::{call, cargo},
    tool::{Tool, quietly},
};

const TOOL: Tool = Tool { name: "deny", package: "cargo-deny", version: None };

/// Whether `cargo deny` is here. It is not built for this: that would take longer than most suites.
pub(crate) fn can_deny() -> Result<(), String> {
    if TOOL.is_here() { Ok(()) } else { Err(TOOL.missing()) }
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
