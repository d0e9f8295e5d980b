//! Claims: the backups of all components for one file, judged together. One good one is taken, several good ones with
//! the same bytes are one, several that differ are a refusal unless the operator prefers a component's.

use crate::{
    decide::{Decision, decide},
    look,
    merge::{Ground, Merged, Proposer, once},
    refusal::{Claim, Refusal, Wanting},
    safe,
};
use backout_protocol::{
    ComponentId, Image, MachineType, NameRule, Notice, Place, Step,
    message::{Candidate, LeftAlone, LeftReason, Need, Proposed, Reject},
    path::decode,
    step::{Fate, Source},
};
use std::{collections::BTreeSet, ffi::OsString, path::Path};

/// What one component says of a file.
#[derive(Debug)]
pub(crate) struct Claims {
    pub component: ComponentId,
    pub need: Need,
    pub candidates: Vec<Candidate>,
}

/// One backup, looked at and judged. Several components may name the same one.
struct Backup<'a> {
    /// The first that named it, whose it counts as.
    component: &'a ComponentId,
    /// All that named it.
    claimants: Vec<&'a ComponentId>,
    candidate: &'a Candidate,
    image: Result<Image, Reject>,
    verdict: Result<(), Reject>,
}

impl Backup<'_> {
    fn is(&self, image: &Image) -> bool {
        self.image.as_ref().is_ok_and(|own| own.fingerprint == image.fingerprint)
    }
}

/// Adds to `merged` what becomes of `target`, which is `live` now.
pub(crate) fn settle(
    target: &Place,
    claims: &[Claims],
    live: &Image,
    ground: &Ground<'_>,
    merged: &mut Merged,
) -> Result<(), Refusal> {
    let mut backups = look_at(claims);
    let images: Vec<_> = backups.iter().map(|b| b.image.clone()).collect();
    // Only a file without a version needs its history, or the list's digest, to say that it is back.
    let restored = live.version.is_none() && (ground.restored)(target, live)
        || ground.known.is_before(target, claims.iter().map(|c| &c.component), live);
    let expected = claims.iter().find_map(|c| machine(ground, &c.component, target));
    // What stays shows its build too, so that a mixed state is seen.
    let stays = |merged: &mut Merged| {
        merged.seen.extend(claims.iter().map(|c| (c.component.clone(), *live, *live)));
    };
    let (verdicts, must) = match decide(strictest(claims), live, expected, restored, &images) {
        Decision::NewerOnTop { live, patched } => {
            merged.newer.push((target.clone(), live, patched));
            stays(merged);
            return Ok(());
        }
        Decision::Hold => {
            merged.files.push(Step::Hold { target: target.clone(), image: *live });
            merged.seen.extend(claims.iter().map(|c| (c.component.clone(), *live, *live)));
            leave(&backups, |_| Some(LeftReason::TargetHeld), merged);
            return Ok(());
        }
        Decision::NotHere
            if ground.known.is_removed(target, claims.iter().map(|c| &c.component)) || flickers(&backups) =>
        {
            (vec![Err(Reject::Missing); images.len()], true)
        }
        Decision::NotHere => return Ok(()),
        Decision::NeedsBackup(verdicts) => (verdicts, true),
        Decision::MayTake(verdicts) => (verdicts, false),
    };
    if must && ground.known.is_drift(target, claims.iter().map(|c| &c.component), live, &images) {
        if !safe::overwritten(ground, target) {
            merged.drifted.push(target.clone());
            stays(merged);
            return Ok(());
        }
        merged.notices.push(Notice::LocalSetAside { target: target.clone() });
    }
    for (backup, verdict) in backups.iter_mut().zip(verdicts) {
        backup.verdict = verdict;
    }
    // A preference is about files that the preferred component has a backup of; a bare name may fit others too.
    let claimed = |c: &ComponentId| claims.iter().any(|o| o.component == *c && !o.candidates.is_empty());
    let preferred =
        ground.ask.prefer.iter().find(|(text, c)| names(ground.names, text, target) && claimed(c));
    let preferred = preferred.map(|(_, c)| c);
    let wanted = |b: &&Backup<'_>| b.verdict.is_ok() && preferred.is_none_or(|p| b.claimants.contains(&p));
    let good: Vec<&Backup<'_>> = backups.iter().filter(wanted).collect();
    let Some((chosen, after)) = good.first().and_then(|b| Some((*b, *b.image.as_ref().ok()?))) else {
        if must {
            merged.wanting.extend(wanting(target, claims, &backups));
            stays(merged);
        } else {
            leave(&backups, |b| b.verdict.clone().err().map(LeftReason::Rejected), merged);
        }
        return Ok(());
    };
    if !good.iter().all(|b| b.is(&after)) {
        let claims = good.iter().filter_map(|b| claim(b)).collect();
        merged.differing.push((target.clone(), claims));
        stays(merged);
        return Ok(());
    }
    take(target, chosen, &backups, live, after, merged);
    merged.seen.extend(claims.iter().map(|c| (c.component.clone(), *live, after)));
    Ok(())
}

