//! Abandon: an unfinished run is given up as it stands. What a person needs to go on by hand is said file by file and
//! service by service.

use crate::{
    action::{Action, Progress},
    archive::archive,
    defer, guard, hold, quiesce,
    recover::{load, were},
    refusal::Refusal,
    state::{OpenRun, State, plain, unusable},
    survey::check_programs,
    tidy,
    transaction::{Swap, Transaction},
};
use backout_disk::Folder;
use backout_journal::Status;
use backout_machine::service::ServiceState;
use backout_protocol::{
    ComponentId, Fingerprint, HostPath, Place, RunId, ServiceName, Step,
    plan::{PlannedService, Was},
};
use std::path::Path;

/// A run that was given up.
#[derive(Debug)]
pub struct Abandonment {
    /// Which.
    pub run: RunId,
    /// Its files.
    pub files: Vec<Abandoned>,
    /// What its plugins were to do, in order.
    pub actions: Vec<LeftAction>,
    /// What it was to set of the registry and of services: each may be as before, as it was to be, or half.
    pub settings: Vec<Step>,
    /// Its services, as far as its records name them: what each was, what it is now, and the command that starts it.
    pub services: Vec<LeftService>,
}

/// A plugin's action of an abandoned run.
#[derive(Debug)]
pub struct LeftAction {
    /// Whose.
    pub component: ComponentId,
    /// The plugin's name for it.
    pub action: String,
    /// Its arguments.
    pub args: String,
    /// How far it got.
    pub stands: Stands,
}

/// How far a plugin's action of an abandoned run got, by the run's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It was never begun, it was taken back, or there was nothing to do.
    Untouched,
    /// It was begun, or was being taken back: nobody can say without looking.
    InDoubt,
    /// It was done.
    Done,
}

/// A service of an abandoned run.
#[derive(Debug)]
pub struct LeftService {
    /// Which.
    pub name: ServiceName,
    /// What it was before the run.
    pub was: Was,
    /// What it is now; `None`: it cannot be asked.
    pub now: Option<ServiceState>,
    /// The command with which a person starts it.
    pub start: String,
}

/// One file of an abandoned run.
#[derive(Debug, Clone)]
pub struct Abandoned {
    /// The name.
    pub target: Place,
    /// What it holds now; `None`: it cannot be looked at.
    pub live: Option<Fingerprint>,
    /// What it held before the run.
    pub before: Fingerprint,
    /// Where the before-image lies, if the run had got so far.
    pub before_image: Option<HostPath>,
    /// What it was to hold.
    pub after: Fingerprint,
}

/// Gives the unfinished run up as it stands: changes no product file, moves its journal to the history, leaves every
/// staging folder where it is, and lists every file and service. Nothing holds its services back any more.
///
/// # Errors
/// [`Refusal`]: no run is open, or the state folder cannot be used.
pub fn abandon(path: &Path) -> Result<Option<Abandonment>, Refusal> {
    if State::look(path)?.is_none() {
        return Ok(None);
    }
    let locked = State::lock(path)?;
    let Some(open) = locked.state().unfinished()? else { return Ok(None) };
    let tx = match load(locked.state(), &open) {
        Ok((tx, _)) => Some(tx),
        // Damaged records are when this is needed most: the plan alone still names every file.
        Err(_) => {
            let folder = locked.state().transactions().and_then(|t| t.open_below(&plain(open.run.as_str())));
            folder.and_then(|f| tidy::by_plan_alone(&open.run, &f)).ok().flatten()
        }
    };
    let files = tx.iter().flat_map(|tx| tx.swaps.iter().map(|swap| abandoned(tx, swap))).collect();
    let services = tx.as_ref().map(|tx| left_services(tx, &open)).unwrap_or_default();
    let actions = tx.as_ref().map(|tx| left_actions(tx, &open)).unwrap_or_default();
    let settings = tx.iter().flat_map(|tx| tx.plan.settings().cloned()).collect();
    let state = locked.state();
    if let (Some(tx), Ok(reading)) = (&tx, &open.reading) {
        defer::take_out_of(tx, reading)?;
    }
    if let Some(tx) = tx.as_ref().filter(|tx| tx.plan.guards().is_some()) {
        guard::give_up(tx);
    }
    if let Some(tx) = &tx {
        hold::lift(state, tx).map_err(|e| unusable(state.path(), &e))?;
    }
    let moved = state.transactions().and_then(|from| {
        let to = state.history()?;
        archive(&open.run, &from, &to)
    });
    moved.map_err(|e| unusable(state.path(), &e))?;
    hold::clear(state).map_err(|e| unusable(state.path(), &e))?;
    Ok(Some(Abandonment { run: open.run, files, actions, settings, services }))
}

