//! Proof: what lies on disk tells that a run swapped something although no record says so. Then a record was lost, and
//! nothing may be done: what looks staged may be the only before-image.
//!
//! What was looked at proves, or does not; nothing is guessed from names alone. Where no line is in doubt, only what no run
//! without `Armed` can look like is proof. Where the last line may have been an `Armed`, whatever may be the run's own work is.

use crate::{
    failure::{Failure, Stuck},
    setting::Settings,
    snapshot::diff::differing,
    stage::Stagings,
    swap::{holds_before_image, is_placeholder},
    transaction::{Dressing, STAGED, Swap, Transaction},
};
use backout_disk::{
    Error, ErrorKind, aside,
    fingerprint::fingerprint_in,
    staging::{Side, Staging},
    swap::{Same, Sighting, Turn, old_name},
};
use backout_protocol::{Fingerprint, HostPath, Place};
use std::ffi::OsStr;

/// What shows that something was swapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trace {
    /// A slot holds its target's before-image, and the target does not.
    BeforeImage {
        /// Whose.
        target: Place,
        /// Where it lies.
        at: HostPath,
    },
    /// Something has what it was to have, or has lost what it was to lose.
    New {
        /// What, in words.
        what: String,
    },
}

impl From<Trace> for Stuck {
    fn from(trace: Trace) -> Self {
        match trace {
            Trace::BeforeImage { target, at } => Stuck::RecordLost { target, at },
            Trace::New { what } => Stuck::ArmedLost { what },
        }
    }
}

/// The proof of a lost record as the reason to stop.
pub(crate) fn sacred(tx: &Transaction) -> Result<(), Stuck> {
    match first(tx) {
        Ok(None) => Ok(()),
        Ok(Some(trace)) => Err(trace.into()),
        Err(error) => unseen(tx, error),
    }
}

/// What cannot be looked at is not taken for untouched.
fn unseen(tx: &Transaction, error: Error) -> Result<(), Stuck> {
    match tx.swaps.first() {
        Some(swap) => Err(Stuck::target(&swap.target, error)),
        None => Ok(()),
    }
}

/// The first name that a run without `Armed` cannot have left so, if any.
pub(crate) fn first(tx: &Transaction) -> Result<Option<Trace>, Error> {
    // Written behind the sync of all that is staged: until then a slot may well be empty. A run that is given up removes
    // its slots, but makes no target.
    let sealed = tx.folder.stat(OsStr::new(STAGED))?.is_some();
    for swap in &tx.swaps {
        let Some(seen) = sight(tx, swap)? else { continue };
        if holds_before_image(swap, &seen) {
            let [slot, second] = swap.slot_paths(&tx.run);
            let kept = if seen.slot == swap.before { slot } else { second };
            return Ok(Some(Trace::BeforeImage { target: swap.target.clone(), at: HostPath(kept) }));
        }
        if sealed && has_appeared(swap, &seen) {
            let what = format!("`{}` is there, and what was staged for it has left its slot", swap.target);
            return Ok(Some(Trace::New { what }));
        }
    }
    Ok(None)
}

/// Where the last line may have been an `Armed`: whether anything may be the run's own work that proves nothing elsewhere, as
/// somebody else may have done it. `Some`: a setting that cannot be looked at now; another time it may be.
pub(crate) fn in_doubt(
    tx: &Transaction,
    stagings: &Stagings,
    settings: Settings<'_>,
) -> Result<Option<Failure>, Stuck> {
    match first_in_doubt(tx) {
        Ok(None) => {}
        Ok(Some(trace)) => return Err(trace.into()),
        Err(error) => unseen(tx, error)?,
    }
    for dressing in &tx.dressings {
        let place = dressing.place();
        if is_dressed(dressing, stagings).map_err(|e| Stuck::target(&place, e))? {
            return Err(Stuck::ArmedLost { what: format!("`{place}` has rights that it was to be given") });
        }
    }
    let mut hidden = None;
    // A guard's way back is planned again behind this one, from what is there then.
    let own = tx.plan.settings().filter(|_| tx.plan.guard.is_none());
    for step in own {
        let setting = step.setting().unwrap_or_default();
        match settings.is_begun(step) {
            Ok(false) => {}
            Ok(true) => {
                return Err(Stuck::ArmedLost { what: format!("`{setting}` is as it was to be made") });
            }
            Err(why) => {
                hidden.get_or_insert(Failure::Setting { setting, why });
            }
        }
    }
    Ok(hidden)
}

