//! Swap: one name forwards or back, looked at first.
//!
//! An exchange undoes itself when it is repeated, so a recovery never repeats one: it looks where the after-image and
//! the before-image lie and does only what is missing. The two decisions are pure functions over what was seen.

use crate::{failure::Stuck, transaction::Swap};
use backout_disk::{
    Error, barrier,
    swap::{Pair, Same, Sighting, Turn},
};
use backout_protocol::{Fingerprint, HostPath};

/// What is missing for a name to be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Nothing: it is new.
    Done,
    /// The whole turn.
    Turn,
    /// The old file is set aside already; the new one has to appear.
    Appear,
    /// Neither old nor new: somebody else changed it.
    InDoubt,
}

/// What is missing for a name to be old again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backward {
    /// Nothing: it is old, or was never swapped.
    Done,
    /// The turn, backwards.
    Turn,
    /// Whatever is under the name now is kept aside; then the before-image, if there is one, goes back.
    SetAside,
    /// It was never swapped and somebody else changed it: it stays as it is.
    Leave,
    /// The before-image is nowhere.
    Lost,
}

/// Judges what was seen of `swap` when the way is forwards.
pub(crate) fn onward(swap: &Swap, seen: &Sighting) -> Onward {
    match swap.turn() {
        Turn::Alike => alike_onward(swap, seen),
        Turn::Exchange if seen.target == swap.after => Onward::Done,
        Turn::Exchange if seen.target == swap.before && seen.slot == swap.after => Onward::Turn,
        Turn::Exchange if seen.target.is_absent() && seen.old == swap.before && seen.slot == swap.after => {
            Onward::Appear
        }
        Turn::Appear if seen.target == swap.after && seen.slot.is_absent() => Onward::Done,
        Turn::Appear if seen.target.is_absent() && seen.slot == swap.after => Onward::Turn,
        // A placeholder may look like an empty file that goes away, so the name decides first.
        Turn::Vanish if seen.target == swap.before => Onward::Turn,
        Turn::Vanish if seen.target.is_absent() && seen.slot == swap.before => Onward::Done,
        Turn::Exchange | Turn::Appear | Turn::Vanish => Onward::InDoubt,
    }
}

/// Judges what was seen of `swap` when the way is backwards.
pub(crate) fn backward(swap: &Swap, seen: &Sighting) -> Backward {
    let saved = seen.slot == swap.before || seen.old == swap.before;
    let something = !(seen.slot.is_absent() && seen.old.is_absent());
    match swap.turn() {
        Turn::Alike => alike_backward(swap, seen),
        // The same bytes under the name and in the slot: it was swapped, and somebody made it anew, with other rights maybe.
        Turn::Exchange if seen.target == swap.before && seen.slot == swap.before => Backward::SetAside,
        Turn::Vanish
            if seen.target == swap.before && seen.slot == swap.before && !is_placeholder(&seen.slot) =>
        {
            Backward::SetAside
        }
        Turn::Exchange | Turn::Vanish if seen.target == swap.before => Backward::Done,
        // Half of two renames: the old file was moved away, written to in the instant before it maybe.
        Turn::Exchange if seen.target.is_absent() && !seen.old.is_absent() => Backward::SetAside,
        // What waits in the slot was never swapped, whatever the name holds by now.
        Turn::Exchange if seen.slot == swap.after && !saved => Backward::Leave,
        Turn::Exchange if seen.slot == swap.after => Backward::SetAside,
        // Turns are atomic, so whatever lies in the slot is what the name held when it was swapped: even if somebody
        // wrote to it in the instant between the last look and the swap, that is what goes back.
        Turn::Exchange if something && seen.target == swap.after => Backward::Turn,
        Turn::Exchange if saved => Backward::SetAside,
        Turn::Vanish if saved && seen.target.is_absent() => Backward::Turn,
        Turn::Vanish if is_placeholder(&seen.slot) => Backward::Leave,
        Turn::Vanish if something && seen.target.is_absent() => Backward::Turn,
        Turn::Vanish if something => Backward::SetAside,
        Turn::Vanish if !seen.target.is_absent() => Backward::Leave,
        Turn::Exchange | Turn::Vanish => Backward::Lost,
        Turn::Appear if seen.target.is_absent() => Backward::Done,
        Turn::Appear if seen.slot == swap.after => Backward::Leave,
        Turn::Appear if seen.target == swap.after => Backward::Turn,
        Turn::Appear => Backward::SetAside,
    }
}

/// Whether the new file waits in the slot. Half a rename may have become durable: then it has its name all the same.
fn waits(swap: &Swap, seen: &Sighting) -> bool {
    seen.slot == swap.after && seen.same != Same::Slot
}

