//! Room for the way back on a disk that is full all the same: what is new and the installer's goes before the run back, where that
//! run has room then.

use super::{
    Guard,
    back::{Back, changes_go_on},
    root_folder,
};
use crate::{
    faces::{Cancel, Faces},
    failure::Stuck,
    preflight,
    refusal::Refusal,
    report::Ending,
    state::plain,
    transaction::Transaction,
};
use backout_disk::{Error, ErrorKind, Folder, durable, fingerprint::fingerprint_in};
use backout_protocol::{Plan, Step};
use std::ffi::OsStr;

/// The mark in the guard's folder as long as the installer's work is whole, or the run back has all of it.
const WHOLE: &str = "whole";
/// The same from before the first name goes outside of that.
const PARTLY: &str = "partly";

/// When all that is new and the installer's goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum New {
    /// With the run back, which keeps it until the old files are there.
    GoesWithIt,
    /// Before it, as there is no room to keep it.
    GoesFirst,
}

/// Whether a run back could not be for want of space, and nothing has gone back.
pub(super) fn is_wanting(ending: &Ending) -> bool {
    let Ending::Stuck { why: Stuck::WayBack { why, .. }, .. } = ending else { return false };
    match &**why {
        Refusal::NoSpace { .. } => true,
        Refusal::Look(e) | Refusal::StageFailed(e) => e.kind == ErrorKind::NoSpace,
        _ => false,
    }
}

impl Guard<'_> {
    /// Whether the run back may have room where all that is new goes before it. Asked before services stop for it.
    pub(super) fn may_fit_without_new(&self) -> bool {
        let faces = Faces { cancel: &Cancel::default(), ..self.faces };
        let fits = |Back { plan, .. }| {
            let lean = self.without_new(&plan);
            preflight::check(&lean, self.locked.state().path(), &faces)
                .map(|_| lean.steps.len() < plan.steps.len())
        };
        match self.plan_back(&faces).and_then(fits) {
            Ok(fits) => fits,
            // With the services stopped it may be told.
            Err(why) => changes_go_on(&why),
        }
    }

    /// Removes what the step does. Not durable yet. Before the first it is on record that some of the installer's work is gone, as
    /// whoever comes next finds fewer names and cannot tell.
    fn remove(&self, step: &Step) -> Result<(), Error> {
        let Some(target) = step.target() else { return Ok(()) };
        if !self.partly.get() {
            match durable::rename(&self.tx.folder, OsStr::new(WHOLE), &self.tx.folder, OsStr::new(PARTLY)) {
                // The guard was begun by a backout that made none.
                Err(e) if e.kind == ErrorKind::NotFound => {}
                marked => marked?,
            }
            self.partly.set(true);
        }
        durable::remove_one(&Folder::open_parent_of(target)?, target.rel.name())?;
        self.removed.set(self.removed.get() + 1);
        Ok(())
    }

    /// The plan without what takes away what is new and the installer's.
    fn without_new(&self, plan: &Plan) -> Plan {
        let mut lean = plan.clone();
        lean.steps.retain(|step| !self.goes_first(step));
        lean
    }

    /// Whether the step takes away what is new. Of a change to some of it the services' manager is told by the run.
    fn goes_first(&self, step: &Step) -> bool {
        match step {
            Step::RemoveFile { target, .. } => !self.services.is_configuration(&target.path()),
            Step::RemoveFolder { .. } => true,
            _ => false,
        }
    }

    /// Takes away what the plan would, all that is new and the installer's, and out of the plan: so its records are no longer than
    /// what was taken for them before the installer ran. Only where there is room for these; nothing is removed else. If we die
    /// in here, what is left of them is new all the same, and the way back is planned once more; no service runs before it is gone.
    pub(super) fn take_new_away(&self, plan: &mut Plan, faces: &Faces<'_>) -> Result<(), Refusal> {
        preflight::check(&self.without_new(plan), self.locked.state().path(), faces)?;
        let mut kept = Vec::new();
        for step in std::mem::take(&mut plan.steps) {
            if self.goes_first(&step) && is_as_planned(&step).map_err(Refusal::Look)? {
                self.remove(&step).map_err(Refusal::Look)?;
            } else {
                kept.push(step);
            }
        }
        plan.steps = kept;
        for root in &self.terms.roots {
            if let Some(folder) = root_folder(&root.0).map_err(Refusal::Look)? {
                folder.sync_file_system().map_err(Refusal::Look)?;
            }
        }
        Ok(())
    }
}

/// Whether what the step removes is still what was planned with.
fn is_as_planned(step: &Step) -> Result<bool, Error> {
    let Some(target) = step.target() else { return Ok(false) };
    let (folder, name) = (Folder::open_parent_of(target)?, target.rel.name());
    match step {
        Step::RemoveFile { before, .. } => Ok(fingerprint_in(&folder, name)? == before.fingerprint),
        // Something may have come since, or stays.
        _ => Ok(folder.open_below(&plain(name))?.entries()?.is_empty()),
    }
}

/// The mark is made, before the installer is let go: a full disk keeps nobody from renaming it.
///
/// # Errors
/// The disk's.
pub(super) fn begin(tx: &Transaction) -> Result<(), Error> {
    durable::write(&tx.folder, OsStr::new(WHOLE), b"", 0o600)
}

/// Whether some of the installer's work is removed, or may be, outside of a run back.
///
/// # Errors
/// The disk's.
pub(super) fn is_partly(tx: &Transaction) -> Result<bool, Error> {
    Ok(tx.folder.stat(OsStr::new(PARTLY))?.is_some())
}

/// The guard is over.
///
/// # Errors
/// The disk's.
pub(super) fn end(tx: &Transaction) -> Result<(), Error> {
    [WHOLE, PARTLY].iter().try_for_each(|name| durable::remove_tree(&tx.folder, OsStr::new(name)))
}
