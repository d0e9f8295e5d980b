//! The names of a run: looked at once more before arming, swapped, and made durable folder by folder.

use crate::{
    failure::Failure,
    swap::{Onward, onward},
    transaction::Swap,
    window::{Look, Run},
};
use backout_disk::{
    Error, ErrorKind, Folder, barrier,
    fingerprint::fingerprint,
    swap::{Pair, Turn},
};
use backout_protocol::{Event, Fingerprint, Place, Step, report::Phase};
use std::collections::BTreeSet;

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
        self.sync_folders().map_err(|(target, error)| Failure::swap(&target, error))
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

    /// Every folder whose names changed, the staging folders included.
    pub(crate) fn sync_folders(&self) -> Result<(), (Place, Error)> {
        let mut done = BTreeSet::new();
        for swap in &self.tx.swaps {
            let fail = |e| (swap.target.clone(), e);
            if done.insert(swap.target.folder()) {
                match Folder::open_parent_of(&swap.target) {
                    Ok(folder) => folder.sync().map_err(fail)?,
                    // Its own folder went away in this run: the sync of the folder above it says so.
                    Err(e) if e.kind == ErrorKind::NotFound => {}
                    Err(e) => return Err(fail(e)),
                }
            }
            if let Some(staging) = self.stagings.get(&swap.host())
                && done.insert(staging.folder().path().to_owned())
            {
                staging.folder().sync().map_err(fail)?;
            }
        }
        Ok(())
    }
}
