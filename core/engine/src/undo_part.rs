//! A part of an undo: only the files that the operator names, with what belongs to them. And what a later run put on top
//! where an undo is refused.

use crate::{
    claims::names,
    history,
    refusal::{PathFlag, Refusal},
    state::State,
    transaction::{Dressing, Swap, Transaction},
};
use backout_disk::fingerprint::fingerprint;
use backout_protocol::{Fingerprint, Place, RunId, Step};
use std::collections::BTreeSet;

/// Leaves in `tx` only the swaps of the files that `paths` name, and says how many it took out. With a file come the
/// backups that went away when it went back, without which it could never go back again, and the folders above it that
/// the run took away.
///
/// # Errors
/// [`Refusal::PathUnused`].
pub(crate) fn keep_only(tx: &mut Transaction, paths: &[String]) -> Result<usize, Refusal> {
    let rule = tx.plan.site.names;
    let mut chosen: BTreeSet<Place> = BTreeSet::new();
    let mut dressings: Vec<Dressing> = Vec::new();
    for text in paths {
        let found: Vec<&Place> =
            tx.swaps.iter().map(|s| &s.target).filter(|t| names(rule, text, t)).collect();
        let of_path = |d: &&Dressing| names(rule, text, &d.place());
        dressings.extend(tx.dressings.iter().filter(of_path).cloned());
        if found.is_empty() && !tx.dressings.iter().any(|d| of_path(&d)) {
            return Err(Refusal::PathUnused { flag: PathFlag::Undo, path: text.clone() });
        }
        chosen.extend(found.into_iter().cloned());
    }
    let mut of_chosen = false;
    let mut backups = Vec::new();
    for step in &tx.plan.steps {
        match step {
            // A file's own backups follow it.
            Step::ConsumeBackup { backup, .. } if of_chosen => backups.push(backup.clone()),
            Step::ConsumeBackup { .. } => {}
            other => of_chosen = other.target().is_some_and(|t| chosen.contains(t)),
        }
    }
    chosen.extend(backups);
    let above = |swap: &Swap| {
        matches!(swap.before, Fingerprint::Folder { .. })
            && chosen
                .iter()
                .any(|c| c.root == swap.target.root && c.rel.as_path().starts_with(swap.target.rel.as_path()))
    };
    let all = tx.swaps.len() + tx.dressings.len();
    dressings.dedup();
    tx.dressings = dressings;
    let kept = tx.swaps.iter().filter(|s| chosen.contains(&s.target) || above(s)).cloned().collect();
    tx.swaps = kept;
    Ok(all - tx.swaps.len() - tx.dressings.len())
}

/// Whether a folder that the run took away is back, whatever lies in it by now: an undo of a part has made it again for
/// the files that it brought back.
pub(crate) fn is_there_again(swap: &Swap, live: Fingerprint) -> bool {
    swap.after.is_absent()
        && matches!((swap.before, live), (Fingerprint::Folder { .. }, Fingerprint::Folder { .. }))
}

/// Adds to a refusal for drift which later run put there what is live now.
pub(crate) fn with_later(state: &State, run: &RunId, refusal: Refusal) -> Refusal {
    let Refusal::UndoDrift { targets, .. } = refusal else { return refusal };
    let ids = state.history_ids().unwrap_or_default().into_iter().rev().take_while(|id| id > run);
    let later: Vec<Transaction> = ids
        .filter_map(|id| history::read(state, &id).ok().flatten())
        .filter(|(reading, _)| reading.status.is_committed())
        .map(|(_, tx)| tx)
        .collect();
    let put_there = |target: &Place| {
        let live = fingerprint(target).ok()?;
        let is_it = |tx: &&Transaction| tx.swaps.iter().any(|s| s.target == *target && s.after == live);
        later.iter().find(is_it).map(|tx| tx.run.clone())
    };
    let on_top = targets.iter().filter_map(|t| Some((t.clone(), put_there(t)?))).collect();
    Refusal::UndoDrift { targets, on_top }
}