fn has_second_name(swap: &Swap, seen: &Sighting) -> bool {
    !waits(swap, seen) && !seen.old.is_absent()
}

/// The new file's place tells: it waits in the slot until it has its name.
fn alike_onward(swap: &Swap, seen: &Sighting) -> Onward {
    let waits = waits(swap, seen);
    match () {
        // Beside it the old file may have its second name already: the same file still.
        () if waits && seen.target == swap.before => Onward::Turn,
        () if waits && seen.target.is_absent() && seen.old == swap.before => Onward::Appear,
        () if seen.same != Same::Old && has_second_name(swap, seen) && seen.target == swap.after => {
            Onward::Done
        }
        () => Onward::InDoubt,
    }
}

/// The old file's place tells: while it has its second name alone, the name is the new one's.
fn alike_backward(swap: &Swap, seen: &Sighting) -> Backward {
    let waits = waits(swap, seen);
    match () {
        () if seen.target == swap.before && (waits || seen.old.is_absent() || seen.same == Same::Old) => {
            Backward::Done
        }
        () if seen.target == swap.after && !seen.old.is_absent() => Backward::Turn,
        () if seen.old == swap.before => Backward::SetAside,
        () if waits && seen.old.is_absent() => Backward::Leave,
        () => Backward::Lost,
    }
}

/// Whether a slot holds what staging puts where a name will go away: an empty file or folder.
pub(crate) fn is_placeholder(slot: &Fingerprint) -> bool {
    match slot {
        Fingerprint::File { len, .. } => *len == 0,
        Fingerprint::Folder { .. } => *slot == backout_disk::fingerprint::empty_folder(),
        Fingerprint::Absent | Fingerprint::Link { .. } => false,
    }
}

/// Whether a slot holds its target's before-image and the target does not: proof that a swap took place.
pub(crate) fn holds_before_image(swap: &Swap, seen: &Sighting) -> bool {
    if swap.turn() == Turn::Alike {
        return seen.old == swap.before && seen.same != Same::Old && !waits(swap, seen);
    }
    // An empty file that goes away looks like its own placeholder, so it proves nothing.
    let proves = !swap.before.is_absent() && (swap.turn() != Turn::Vanish || !is_placeholder(&swap.before));
    proves && seen.target != swap.before && (seen.slot == swap.before || seen.old == swap.before)
}

/// What became of a name on the way back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Back {
    /// It is as it was.
    Old,
    /// It is as it was; what a service had made of it is kept here.
    DriftKept(HostPath),
    /// It was never swapped; somebody else changed it and it stays so.
    DriftLeft,
}

/// Puts one name back, whatever state a crash, a service or a half-done swap left it in.
///
/// # Errors
/// [`Stuck`]: the before-image is nowhere, or the disk refuses.
pub(crate) fn put_back(swap: &Swap, pair: &Pair) -> Result<Back, Stuck> {
    let fail = |error: Error| Stuck::target(&swap.target, error);
    let seen = pair.sight().map_err(fail)?;
    let way = match barrier::left_out(|| "look backwards".into()) {
        true => Backward::Turn,
        false => backward(swap, &seen),
    };
    match way {
        Backward::Done => Ok(Back::Old),
        Backward::Leave => Ok(Back::DriftLeft),
        Backward::Lost => Err(Stuck::BeforeImageLost { target: swap.target.clone() }),
        Backward::Turn => {
            pair.backwards(swap.turn()).map_err(fail)?;
            Ok(Back::Old)
        }
        Backward::SetAside => {
            // If we die between the two, the name is absent and the before-image still lies in the slot: the next
            // look says `SetAside` again and finds nothing to set aside.
            let kept = if seen.target.is_absent() { None } else { Some(pair.set_aside().map_err(fail)?) };
            if !swap.before.is_absent() {
                pair.bring_back(&seen, &swap.before).map_err(fail)?;
            }
            Ok(kept.map_or(Back::Old, Back::DriftKept))
        }
    }
}

/// For tests of what is seen of a name.
#[cfg(test)]
pub(crate) mod fixture {
    use crate::transaction::Swap;
    use backout_disk::{
        fingerprint::digest_bytes,
        swap::{Same, Sighting},
    };
    use backout_protocol::{Digest, Fingerprint, HostPath, Place, RelPath};

    pub(crate) const ABSENT: Fingerprint = Fingerprint::Absent;

    pub(crate) fn file(byte: u8) -> Fingerprint {
        Fingerprint::File { len: 3, sha256: Digest([byte; 32]) }
    }

