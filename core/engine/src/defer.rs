//! Defer: what a file in use keeps from being swapped now, the next reboot moves.
//!
//! ```text
//! Deferring F -> services stopped, files back -> Unswapped F -> what ran is started -> RebootPending F -> one write of
//! the system's queue, read back
//! ```
//!
//! All names of the run are queued, so that the tree is wholly old until the reboot. Behind it whatever was moved is
//! looked at: if any name is new the way is forwards, from `Armed`; else the run ends as it is. Staging folders go only
//! when the queue was read back without our moves.

use crate::{
    failure::{Failure, Stuck},
    proof,
    recover::recorded,
    refusal::Refusal,
    report::Ending,
    stage::Stagings,
    state::Locked,
    swap::{Onward, onward},
    tidy,
    transaction::{Swap, Transaction},
    window::{Extent, Run, chain},
};
use backout_disk::{ErrorKind, swap::Turn};
use backout_journal::{Direction, Journal, Reading, Record, Status};
use backout_machine::{
    boot_id,
    delayed::{self, Delayed, QueueError, Standing, Taken},
};
use backout_protocol::{Event, Fingerprint, HostPath, Notice, plan::OnLocked};
use std::path::Path;

/// What is found behind the reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// At least one name was moved.
    Some,
    /// Every name is as it was before.
    Nothing,
}

/// The moves that make every name of the run new. `None`: the system cannot be told of them.
///
/// If the power goes while the system makes them, it begins again from the first: each fails where it was made already,
/// and none ever takes a before-image's place. So only the new file's move may replace, and what goes away its own
/// placeholder; the old file's name in the staging folder is free or holds the before-image.
fn moves(tx: &Transaction) -> Option<Vec<Delayed>> {
    let of = |swap: &Swap| {
        let [slot, old] = swap.slot_paths(&tx.run);
        let target = swap.target.path();
        let delayed = |from: &Path, to: &Path, taken| {
            Some(Delayed { from: from.to_str()?.to_owned(), to: to.to_str()?.to_owned(), taken })
        };
        // A folder is not replaced in one move, so its placeholder would stand in its way.
        let folder = matches!(swap.before, Fingerprint::Folder { .. });
        match swap.turn() {
            Turn::Exchange | Turn::Vanish if folder => None,
            Turn::Exchange | Turn::Alike => {
                Some(vec![delayed(&target, &old, Taken::Leave)?, delayed(&slot, &target, Taken::Replace)?])
            }
            Turn::Appear => Some(vec![delayed(&slot, &target, Taken::Leave)?]),
            Turn::Vanish => Some(vec![delayed(&target, &slot, Taken::Replace)?]),
        }
    };
    // Rights are no moves.
    if !tx.dressings.is_empty() {
        return None;
    }
    let moves: Option<Vec<Vec<Delayed>>> = tx.swaps.iter().map(of).collect();
    moves.map(|moves| moves.concat())
}

fn queue(error: &QueueError) -> Failure {
    let source = std::error::Error::source(error).map(|e| format!(": {e}"));
    Failure::Queue { why: format!("{error}{}", source.unwrap_or_default()) }
}

fn enqueue(moves: &[Delayed]) -> Result<(), Failure> {
    delayed::enqueue(moves).map_err(|e| queue(&e))
}

fn take_out(tx: &Transaction) -> Result<(), Failure> {
    delayed::take_out(&moves(tx).unwrap_or_default()).map_err(|e| queue(&e))
}

fn this_boot() -> Result<String, Failure> {
    boot_id().map_err(|e| Failure::Queue { why: format!("this boot cannot be told from others: {e}") })
}

/// Whether the moves were queued in this boot, so that they are still to be made.
pub(crate) fn is_same_boot(reading: &Reading) -> Result<bool, Failure> {
    let queued = reading.records().filter_map(|r| match r {
        Record::RebootPending { boot, .. } => Some(boot),
        _ => None,
    });
    let now = this_boot()?;
    Ok(queued.last() == Some(&now))
}