/// Looks for swaps forwards alone: whatever goes back stands behind another record.
fn first_in_doubt(tx: &Transaction) -> Result<Option<Trace>, Error> {
    for swap in &tx.swaps {
        let Some(seen) = sight(tx, swap)? else { continue };
        if has_vanished(swap, &seen) {
            let [at, _] = swap.slot_paths(&tx.run);
            let what = format!("`{}` is gone, and `{}` may be what it was", swap.target, HostPath(at));
            return Ok(Some(Trace::New { what }));
        }
        if holds_another(swap, &seen) {
            let [slot, second] = swap.slot_paths(&tx.run);
            let at = HostPath(if seen.old.is_absent() { slot } else { second });
            let what =
                format!("`{at}` holds what was not staged there and may be what `{}` was", swap.target);
            return Ok(Some(Trace::New { what }));
        }
    }
    Ok(None)
}

/// A new name holds something, and its slot nothing, or the very same file: a swap moves the one to the other.
fn has_appeared(swap: &Swap, seen: &Sighting) -> bool {
    let left = seen.slot.is_absent() && seen.old.is_absent();
    swap.turn() == Turn::Appear && !seen.target.is_absent() && (left || seen.same == Same::Slot)
}

/// What was empty is gone, and its slot holds what may be its placeholder or itself.
fn has_vanished(swap: &Swap, seen: &Sighting) -> bool {
    swap.turn() == Turn::Vanish
        && is_placeholder(&swap.before)
        && seen.target.is_absent()
        && seen.slot == swap.before
}

/// A slot holds what was not staged there: what its name held in the instant of the swap, if that was written to behind the last
/// look. Elsewhere it proves nothing, as a medium may have spoilt what was staged.
fn holds_another(swap: &Swap, seen: &Sighting) -> bool {
    let is_staged = match swap.turn() {
        Turn::Exchange | Turn::Alike => seen.slot == swap.after,
        Turn::Vanish => is_placeholder(&seen.slot),
        // Nothing moves into its slot, and a run that is given up may have removed part of a new folder.
        Turn::Appear => true,
    };
    // While the second name is the target's own file, nothing has moved.
    let is_second = !seen.old.is_absent() && seen.same != Same::Old;
    is_second || !(is_staged || seen.slot.is_absent())
}

