//! What a component does when something cannot be looked at.

use super::plan;
use crate::{Component, machine::Record};
use backout_protocol::{
    HostPath,
    message::{Fixture, Proposal, Proposed},
};
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// The words of a system that gives no answer.
const WHY: &str = "a fault of the test";

/// Makes everything that the plan asks about unreadable, one path at a time.
pub(super) fn check<C: Component>(config: &str, machine: &Fixture) -> Result<(), String> {
    let (_, record) = plan::<C>(config, machine);
    for path in record.asked {
        let blind = machine.unreadable(&path.0, WHY);
        let again = || {
            let run = catch_unwind(AssertUnwindSafe(|| plan::<C>(config, &blind)));
            run.map_err(|_| format!("with `{path}` unreadable it panics"))
        };
        let (given, Record { asked, .. }) = again()?;
        if again()?.0 != given {
            return Err(format!("with `{path}` unreadable it does not give the same twice"));
        }
        if let Ok(proposal) = given
            && let Some(named) = asked_in_vain(&proposal, &asked, &path.0)
        {
            return Err(format!(
                "with `{path}` unreadable it still proposes a step on `{}`, which it asked about in vain",
                HostPath(named)
            ));
        }
    }
    Ok(())
}

/// What the proposal changes, or takes a backup from, at or below `blind`, although it was asked about.
fn asked_in_vain(proposal: &Proposal, asked: &BTreeSet<HostPath>, blind: &Path) -> Option<PathBuf> {
    let vain = |path: &PathBuf| {
        path.starts_with(blind)
            && asked
                .iter()
                .any(|a| a.0.starts_with(blind) && (path.starts_with(&a.0) || a.0.starts_with(path)))
    };
    proposal.steps.iter().flat_map(named).find(vain)
}

fn named(step: &Proposed) -> Vec<PathBuf> {
    match step {
        Proposed::RestoreFile { target, candidates, .. } => {
            candidates.iter().map(|c| c.place.path()).chain([target.path()]).collect()
        }
        Proposed::WriteFile { target, .. }
        | Proposed::RemoveFile { target, .. }
        | Proposed::RemoveFolder { target } => {
            vec![target.path()]
        }
        Proposed::StopService { .. }
        | Proposed::WaitExit { .. }
        | Proposed::StartService { .. }
        | Proposed::Custom { .. } => Vec::new(),
    }
}
