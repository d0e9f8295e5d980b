//! The names of a run: looked at once more before arming, swapped, and made durable folder by folder.

use crate::{
    failure::Failure,
    snapshot::diff::differing,
    swap::{Onward, onward},
    transaction::{Dressing, Swap},
    window::{Look, Run},
};
use backout_disk::{
    Error, ErrorKind, Folder, aside, barrier,
    fingerprint::fingerprint,
    staging::Side,
    swap::{Pair, Turn},
};
use backout_protocol::{Event, Fingerprint, Place, Step, report::Phase};
use std::{collections::BTreeSet, path::PathBuf};

impl Run<'_> {
    /// Looks at every target once more, now that nothing that uses them runs.
    pub(crate) fn look_again(&self) -> Result<(), Failure> {
        if barrier::left_out(|| "look again".into()) {
            return Ok(());
        }
        let mut drifted: Vec<Place> = Vec::new();
        for swap in &self.tx.swaps {
            let seen = self.pair(swap).and_then(|pair| pair.sight());
            let fits = seen.is_ok_and(|s| s.target == swap.before && s.old.is_absent());
            // A folder that goes away is still full here; the files in it are swaps of their own.
            let emptied_later = matches!(swap.before, Fingerprint::Folder { .. });
            if !fits && !emptied_later {
                drifted.push(swap.target.clone());
            }
        }
        for step in &self.tx.plan.steps {
            if let Step::Hold { target, image } = step
                && fingerprint(target).ok() != Some(image.fingerprint)
            {
                drifted.push(target.clone());
            }
        }
        for dressing in &self.tx.dressings {
            if self.rights_differ(dressing, Side::Old).is_none_or(|differ| differ) {
                drifted.push(dressing.place());
            }
        }
        if let Some(why) = self.faces.cancel.requested().filter(|_| self.cancellable) {
            return Err(Failure::Cancelled(why));
        }
        if drifted.is_empty() { Ok(()) } else { Err(Failure::Drift { targets: drifted }) }
    }

    /// Swaps every name, then makes it durable folder by folder.
    pub(crate) fn swap_all(&mut self, look: Look) -> Result<(), Failure> {
        self.faces.observer.event(&Event::Phase { phase: Phase::Swap });
        let total = self.tx.swaps.len() as u64;
        for (done, swap) in self.tx.swaps.iter().enumerate() {
            if let Some(why) = self.faces.cancel.requested().filter(|_| self.cancellable) {
                return Err(Failure::Cancelled(why));
            }
            self.swap_one(swap, look)?;
            let target = swap.target.to_string();
            self.faces.observer.event(&Event::Swapped { done: done as u64 + 1, total, target });
        }
        for dressing in &self.tx.dressings {
            self.dress(dressing, Side::New).map_err(|e| Failure::swap(&dressing.place(), e))?;
        }
        self.sync_folders().map_err(|(target, error)| Failure::swap(&target, error))
    }

    /// Whether a folder has other rights than those that are kept; `None`: it cannot be looked at.
    fn rights_differ(&self, dressing: &Dressing, side: Side) -> Option<bool> {
        let kept = self.stagings.get(&dressing.host())?.rights(&dressing.slot, side).ok()?;
        let (now, kept) = (aside::facts(&dressing.open().ok()?).ok()?, aside::facts(&kept).ok()?);
        Some(!differing(&kept, &now, true).is_empty())
    }

    /// Gives a folder its old or its new rights. They are set one by one; if we die half-way, a recovery sets them all
    /// again, the one way or the other: what is kept of both is whole.
    pub(crate) fn dress(&self, dressing: &Dressing, side: Side) -> Result<(), Error> {
        let folder = dressing.open()?;
        match self.stagings.get(&dressing.host()) {
            Some(staging) => aside::dress_in_place(&folder, &staging.rights(&dressing.slot, side)?),
            None => Err(Error::not_found("find what is kept of", folder.path())),
        }
    }

    fn swap_one(&self, swap: &Swap, look: Look) -> Result<(), Failure> {
        let fail = |error: Error| Failure::swap(&swap.target, error);
        let pair = self.pair(swap).map_err(fail)?;
        let onward = match look {
            Look::Trust => Onward::Turn,
            Look::First if barrier::left_out(|| "look forwards".into()) => Onward::Turn,
            Look::First => onward(swap, &pair.sight().map_err(fail)?),
        };
        match onward {
            Onward::Done => Ok(()),
            Onward::Turn => pair.forwards(swap.turn()).map_err(fail),
            Onward::Appear => pair.forwards(Turn::Appear).map_err(fail),
            Onward::InDoubt => Err(Failure::InDoubt { target: swap.target.clone() }),
        }?;
        // A folder is moved whole; if something got into it meanwhile, that must not go with it.
        let folder = matches!(swap.before, Fingerprint::Folder { .. });
        if folder && pair.sight().map_err(fail)?.slot != swap.before {
            pair.backwards(swap.turn()).map_err(fail)?;
            return Err(Failure::Drift { targets: vec![swap.target.clone()] });
        }
        Ok(())
    }

    pub(crate) fn pair(&self, swap: &Swap) -> Result<Pair, Error> {
        match self.stagings.get(&swap.host()) {
            Some(staging) => swap.pair(staging),
            None => Err(Error::not_found("find the staged files of", &swap.target.path())),
        }
    }

    /// Every folder whose names or rights changed, the staging folders included.
    pub(crate) fn sync_folders(&self) -> Result<(), (Place, Error)> {
        let mut done = BTreeSet::new();
        let names = self.tx.swaps.iter().map(Touched::Names);
        for touched in names.chain(self.tx.dressings.iter().map(Touched::Rights)) {
            let fail = |e| (touched.target(), e);
            if done.insert(touched.folder()) {
                match touched.open() {
                    Ok(folder) => folder.sync().map_err(fail)?,
                    // Its own folder went away in this run: the sync of the folder above it says so.
                    Err(e) if e.kind == ErrorKind::NotFound => {}
                    Err(e) => return Err(fail(e)),
                }
            }
            if let Touched::Names(swap) = touched
                && let Some(staging) = self.stagings.get(&swap.host())
                && done.insert(staging.folder().path().to_owned())
            {
                staging.folder().sync().map_err(fail)?;
            }
        }
        Ok(())
    }
}

/// What makes a folder's sync necessary.
#[derive(Clone, Copy)]
enum Touched<'a> {
    /// A name in it.
    Names(&'a Swap),
    /// Its own rights.
    Rights(&'a Dressing),
}

impl Touched<'_> {
    fn target(self) -> Place {
        match self {
            Self::Names(swap) => swap.target.clone(),
            Self::Rights(dressing) => dressing.place(),
        }
    }

    fn folder(self) -> PathBuf {
        match self {
            Self::Names(swap) => swap.target.folder(),
            Self::Rights(dressing) => dressing.place().path(),
        }
    }

    fn open(self) -> Result<Folder, Error> {
        match self {
            Self::Names(swap) => Folder::open_parent_of(&swap.target),
            Self::Rights(dressing) => dressing.open(),
        }
    }
}