    pub(crate) fn empty() -> Fingerprint {
        Fingerprint::File { len: 0, sha256: digest_bytes(b"") }
    }

    pub(crate) fn swap(before: Fingerprint, after: Fingerprint) -> Swap {
        let rel = RelPath::new("f").unwrap();
        let target = Place { root: HostPath("/r".into()), rel: rel.clone() };
        Swap { target, host: None, slot: rel, before, after }
    }

    pub(crate) fn seen(target: Fingerprint, slot: Fingerprint, old: Fingerprint) -> Sighting {
        Sighting { target, slot, old, same: Same::None }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        fixture::{ABSENT, empty, file, seen, swap},
        *,
    };
    use backout_disk::{Folder, durable, fingerprint::fingerprint_in};
    use std::ffi::OsStr;

    #[test]
    fn every_sighting_has_one_way_on_and_one_way_back() {
        let (b, a, x) = (file(1), file(2), file(3));
        let exchange = swap(b, a);
        let appear = swap(ABSENT, a);
        let vanish = swap(b, ABSENT);
        let alike = swap(b, b);
        use {Backward as B, Onward as O};
        let table = [
            // not swapped, swapped, old set aside only, rewritten after the swap, rewritten before it, all lost
            (&exchange, seen(b, a, ABSENT), O::Turn, B::Done),
            (&exchange, seen(a, b, ABSENT), O::Done, B::Turn),
            (&exchange, seen(a, ABSENT, b), O::Done, B::Turn),
            (&exchange, seen(b, a, b), O::Turn, B::Done),
            (&exchange, seen(ABSENT, a, b), O::Appear, B::SetAside),
            (&exchange, seen(x, b, ABSENT), O::InDoubt, B::SetAside),
            (&exchange, seen(x, a, ABSENT), O::InDoubt, B::Leave),
            (&exchange, seen(ABSENT, b, ABSENT), O::InDoubt, B::SetAside),
            (&exchange, seen(x, x, ABSENT), O::InDoubt, B::Lost),
            (&appear, seen(ABSENT, a, ABSENT), O::Turn, B::Done),
            (&appear, seen(a, ABSENT, ABSENT), O::Done, B::Turn),
            (&appear, seen(x, a, ABSENT), O::InDoubt, B::Leave),
            (&appear, seen(x, ABSENT, ABSENT), O::InDoubt, B::SetAside),
            (&vanish, seen(b, empty(), ABSENT), O::Turn, B::Done),
            (&vanish, seen(ABSENT, b, ABSENT), O::Done, B::Turn),
            (&vanish, seen(x, b, ABSENT), O::InDoubt, B::SetAside),
            (&vanish, seen(x, empty(), ABSENT), O::InDoubt, B::Leave),
            (&vanish, seen(ABSENT, empty(), ABSENT), O::InDoubt, B::Leave),
            (&vanish, seen(ABSENT, x, ABSENT), O::InDoubt, B::Turn),
            (&vanish, seen(x, ABSENT, ABSENT), O::InDoubt, B::Leave),
            (&vanish, seen(ABSENT, ABSENT, ABSENT), O::InDoubt, B::Lost),
            (&exchange, seen(a, x, ABSENT), O::Done, B::Turn),
            // somebody's, where the old file was set aside; gone, and not set aside
            (&exchange, seen(x, a, b), O::InDoubt, B::SetAside),
            (&exchange, seen(ABSENT, a, ABSENT), O::InDoubt, B::Leave),
            // written to in the instant before it was set aside
            (&exchange, seen(ABSENT, a, x), O::InDoubt, B::SetAside),
            // somebody copied the new file over one that was not swapped; behind the old file's way aside
            (&exchange, seen(a, a, ABSENT), O::Done, B::Leave),
            (&exchange, seen(a, a, b), O::Done, B::SetAside),
            // made anew with the same bytes behind the swap; written to in the instant before it, and made anew
            (&exchange, seen(b, b, ABSENT), O::InDoubt, B::SetAside),
            (&vanish, seen(b, b, ABSENT), O::Turn, B::SetAside),
            (&vanish, seen(x, file(4), ABSENT), O::InDoubt, B::SetAside),
            // not swapped; second name made; moved away; swapped; rewritten behind and before the swap; put back by a rename
            (&alike, seen(b, b, ABSENT), O::Turn, B::Done),
            (&alike, Sighting { same: Same::Old, ..seen(b, b, b) }, O::Turn, B::Done),
            (&alike, Sighting { same: Same::Slot, ..seen(b, b, b) }, O::Done, B::Turn),
            (&alike, Sighting { same: Same::Old, ..seen(b, ABSENT, b) }, O::InDoubt, B::Done),
            (&alike, seen(ABSENT, b, b), O::Appear, B::SetAside),
            (&alike, seen(b, ABSENT, b), O::Done, B::Turn),
            (&alike, seen(b, ABSENT, x), O::Done, B::Turn),
            (&alike, seen(x, ABSENT, b), O::InDoubt, B::SetAside),
            (&alike, seen(x, b, ABSENT), O::InDoubt, B::Leave),
            (&alike, seen(b, ABSENT, ABSENT), O::InDoubt, B::Done),
            (&alike, seen(x, ABSENT, ABSENT), O::InDoubt, B::Lost),
            // somebody's, where the old file was moved away; moved away, and the new file is nowhere
            (&alike, seen(x, b, b), O::InDoubt, B::SetAside),
            (&alike, seen(ABSENT, ABSENT, b), O::InDoubt, B::SetAside),
        ];
        for (swap, seen, on, back) in table {
            assert_eq!((onward(swap, &seen), backward(swap, &seen)), (on, back), "{swap:?} {seen:?}");
        }
    }

