//! Words about runs that are over.

use super::{bytes, code, names};
use crate::logging::when;
use backout_engine::history::{Entry, Fate, Pruned};
use backout_protocol::{RunId, plan::PlanKind, report::Warning};

/// What is asked before undos are given up that the usual rule would keep.
pub(crate) const QUESTION: &str = "Remove these runs? They cannot be undone any more. [yes/no]";

/// How a run ended, in one word for programs.
pub(crate) fn fate(fate: &Fate) -> &'static str {
    match fate {
        Fate::Open(_) => "open",
        Fate::Committed => "committed",
        Fate::Undone { .. } => "put-back",
        Fate::Abandoned => "abandoned",
        Fate::Unreadable { .. } => "unreadable",
    }
}

/// Why it ended so, where there is a reason.
pub(crate) fn why(fate: &Fate) -> Option<&str> {
    match fate {
        Fate::Open(_) | Fate::Committed | Fate::Abandoned => None,
        Fate::Undone { why } | Fate::Unreadable { why } => Some(why),
    }
}

/// One run in one line.
pub(crate) fn line(entry: &Entry, undone_by: Option<&RunId>) -> String {
    let what = match &entry.plan {
        Some(plan) => match &plan.kind {
            PlanKind::Rollback => match &plan.guard {
                Some(guard) => format!("way back of the guard {guard}"),
                None => format!("rollback of {}", plan.profile.name),
            },
            PlanKind::Apply => format!("{} applied", plan.profile.name),
            PlanKind::Undo { of } => format!("undo of {of}"),
            PlanKind::Guard(guard) => {
                let of = match plan.profile.is_none() {
                    true => names(&guard.roots),
                    false => plan.profile.name.clone(),
                };
                format!("guard of {of}, {}", super::guard::installer(guard))
            }
        },
        None => "a run".to_owned(),
    };
    let ended = match &entry.fate {
        Fate::Open(_) => "not over".to_owned(),
        Fate::Committed => {
            let done =
                if entry.plan.as_ref().is_some_and(|p| p.guards().is_some()) { "kept" } else { "done" };
            undone_by.map_or_else(|| done.to_owned(), |by| format!("{done}, undone by {by}"))
        }
        Fate::Undone { why } => format!("put back: {why}"),
        Fate::Abandoned => "given up by an operator".to_owned(),
        Fate::Unreadable { why } => format!("its records cannot be read: {why}"),
    };
    let kept = if entry.kept.is_empty() { String::new() } else { format!("; keeps {}", bytes(entry.bytes)) };
    format!("{}  {}  {what}: {ended}{kept}", entry.run, when(entry.begun))
}

/// Which runs go, or went.
pub(crate) fn pruned(pruned: &[Pruned], dry_run: bool) -> String {
    if pruned.is_empty() {
        return "no run's time is over".to_owned();
    }
    let gone: Vec<&Pruned> = pruned.iter().filter(|p| p.left.is_none()).collect();
    let freed: u64 = gone.iter().map(|p| p.bytes).sum();
    let verb = if dry_run { "would be removed" } else { "removed" };
    let mut text = format!("{} runs {verb}, {}", gone.len(), bytes(freed));
    for one in gone {
        text.push_str(&format!("\n  {}  {}", one.run, bytes(one.bytes)));
    }
    text
}

/// A run whose time is over and that cannot go.
pub(crate) fn stays(one: &Pruned) -> Warning {
    let why = one.left.as_deref().unwrap_or_default();
    Warning {
        code: code(4031),
        message: format!("the time of the run {} is over, but it stays: {why}", one.run),
    }
}