/// What there is to do for a run that waits for a reboot. In the same boot nothing, but to see to it that its moves
/// stand in the queue; that is the error.
pub(crate) fn await_reboot(
    tx: &Transaction,
    reading: &Reading,
    stagings: &Stagings,
) -> Result<Behind, Box<Ending>> {
    if !is_same_boot(reading).map_err(|e| Box::new(Ending::Unfinished(e)))? {
        return behind(tx, stagings);
    }
    let moves = moves(tx).unwrap_or_default();
    let stands = match delayed::standing(&moves) {
        Ok(Standing::All) => Ok(()),
        // Somebody wrote the queue anew, or we died before we wrote it.
        Ok(Standing::Some | Standing::None) => enqueue(&moves),
        Err(e) => Err(queue(&e)),
    };
    Err(Box::new(match stands {
        Ok(()) => Ending::RebootPending(recorded(reading)),
        Err(failure) => Ending::Unfinished(failure),
    }))
}

/// Looks at every name behind the reboot.
fn behind(tx: &Transaction, stagings: &Stagings) -> Result<Behind, Box<Ending>> {
    for swap in &tx.swaps {
        let Some(staging) = stagings.get(&swap.host()) else { continue };
        let seen = match swap.pair(staging).and_then(|pair| pair.sight()) {
            Ok(seen) => seen,
            Err(error) => {
                let why = Stuck::target(&swap.target, error);
                return Err(Box::new(Ending::Stuck { after: None, why }));
            }
        };
        if matches!(onward(swap, &seen), Onward::Done | Onward::Appear) {
            return Ok(Behind::Some);
        }
    }
    Ok(Behind::Nothing)
}

/// Takes the moves of a run that is given up out of the queue.
///
/// # Errors
/// [`Refusal::BeforeStop`].
pub(crate) fn take_out_of(tx: &Transaction, reading: &Reading) -> Result<(), Refusal> {
    match reading.status {
        Status::RebootPending => take_out(tx).map_err(Refusal::BeforeStop),
        _ => Ok(()),
    }
}

/// Ends a run whose moves are still to be made: files and services are as they were before it.
pub(crate) fn call_off(locked: &Locked, tx: &Transaction, reading: &Reading) -> Ending {
    // If we die from here on with the moves taken out, a recovery in this boot queues them again.
    if let Err(failure) = take_out(tx) {
        return Ending::Unfinished(failure);
    }
    if let Err(why) = proof::sacred(tx) {
        return Ending::Stuck { after: None, why };
    }
    let failed = |e| Ending::Unfinished(Failure::Journal { why: chain(&e) });
    let direction = Direction::Backwards;
    let mut journal =
        match Journal::take_over(&tx.folder, &tx.run, reading, [Record::Recovering { direction }]) {
            Ok(journal) => journal,
            Err(e) => return failed(e),
        };
    let failure = recorded(reading);
    if let Err(e) = journal.append(Record::Undone { why: failure.to_string() }) {
        return failed(e);
    }
    let tidied = tidy::drop_staging(tx).and_then(|()| tidy::close(locked, tx, Some(journal)));
    if let Err(e) = tidied {
        log::warn!("run {}: {e}; the next verb tidies up", tx.run);
    }
    Ending::RolledBack(failure)
}