/// What the run's services were and are. Programs that others could have changed are not run for it.
fn left_services(tx: &Transaction, open: &OpenRun) -> Vec<LeftService> {
    let were = open.reading.as_ref().map(were).unwrap_or_default();
    let asked = quiesce::open(&tx.plan).ok().filter(|s| check_programs(s.as_ref()).is_ok());
    let left = |service: &PlannedService| LeftService {
        name: service.name.clone(),
        was: were.iter().find(|(name, _)| *name == service.name).map_or(service.was, |(_, was)| *was),
        now: asked.as_ref().and_then(|s| s.state(&service.name).ok()),
        start: asked.as_ref().map(|s| s.start_hint(&service.name)).unwrap_or_default(),
    };
    tx.plan.services.iter().map(left).collect()
}

/// Which way the actions of a run were on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// None was begun, or all are taken back for good.
    Before,
    Forwards,
    Backwards,
}

fn standing(status: Status) -> Standing {
    match status {
        Status::Nothing
        | Status::Begun
        | Status::Staged
        | Status::CommitPending
        | Status::Opening
        | Status::Reopening
        // A guard has none.
        | Status::Guarding
        | Status::Installing
        | Status::Judging
        | Status::AwaitingConfirm
        | Status::GoingBack
        | Status::Unswapped
        | Status::Deferred
        | Status::RebootPending
        | Status::Undone
        | Status::UndoneClean => Standing::Before,
        Status::Armed | Status::Applying(_) | Status::Applied(_) | Status::Swapped => Standing::Forwards,
        Status::Committed | Status::CommittedClean => Standing::Forwards,
        Status::Undoing | Status::Deferring => Standing::Backwards,
    }
}

fn left_actions(tx: &Transaction, open: &OpenRun) -> Vec<LeftAction> {
    let reading = open.reading.as_ref().ok();
    let progress = reading.map(Progress::of).unwrap_or_default();
    let standing = reading.map(|reading| standing(reading.status));
    if tx.actions.is_empty() {
        // `actions.ron` or the journal is damaged, or nothing was prepared yet: the plan alone still names them.
        let stands = if standing == Some(Standing::Before) { Stands::Untouched } else { Stands::InDoubt };
        let named = |step: &Step| match step {
            Step::Custom { component, action, args, .. } => {
                let (component, action, args) = (component.clone(), action.clone(), args.clone());
                Some(LeftAction { component, action, args, stands })
            }
            _ => None,
        };
        return tx.plan.customs().filter_map(named).collect();
    }
    let mut number = 0..;
    let left = |action: &Action| {
        // What there was nothing to do for is never begun.
        let n = if action.already { usize::MAX } else { number.next().unwrap_or(usize::MAX) };
        let stands = match standing {
            None => Stands::InDoubt,
            Some(Standing::Before) => Stands::Untouched,
            Some(_) if n >= progress.begun => Stands::Untouched,
            Some(Standing::Forwards) if n < progress.done => Stands::Done,
            Some(Standing::Forwards | Standing::Backwards) => Stands::InDoubt,
        };
        let (component, args) = (action.component(), action.request.args.clone());
        LeftAction { component, action: action.name(), args, stands }
    };
    tx.actions.iter().map(left).collect()
}

fn abandoned(tx: &Transaction, swap: &Swap) -> Abandoned {
    let slots = swap.slot_paths(&tx.run);
    let in_slot = |slot: &Path| {
        let folder = Folder::open_root(slot.parent()?).ok()?;
        backout_disk::fingerprint::fingerprint_in(&folder, slot.file_name()?).ok()
    };
    let kept = slots.into_iter().find(|slot| in_slot(slot) == Some(swap.before));
    Abandoned {
        target: swap.target.clone(),
        live: backout_disk::fingerprint::fingerprint(&swap.target).ok(),
        before: swap.before,
        before_image: kept.filter(|_| !swap.before.is_absent()).map(HostPath),
        after: swap.after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_for_good_is_not_said_to_be_done() {
        assert_eq!(standing(Status::Applied(0)), Standing::Forwards);
        assert_eq!(standing(Status::Swapped), Standing::Forwards);
        assert_eq!(standing(Status::Undoing), Standing::Backwards);
        assert_eq!(standing(Status::Unswapped), Standing::Before);
    }
}