/// Looks at backups that are not there, so many times.
const LOOKS: usize = 32;

/// Whether something stands under the name of a backup that was not there a moment ago. A plugin may name one that it did not
/// look for; but one that comes and goes would be left out, with its file, of a run that takes the others.
fn flickers(missing: &[Backup<'_>]) -> bool {
    let comes = |b: &Backup<'_>| !matches!(look::candidate(&b.candidate.place), Err(Reject::Missing));
    !missing.is_empty()
        && (0..LOOKS).any(|_| {
            std::thread::yield_now();
            missing.iter().any(comes)
        })
}

fn machine(ground: &Ground<'_>, component: &ComponentId, target: &Place) -> Option<MachineType> {
    ground.machines.get(&(component.clone(), ground.names.key(target.rel.name()))).copied()
}

/// Each backup once, however many claims name it.
fn look_at(claims: &[Claims]) -> Vec<Backup<'_>> {
    let mut backups: Vec<Backup<'_>> = Vec::new();
    for claim in claims {
        for candidate in &claim.candidates {
            match backups.iter_mut().find(|b| b.candidate.place == candidate.place) {
                Some(known) => known.claimants.push(&claim.component),
                None => {
                    let (component, claimants) = (&claim.component, vec![&claim.component]);
                    let image = look::candidate(&candidate.place);
                    backups.push(Backup { component, claimants, candidate, image, verdict: Ok(()) });
                }
            }
        }
    }
    backups
}

/// The steps that bring `chosen` back, and what is said of the other backups.
fn take(
    target: &Place,
    chosen: &Backup<'_>,
    backups: &[Backup<'_>],
    live: &Image,
    after: Image,
    merged: &mut Merged,
) {
    merged.files.push(Step::ReplaceFile {
        target: target.clone(),
        source: Source::File(chosen.candidate.place.clone()),
        before: *live,
        after,
        component: chosen.component.clone(),
        differs: Vec::new(),
    });
    for backup in backups.iter().filter(|b| b.candidate.fate == Fate::Consume && b.is(&after)) {
        merged.files.push(Step::ConsumeBackup { backup: backup.candidate.place.clone(), before: after });
    }
    let others = backups.iter().filter(|b| !b.is(&after) && b.component != chosen.component);
    let preferred = others.clone().any(|b| b.verdict.is_ok());
    let others: BTreeSet<&ComponentId> = others.map(|b| b.component).collect();
    if !others.is_empty() {
        let (component, instead_of) = (chosen.component.clone(), others.into_iter().cloned().collect());
        merged.notices.push(Notice::Chosen { target: target.clone(), component, instead_of, preferred });
    }
    let reason = |b: &Backup<'_>| match &b.verdict {
        Err(reject) => Some(LeftReason::Rejected(reject.clone())),
        Ok(()) => (!b.is(&after)).then_some(LeftReason::NotChosen),
    };
    leave(backups, reason, merged);
}

