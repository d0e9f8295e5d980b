//! What the history says, and what lies beside the targets for it.

use backout_kit::{Run, World, snapshot};
use serde_json::Value;
use std::path::Path;

/// The runs that are over, newest first.
#[track_caller]
pub fn runs(world: &World) -> Vec<Value> {
    world.plain(&["history"]).ends(0).json["data"]["runs"].as_array().unwrap().clone()
}

/// Removes all but the newest so many runs, however young.
pub fn prune(world: &World, keep: usize, more: &[&str]) -> Run {
    let keep = keep.to_string();
    let mut command = world.command(&["history", "prune", "--keep", &keep, "--days", "0", "--json"]);
    Run::to_its_end(command.args(more))
}

/// Every folder beside a target belongs to a run whose journal is there.
#[track_caller]
pub fn every_leftover_has_its_journal(world: &World) {
    for folder in snapshot::leftovers(&world.home) {
        let name = Path::new(&folder).file_name().unwrap().to_str().unwrap().to_owned();
        let run = name.trim_start_matches(".backout-");
        let over = world.state.join("history").join(run).join("journal").is_file();
        let open = world.state.join("transactions").join(run).join("journal").is_file();
        assert!(over || open, "{folder} without its journal");
    }
}
