//! Folders that a patch made, and that go with what it put into them.

use crate::{Kind, Machine};
use backout_protocol::{
    NameRule, Place,
    message::{Failure, Proposal, Proposed},
    step::Fate,
};
use std::{cmp::Reverse, collections::BTreeSet, path::PathBuf};

/// Adds a step for each of these folders in which nothing stays, the deepest first. Which backups go back, and whether an
/// added file still is what the patch put there, is the engine's to decide, which leaves a folder in which something stays.
pub(super) fn take_away(
    mut made: Vec<(PathBuf, Place)>,
    machine: &Machine,
    names: NameRule,
    proposal: &mut Proposal,
) -> Result<(), Failure> {
    made.sort_by_key(|(path, _)| Reverse(path.components().count()));
    let key = |place: &Place| names.path_key(&place.path());
    let mut gone: BTreeSet<String> = BTreeSet::new();
    for step in &proposal.steps {
        match step {
            Proposed::RemoveFile { target, .. } => {
                gone.insert(key(target));
            }
            Proposed::RestoreFile { candidates, .. } => {
                gone.extend(candidates.iter().filter(|c| c.fate == Fate::Consume).map(|c| key(&c.place)));
            }
            _ => {}
        }
    }
    for (path, target) in made {
        match machine.stat(&path)? {
            Some(stat) if stat.kind == Kind::Folder => {}
            // It is gone already, or something else has its name.
            _ => continue,
        }
        let goes =
            |rel: &backout_protocol::RelPath| gone.contains(&names.path_key(&path.join(rel.as_path())));
        if machine.list(&path)?.iter().all(|entry| goes(&entry.rel)) {
            gone.insert(key(&target));
            proposal.steps.push(Proposed::RemoveFolder { target });
        }
    }
    Ok(())
}