/// Names backups that stay. Those whose place is theirs for good (`Keep`) are only named when they were no good.
fn leave(backups: &[Backup<'_>], reason: impl Fn(&Backup<'_>) -> Option<LeftReason>, merged: &mut Merged) {
    for backup in backups.iter().filter(|b| !matches!(b.image, Err(Reject::Missing))) {
        let Some(reason) = reason(backup) else { continue };
        if backup.candidate.fate == Fate::Consume || matches!(reason, LeftReason::Rejected(_)) {
            once(&mut merged.left_alone, LeftAlone { place: backup.candidate.place.clone(), reason });
        }
    }
}

fn wanting(target: &Place, claims: &[Claims], backups: &[Backup<'_>]) -> Option<Wanting> {
    let rejected = backups.iter().filter_map(|b| Some((b.candidate.place.clone(), b.verdict.clone().err()?)));
    let component = claims.first()?.component.clone();
    Some(Wanting { target: target.clone(), component, rejected: rejected.collect(), elsewhere: None })
}

fn claim(backup: &Backup<'_>) -> Option<Claim> {
    let image = backup.image.as_ref().ok()?;
    Some(Claim {
        component: backup.component.clone(),
        place: backup.candidate.place.clone(),
        version: image.version,
        fingerprint: image.fingerprint,
    })
}

/// A version that the list gives beats a row without one, which beats no row.
fn strictest(claims: &[Claims]) -> Need {
    let versions = claims.iter().filter_map(|c| match c.need {
        Need::Patched(v) => Some(v),
        Need::Listed | Need::Unlisted => None,
    });
    match versions.max() {
        Some(version) => Need::Patched(version),
        None if claims.iter().any(|c| c.need == Need::Listed) => Need::Listed,
        None => Need::Unlisted,
    }
}

/// Whether `text`, an absolute path or the end of one, names `place`.
pub(crate) fn names(rule: NameRule, text: &str, place: &Place) -> bool {
    let text = text.replace('\\', "/");
    let full = rule.path_key(&place.path());
    // As it is; or as messages and plans write a name that is no text.
    [OsString::from(&text), decode(&text)].iter().any(|asked| {
        let asked = rule.path_key(Path::new(asked));
        full == asked || full.ends_with(&format!("/{asked}"))
    })
}

/// Finds components not asked for that have a good backup for a wanting target.
pub(crate) fn elsewhere(wanting: &mut [Wanting], others: &[Proposer], ground: &Ground<'_>) {
    for want in wanting {
        let Ok(live) = look::image(&want.target) else { continue };
        let key = ground.names.path_key(&want.target.path());
        want.elsewhere =
            others.iter().find(|p| has_good(p, &key, &live, ground)).map(|p| p.component.clone());
    }
}

fn has_good(proposer: &Proposer, key: &str, live: &Image, ground: &Ground<'_>) -> bool {
    proposer.proposal.steps.iter().any(|step| match step {
        Proposed::RestoreFile { target, need, candidates } if ground.names.path_key(&target.path()) == key => {
            let images: Vec<_> = candidates.iter().map(|c| look::candidate(&c.place)).collect();
            let expected = machine(ground, &proposer.component, target);
            matches!(decide(*need, live, expected, false, &images), Decision::NeedsBackup(v) if v.iter().any(Result::is_ok))
        }
        _ => false,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the backup that comes back")]
mod tests {
    use super::*;
    use backout_protocol::{HostPath, RelPath, step::Fate};

    #[test]
    fn a_backup_that_is_there_again_right_after_it_was_missing_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let root = HostPath(dir.path().canonicalize().unwrap());
        let place = |name| Place { root: root.clone(), rel: RelPath::new(name).unwrap() };
        let candidates = ["a", "b"].map(|name| Candidate { place: place(name), fate: Fate::Keep }).to_vec();
        let claims = [Claims { component: "c".parse().unwrap(), need: Need::Listed, candidates }];
        let missing = look_at(&claims);
        assert!(missing.iter().all(|b| b.image == Err(Reject::Missing)));
        assert!(!flickers(&missing), "both stay away");
        std::fs::write(root.0.join("b"), "back").unwrap();
        assert!(flickers(&missing));
        assert!(!flickers(&[]));
    }
}
