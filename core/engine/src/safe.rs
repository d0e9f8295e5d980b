//! What cannot go back: a refusal that names it, or, where the operator asked for what is safe only, files that stay and
//! are named.

use crate::{
    claims::names,
    merge::{Ground, Merged},
    refusal::{PathFlag, Refusal},
};
use backout_protocol::{ComponentId, Notice, Place, Step, notice::Stays};
use std::collections::BTreeSet;

/// Refuses for the files that the merge found it cannot bring back, all of a kind at once; or leaves them.
pub(crate) fn judge(merged: &mut Merged, only_safe: bool) -> Result<(), Refusal> {
    if only_safe {
        let differing = merged.differing.drain(..).map(|(target, _)| (target, Stays::BackupsDiffer));
        let newer = merged.newer.drain(..);
        let newer = newer.map(|(target, live, patched)| (target, Stays::NewerOnTop { live, patched }));
        let drifted = merged.drifted.drain(..).map(|target| (target, Stays::Drifted));
        let left: Vec<_> = differing.chain(newer).chain(drifted).collect();
        leave(merged, left);
        return Ok(());
    }
    if !merged.differing.is_empty() {
        let (target, backups) = merged.differing.swap_remove(0);
        return Err(Refusal::BackupsDiffer { target, backups });
    }
    if !merged.newer.is_empty() {
        return Err(Refusal::NewerOnTop { files: std::mem::take(&mut merged.newer) });
    }
    if !merged.drifted.is_empty() {
        return Err(Refusal::Drifted { targets: std::mem::take(&mut merged.drifted) });
    }
    Ok(())
}

/// The same for files without a good backup, which the caller has looked for elsewhere.
pub(crate) fn leave_wanting(merged: &mut Merged) {
    let wanting = std::mem::take(&mut merged.wanting);
    let left = wanting.into_iter().map(|w| (w.target, Stays::NoGoodBackup(w.rejected))).collect();
    leave(merged, left);
}

/// Leaves the actions of every component of which a file stays: done beside old files, or left beside new ones, they would
/// make the component one that nobody has ever seen.
pub(crate) fn leave_actions(merged: &mut Merged) {
    let stays = |target: &Place| {
        merged.notices.iter().any(|n| matches!(n, Notice::LeftOut { target: left, .. } if left == target))
    };
    let torn: BTreeSet<ComponentId> =
        merged.owners.iter().filter(|(target, _)| stays(target)).map(|(_, owner)| owner.clone()).collect();
    let mut left = Vec::new();
    merged.customs.retain(|step| match step {
        Step::Custom { component, action, .. } if torn.contains(component) => {
            left.push(Notice::ActionLeftOut { component: component.clone(), action: action.clone() });
            false
        }
        _ => true,
    });
    merged.notices.extend(left);
}

fn leave(merged: &mut Merged, left: Vec<(Place, Stays)>) {
    merged.notices.extend(left.into_iter().map(|(target, why)| Notice::LeftOut { target, why }));
}

/// Whether the operator said that `target` stays.
pub(crate) fn kept(ground: &Ground<'_>, target: &Place) -> bool {
    ground.ask.keep_local.iter().any(|text| names(ground.names, text, target))
}

/// Whether the operator said that `target` goes back although somebody edited it.
pub(crate) fn overwritten(ground: &Ground<'_>, target: &Place) -> bool {
    ground.ask.overwrite.iter().any(|text| names(ground.names, text, target))
}

/// A path that names no file of the run, or is to be kept and overwritten, is a mistake worth hearing of.
pub(crate) fn paths_are_used<'a>(
    ground: &Ground<'_>,
    targets: impl Iterator<Item = &'a Place> + Clone,
) -> Result<(), Refusal> {
    let keep = ground.ask.keep_local.iter().map(|text| (PathFlag::KeepLocal, text));
    let overwrite = ground.ask.overwrite.iter().map(|text| (PathFlag::Overwrite, text));
    for (flag, text) in keep.chain(overwrite) {
        if !targets.clone().any(|t| names(ground.names, text, t)) {
            return Err(Refusal::PathUnused { flag, path: text.clone() });
        }
    }
    match targets.clone().find(|t| kept(ground, t) && overwritten(ground, t)) {
        Some(target) => Err(Refusal::StepsContradict { target: target.clone() }),
        None => Ok(()),
    }
}