/// Whether a folder's rights are nearer to the new ones than the old ones are: they are set one by one.
fn is_dressed(dressing: &Dressing, stagings: &Stagings) -> Result<bool, Error> {
    let Some(staging) = stagings.get(&dressing.host()) else { return Ok(false) };
    let kept = |side| staging.rights(&dressing.slot, side).and_then(|folder| aside::facts(&folder));
    let facts = || {
        Ok::<_, Error>((dressing.open().and_then(|f| aside::facts(&f))?, kept(Side::Old)?, kept(Side::New)?))
    };
    let (now, old, new) = match facts() {
        Ok(facts) => facts,
        // The folder is gone: somebody else's doing, as rights take no name away. Or what was kept is: it goes only with a run
        // that is given up, whose `Undone` is the line that cannot be read.
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    Ok(differing(&new, &now, true).len() < differing(&new, &old, true).len())
}

/// What lies under a name and in its slots; `None`: it has no staging folder.
fn sight(tx: &Transaction, swap: &Swap) -> Result<Option<Sighting>, Error> {
    let staging = match swap.host().open() {
        Ok(folder) => Staging::open(&folder, &tx.run)?,
        Err(e) if e.kind == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let Some(staging) = staging else { return Ok(None) };
    let seen = match swap.pair(&staging) {
        Ok(pair) => pair.sight(),
        // Its folder is gone, in this very run maybe. What lay in it is in the slots.
        Err(e) if e.kind == ErrorKind::NotFound => return slots(&staging, swap).map(Some),
        Err(e) => return Err(e),
    };
    match seen {
        // Something that is no file has one of the names. Under the target's it is somebody else's.
        Err(e) if matches!(e.kind, ErrorKind::Symlink | ErrorKind::NotAFile) => {
            slots(&staging, swap).map(Some)
        }
        seen => seen.map(Some),
    }
}

/// What lies in the slots of a name that holds nothing of ours.
fn slots(staging: &Staging, swap: &Swap) -> Result<Sighting, Error> {
    let at = |name: &OsStr| match fingerprint_in(staging.folder(), name) {
        Err(e) if matches!(e.kind, ErrorKind::Symlink | ErrorKind::NotAFile) => Ok(Fingerprint::Absent),
        found => found,
    };
    let (slot, old) = (at(swap.slot.name())?, at(&old_name(swap.slot.name()))?);
    Ok(Sighting { target: Fingerprint::Absent, slot, old, same: Same::None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swap::fixture::{ABSENT, empty, file, seen, swap};
    use backout_disk::fingerprint::empty_folder;

    #[test]
    fn a_new_name_that_holds_something_while_its_slot_is_empty_was_swapped() {
        let (a, x, appear) = (file(2), file(3), swap(ABSENT, file(2)));
        for (sighting, was) in [
            (seen(a, ABSENT, ABSENT), true),
            (seen(x, ABSENT, ABSENT), true),
            (Sighting { same: Same::Slot, ..seen(a, a, ABSENT) }, true),
            // Never swapped, whatever somebody put there; and what a run that is given up has removed.
            (seen(ABSENT, a, ABSENT), false),
            (seen(a, a, ABSENT), false),
            (seen(x, a, ABSENT), false),
            (seen(ABSENT, ABSENT, ABSENT), false),
        ] {
            assert_eq!(has_appeared(&appear, &sighting), was, "{sighting:?}");
        }
        assert!(!has_appeared(&swap(file(1), a), &seen(a, ABSENT, ABSENT)));
    }

    #[test]
    fn what_was_not_staged_in_a_slot_may_have_been_swapped_into_it() {
        let (b, a, x, y) = (file(1), file(2), file(3), file(4));
        let (exchange, alike, appear, vanish) = (swap(b, a), swap(b, b), swap(ABSENT, a), swap(b, ABSENT));
        let same = |same, seen| Sighting { same, ..seen };
        for (one, sighting, may) in [
            // Written to in the instant of the swap; made anew behind it; with the bytes of before, too.
            (&exchange, seen(a, x, ABSENT), true),
            (&exchange, seen(a, ABSENT, x), true),
            (&exchange, seen(y, x, ABSENT), true),
            (&exchange, seen(b, b, ABSENT), true),
            (&exchange, seen(ABSENT, a, x), true),
            (&exchange, same(Same::Slot, seen(a, a, x)), true),
            (&alike, seen(b, ABSENT, x), true),
            (&alike, seen(ABSENT, b, x), true),
            (&vanish, seen(ABSENT, x, ABSENT), true),
            (&vanish, seen(y, x, ABSENT), true),
            (&vanish, seen(b, b, ABSENT), true),
            (&swap(empty(), ABSENT), seen(ABSENT, x, ABSENT), true),
            // What was staged waits, whatever the name holds by now; or a run that is given up has removed it.
            (&exchange, seen(b, a, ABSENT), false),
            (&exchange, seen(a, a, ABSENT), false),
            (&exchange, seen(x, a, ABSENT), false),
            (&exchange, seen(a, ABSENT, ABSENT), false),
            (&exchange, same(Same::Old, seen(b, a, b)), false),
            (&alike, seen(x, b, ABSENT), false),
            (&alike, same(Same::Old, seen(b, b, b)), false),
            (&vanish, seen(ABSENT, empty(), ABSENT), false),
            (&vanish, seen(x, empty_folder(), ABSENT), false),
            (&vanish, seen(ABSENT, ABSENT, ABSENT), false),
            (&appear, seen(ABSENT, x, ABSENT), false),
        ] {
            assert_eq!(holds_another(one, &sighting), may, "{one:?} {sighting:?}");
        }
    }

    #[test]
    fn what_is_empty_and_gone_may_have_been_swapped_if_it_was_to_go() {
        for hollow in [empty(), empty_folder()] {
            let vanish = swap(hollow, ABSENT);
            assert!(has_vanished(&vanish, &seen(ABSENT, hollow, ABSENT)));
            assert!(!has_vanished(&vanish, &seen(hollow, hollow, ABSENT)), "it is still there");
            assert!(!has_vanished(&vanish, &seen(file(3), hollow, ABSENT)), "somebody else's is there");
            assert!(!has_vanished(&vanish, &seen(ABSENT, ABSENT, ABSENT)), "there is nothing to put back");
        }
        // That one proves by itself: see `holds_before_image`.
        assert!(!has_vanished(&swap(file(1), ABSENT), &seen(ABSENT, file(1), ABSENT)));
    }
}
