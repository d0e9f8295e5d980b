//! Unwind: one journalled undo. `Undo F` -> services stopped, actions and settings taken back, files back, folders synced -> `Unswapped F` -> what ran
//! is started -> `Undone F`.

use crate::{
    failure::{Failure, Stuck},
    report::Ending,
    swap::{Back, put_back},
    window::{Extent, Machine, Run, chain, stuck},
};
use backout_disk::{ErrorKind, staging::Side};
use backout_journal::{Journal, Record, Status};
use backout_protocol::{Event, Notice};

impl Run<'_> {
    /// Undoes the run because of `failure`.
    pub(crate) fn unwind(&mut self, failure: Failure) -> Ending {
        self.faces.observer.event(&Event::Unwinding);
        self.cancellable = false;
        if let Err(why) = self.decide_back(&failure) {
            return Ending::Stuck { after: Some(failure), why };
        }
        self.put_back_all(failure)
    }

    /// Makes the turn durable. A journal whose sync failed is replaced once by a new one; a sync is never retried.
    fn decide_back(&mut self, failure: &Failure) -> Result<(), Stuck> {
        let why = failure.to_string();
        let first = match self.journal.append(Record::Undo { why: why.clone() }) {
            Ok(()) => return Ok(()),
            Err(e) => chain(&e),
        };
        let taken =
            Journal::read(&self.tx.folder, &self.tx.run).ok().flatten().ok_or(first).and_then(|reading| {
                if reading.status == Status::Undoing {
                    // The record is in the page cache only; written anew it counts.
                    let direction = backout_journal::Direction::Backwards;
                    return Journal::take_over(
                        &self.tx.folder,
                        &self.tx.run,
                        &reading,
                        [Record::Recovering { direction }],
                    )
                    .map_err(|e| chain(&e));
                }
                Journal::take_over(&self.tx.folder, &self.tx.run, &reading, [Record::Undo { why }])
                    .map_err(|e| chain(&e))
            });
        match taken {
            Ok(journal) => {
                self.journal = journal;
                Ok(())
            }
            Err(why) => Err(Stuck::NotDurable { why }),
        }
    }

    /// From `Undo` on: everything back.
    pub(crate) fn put_back_all(&mut self, failure: Failure) -> Ending {
        match self.files_back() {
            Ok(()) => self.resume_backwards(failure),
            Err(why) => Ending::Stuck { after: Some(failure), why },
        }
    }

    pub(crate) fn files_back(&mut self) -> Result<(), Stuck> {
        // Putting back matters more: without it somebody may start services on a mixture from here on.
        if let Err(failure) = self.hold() {
            log::warn!("run {}: {failure}", self.tx.run);
        }
        self.stop_all().and_then(|()| self.stop_running()).map_err(stuck)?;
        self.wait_exit().map_err(stuck)?;
        // The files go back whatever becomes of the actions.
        let actions = self.actions_back();
        // Before the names, where the new rights may be in the way.
        self.undress()?;
        let total = self.tx.swaps.len() as u64;
        for (done, swap) in self.tx.swaps.iter().rev().enumerate() {
            let fail = |error| Stuck::target(&swap.target, error);
            let pair = self.pair(swap).map_err(fail)?;
            let target = swap.target.clone();
            match put_back(swap, &pair)? {
                Back::Old => {}
                Back::DriftKept(kept) => self.notices.push(Notice::DriftKept { target, kept: Some(kept) }),
                Back::DriftLeft => self.notices.push(Notice::DriftKept { target, kept: None }),
            }
            let target = swap.target.to_string();
            self.faces.observer.event(&Event::Swapped { done: done as u64 + 1, total, target });
        }
        self.sync_folders().map_err(|(target, error)| Stuck::target(&target, error))?;
        // Behind the files, as what enables a unit is made from its file; and whatever becomes of the actions.
        let settings = self.set_back();
        // As forwards: nothing that has seen files of both states goes on.
        self.stop_running().and_then(|()| self.wait_exit()).map_err(stuck)?;
        // On disk: `Undo`. A recovery tries the actions and settings again; it finds the files old.
        actions.and(settings)?;
        self.machine = Machine::AsBefore;
        let unswapped = self.journal.append(Record::Unswapped);
        unswapped.map_err(|e| Stuck::NotDurable { why: chain(&e) })
    }

    /// Every folder as it was. One that is gone is somebody else's doing, as it is where no name of ours lies in it.
    fn undress(&mut self) -> Result<(), Stuck> {
        for dressing in &self.tx.dressings {
            match self.dress(dressing, Side::Old) {
                Ok(()) => {}
                Err(e) if e.kind == ErrorKind::NotFound && dressing.open().is_err() => {
                    self.notices.push(Notice::DriftKept { target: dressing.place(), kept: None });
                }
                Err(e) => return Err(Stuck::target(&dressing.place(), e)),
            }
        }
        Ok(())
    }

    /// From `Unswapped` on: what ran is started, and the run is over. A start that fails leaves it open.
    pub(crate) fn resume_backwards(&mut self, failure: Failure) -> Ending {
        if self.extent == Extent::Files {
            return self.files_settled();
        }
        if let Err(why) = self.services_back() {
            return Ending::Stuck { after: Some(failure), why };
        }
        self.undone(failure)
    }

    /// Starts what ran.
    pub(crate) fn services_back(&mut self) -> Result<(), Stuck> {
        self.start_old()?;
        // On the old tree a probe may well have been unhappy before: no more than a warning.
        if let Err(Failure::Probe { name, .. }) = self.quiesce().probes() {
            self.notices.push(Notice::ProbeFailed { probe: name });
        }
        Ok(())
    }

    /// Files and services are as they were: the run is over.
    pub(crate) fn undone(&mut self, failure: Failure) -> Ending {
        if let Err(e) = self.journal.append(Record::Undone { why: failure.to_string() }) {
            // Files are old and services run; only the record is in doubt. `recover` finds nothing left to do.
            log::warn!("run {}: {}", self.tx.run, chain(&e));
            return Ending::Unfinished(failure);
        }
        Ending::PutBack(failure)
    }
}
