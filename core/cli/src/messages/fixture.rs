//! Machines in files, and what plugins propose for them.

use super::Said;
use backout_protocol::{
    message::{Fixture, Planned, Proposal, Recorded},
    path::encode,
    text::to_ron,
};
use std::path::Path;

/// A proposal as a person reads it and an example states it.
pub(crate) fn shown(proposal: &Proposal) -> String {
    to_ron(proposal).unwrap_or_else(|e| e.to_string())
}

/// A fixture's file.
pub(crate) fn ron(machine: &Fixture) -> String {
    to_ron(machine).unwrap_or_else(|e| e.to_string())
}

/// A machine was recorded.
pub(crate) fn written(file: &Path, recorded: &Recorded) -> String {
    let planned = match &recorded.planned {
        Planned::Proposal(proposal) => format!("the plugin proposes {} steps for it", proposal.steps.len()),
        Planned::Failed(failure) => format!("the plugin cannot plan for it: {}", failure.message),
    };
    format!(
        "`{}` holds {} paths and what the plugin read of them; look through it before you give it away\n{planned}",
        encode(file.as_os_str()),
        recorded.machine.paths.len()
    )
}

/// A fixture cannot be written.
pub(crate) fn not_written(file: &Path, why: &str) -> Said {
    Said::new(
        1090,
        format!(
            "the fixture cannot be written to `{}`: {why}; nothing was touched",
            encode(file.as_os_str())
        ),
        "give `-o` a new file in a folder of your own",
    )
}