    #[test]
    fn what_proves_that_a_swap_took_place_is_the_before_image_out_of_its_name() {
        let (b, a, x) = (file(1), file(2), file(3));
        let (exchange, appear, vanish, alike) = (swap(b, a), swap(ABSENT, a), swap(b, ABSENT), swap(b, b));
        let same = |same, seen| Sighting { same, ..seen };
        let table = [
            (&exchange, seen(a, b, ABSENT), true),
            (&exchange, seen(a, ABSENT, b), true),
            (&exchange, seen(x, b, ABSENT), true),
            (&exchange, seen(b, a, ABSENT), false),
            (&exchange, seen(b, a, b), false),
            (&exchange, seen(a, x, x), false),
            (&swap(empty(), a), seen(a, empty(), ABSENT), true),
            (&appear, seen(a, ABSENT, ABSENT), false),
            (&vanish, seen(ABSENT, b, ABSENT), true),
            (&vanish, seen(x, b, ABSENT), true),
            (&vanish, seen(b, empty(), ABSENT), false),
            (&vanish, seen(ABSENT, empty(), ABSENT), false),
            (&swap(empty(), ABSENT), seen(ABSENT, empty(), ABSENT), false),
            // The before-image has a second name: alone, as the name itself, beside the new file that waits or half moved.
            (&alike, seen(b, ABSENT, b), true),
            (&alike, seen(x, ABSENT, b), true),
            (&alike, same(Same::Old, seen(b, ABSENT, b)), false),
            (&alike, same(Same::Old, seen(b, b, b)), false),
            (&alike, seen(x, b, b), false),
            (&alike, same(Same::Slot, seen(b, b, b)), true),
            (&alike, seen(b, ABSENT, x), false),
            (&alike, seen(b, b, ABSENT), false),
        ];
        for (swap, seen, proves) in table {
            assert_eq!(holds_before_image(swap, &seen), proves, "{swap:?} {seen:?}");
        }
    }

    #[test]
    fn an_empty_file_that_goes_away_is_not_taken_for_a_lost_record() {
        let vanish = swap(empty(), ABSENT);
        assert_eq!(onward(&vanish, &seen(empty(), empty(), ABSENT)), Onward::Turn);
        assert_eq!(onward(&vanish, &seen(ABSENT, empty(), ABSENT)), Onward::Done);
        assert_eq!(backward(&vanish, &seen(ABSENT, empty(), ABSENT)), Backward::Turn);
        assert!(!holds_before_image(&vanish, &seen(ABSENT, empty(), ABSENT)));
    }

    #[test]
    fn a_file_that_was_written_to_and_then_moved_away_goes_back_as_it_was_moved() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
        let staging = durable::make_folder(&folder, OsStr::new(".backout-x"), 0o700).unwrap();
        let put = |folder: &Folder, name: &str, text: &str| {
            durable::write(folder, OsStr::new(name), text.as_bytes(), 0o600).unwrap();
            fingerprint_in(folder, OsStr::new(name)).unwrap()
        };
        let after = put(&staging, "0000-f", "new");
        let written = put(&staging, "0000-f.old", "written");
        let swap = swap(file(1), after);
        let pair = Pair { folder, name: "f".into(), staging, slot: "0000-f".into() };
        assert_eq!(put_back(&swap, &pair).unwrap(), Back::Old);
        assert_eq!(fingerprint_in(&pair.folder, &pair.name).unwrap(), written);
    }
}