impl Run<'_> {
    /// Whether a reboot gets around this failure, and the operator said that it may.
    pub(crate) fn is_deferrable(&self, failure: &Failure) -> bool {
        let in_use = match failure {
            // A file that runs, or that is about to go, is "access denied".
            Failure::Swap { error, .. } => matches!(error.kind, ErrorKind::Busy | ErrorKind::Denied),
            _ => false,
        };
        // What a plugin does, and settings, cannot be left to a reboot.
        in_use
            && self.tx.actions.is_empty()
            && self.tx.plan.settings().next().is_none()
            && self.tx.plan.request.on_locked == OnLocked::Reboot
            && delayed::is_there()
            && this_boot().is_ok()
            && moves(self.tx).is_some()
    }

    /// Puts everything back and leaves the files to the next reboot.
    pub(crate) fn defer(&mut self, failure: Failure) -> Ending {
        match self.record(Record::Deferring { why: failure.to_string() }) {
            Ok(()) => {
                self.faces.observer.event(&Event::Unwinding);
                self.cancellable = false;
                self.put_back_and_queue(failure)
            }
            // `Deferring` may or may not be durable; an undo can follow it.
            Err(_) => self.unwind(failure),
        }
    }

    /// From `Deferring` on.
    pub(crate) fn put_back_and_queue(&mut self, failure: Failure) -> Ending {
        match self.files_back() {
            Ok(()) => self.resume_and_queue(failure),
            Err(why) => Ending::Stuck { after: Some(failure), why },
        }
    }

    /// From `Unswapped` on.
    pub(crate) fn resume_and_queue(&mut self, failure: Failure) -> Ending {
        if self.extent == Extent::Files {
            return self.files_settled();
        }
        if let Err(why) = self.services_back() {
            return Ending::Stuck { after: Some(failure), why };
        }
        let (Ok(boot), Some(moves)) = (this_boot(), moves(self.tx)) else { return self.undone(failure) };
        // A name that somebody changed meanwhile is not to be moved by anybody.
        if !self.is_ready() {
            return self.undone(failure);
        }
        let entries = moves.len() as u32;
        if let Err(unsure) = self.record(Record::RebootPending { boot, entries }) {
            // Nothing is queued. On disk: `Unswapped` or `RebootPending`; either way a recovery queues the moves.
            return Ending::Unfinished(unsure);
        }
        // Behind the reboot the tree may be of both states: then the services wait for the recovery.
        if let Err(refused) = self.hold_back() {
            log::warn!("run {}: {refused}", self.tx.run);
            return self.undone(failure);
        }
        // If we die before the queue is written, a recovery in this boot writes it; one in the next finds nothing new.
        if let Err(refused) = enqueue(&moves) {
            log::warn!("run {}: {refused}", self.tx.run);
            return match take_out(self.tx) {
                Ok(()) => self.undone(failure),
                Err(still) => Ending::Unfinished(still),
            };
        }
        Ending::RebootPending(failure)
    }

    /// Whether every name is old and its new file waits in its slot, with nothing where the old file is to go.
    fn is_ready(&self) -> bool {
        self.tx.swaps.iter().all(|swap| {
            let seen = self.pair(swap).and_then(|pair| pair.sight());
            seen.is_ok_and(|seen| onward(swap, &seen) == Onward::Turn && seen.old.is_absent())
        })
    }

    /// A file that was rewritten between the queue's writing and the reboot was moved away as it was then: it lies where
    /// the before-image should.
    fn tell_of_drift(&mut self) {
        for swap in &self.tx.swaps {
            let Ok(seen) = self.pair(swap).and_then(|pair| pair.sight()) else { continue };
            let [_, old] = swap.slot_paths(&self.tx.run);
            if matches!(swap.turn(), Turn::Exchange | Turn::Alike)
                && !seen.old.is_absent()
                && seen.old != swap.before
            {
                let (target, kept) = (swap.target.clone(), HostPath(old));
                self.notices.push(Notice::RewrittenBeforeReboot { target, kept });
            }
        }
    }

    /// Behind the reboot.
    pub(crate) fn behind_the_reboot(&mut self, behind: Option<Behind>, failure: Failure) -> Ending {
        // A queue that outlived the reboot would make its moves at the next one, on a tree that is settled by then.
        if let Err(still) = take_out(self.tx) {
            return Ending::Unfinished(still);
        }
        match behind {
            Some(Behind::Some) => match self.record(Record::Armed) {
                Ok(()) => {
                    self.tell_of_drift();
                    self.stop_and_swap_on()
                }
                Err(unsure) => Ending::Unfinished(unsure),
            },
            Some(Behind::Nothing) | None => self.close_untouched(failure),
        }
    }
}
