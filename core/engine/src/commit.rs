//! Commit: opens the window of a run that was staged before and left so on purpose; or the run is called off.
//!
//! ```text
//! stage by day:     Begin F -> staged -> Staged F -> CommitPending F
//! commit by night:  what is staged and the machine looked at -> journal taken over -> Opening F and on, as any run
//! called off:       Undone F -> staging removed -> Clean
//! ```
//!
//! Until `Opening` nothing of the product is touched, so whatever is refused up to there leaves the run waiting.

use crate::{
    action::Asking,
    faces::Faces,
    failure::{Failure, Stuck},
    history::{self, Fate},
    hold::{self, UNSETTLED},
    proof, quiesce,
    recover::{self, load},
    refusal::{NotCommittable, Refusal},
    report::{Ending, RunReport, counts},
    rollback::conclude,
    stage::Stagings,
    state::{Locked, OpenRun, State},
    swap::is_placeholder,
    tidy,
    transaction::{Swap, Transaction},
    window::{Run, chain},
};
use backout_disk::{Error, fingerprint::fingerprint, swap::Turn};
use backout_journal::{Direction, Journal, Reading, Record};
use backout_machine::service::Services;
use backout_protocol::{
    Event, Fingerprint, Notice, Place, Plan, RunId, Step,
    plan::{PlanDrift, PlanKind, PlannedService},
    report::Phase,
    step::Source,
};
use std::{ffi::OsStr, fs::File, path::Path, time::Duration};

/// Why a run that was called off ended.
const CALLED_OFF: &str = "it was called off before its commit";

/// A run that waits for its commit.
#[derive(Debug)]
pub struct Waiting {
    tx: Transaction,
    reading: Reading,
}

/// What the window of a run that waits needs.
struct Ready {
    journal: Journal,
    stagings: Stagings,
    services: Box<dyn Services>,
    notices: Vec<Notice>,
    /// Marks the stops that are under way.
    held: File,
}

/// What a commit is about.
#[derive(Debug)]
pub enum Meant {
    /// A run that waits for it.
    Waits(Box<Waiting>),
    /// A run that is committed already.
    Over(RunId),
}

/// The run to be committed: the one named, by its id or as much of its beginning as no other has, or the one that waits.
///
/// # Errors
/// [`Refusal::NothingStaged`], [`Refusal::CommitUnknown`], [`Refusal::CommitOver`], [`Refusal::StagedSpoilt`]; a run is
/// open and does not wait for a commit.
pub fn meant(state: &State, asked: Option<&str>) -> Result<Meant, Refusal> {
    let open = state.unfinished()?;
    let waiting = open.as_ref().filter(|o| o.waits_for_its_commit()).map(|o| o.run.clone());
    let unknown = |asked: &str| Refusal::CommitUnknown { asked: asked.to_owned(), waiting: waiting.clone() };
    let named = asked.map(|text| history::named(state, text).map_err(|_| unknown(text))).transpose()?;
    match (open, named) {
        (Some(open), named) if named.as_ref().is_none_or(|run| *run == open.run) => {
            if waiting.is_none() {
                return Err(open.refusal());
            }
            let run = open.run.clone();
            match load(state, &open) {
                Ok((tx, reading)) => Ok(Meant::Waits(Box::new(Waiting { tx, reading }))),
                Err(why) => Err(spoilt(run, why)),
            }
        }
        (_, Some(run)) => over(state, run),
        (Some(open), None) => Err(open.refusal()),
        (None, None) => Err(Refusal::NothingStaged),
    }
}

/// A run that is over, as somebody wants it committed.
fn over(state: &State, run: RunId) -> Result<Meant, Refusal> {
    let entries = history::entries(state)?;
    let fate = entries.iter().find(|entry| entry.run == run).map(|entry| &entry.fate);
    let why = match (fate, history::undone_by(&entries, &run)) {
        (Some(Fate::Committed), None) => return Ok(Meant::Over(run)),
        (Some(Fate::Committed), Some(by)) => NotCommittable::UndoneBy(by.clone()),
        (Some(Fate::Undone { why }), _) => NotCommittable::PutBack(why.clone()),
        (Some(Fate::Open(_) | Fate::Abandoned | Fate::Unreadable { .. }) | None, _) => {
            NotCommittable::Unknown
        }
    };
    Err(Refusal::CommitOver { run, why })
}

fn spoilt(run: RunId, why: Stuck) -> Refusal {
    match why {
        Stuck::Companion { path, why } => Refusal::StagedSpoilt { run, path, why },
        Stuck::Journal { path, why } => Refusal::StagedSpoilt { run, path, why: why.to_string() },
        // Loading fails in no other way.
        other => Refusal::StillStaged {
            run,
            why: Box::new(Refusal::BeforeStop(Failure::Process { why: format!("{other:?}") })),
        },
    }
}

/// The report of a run that is left staged.
pub(crate) fn report(tx: &Transaction) -> RunReport {
    RunReport {
        run: Some(tx.run.clone()),
        counts: counts(&tx.plan),
        notices: tx.plan.notices.clone(),
        ..RunReport::of(Ending::Staged)
    }
}

impl Waiting {
    /// Which.
    pub fn run(&self) -> &RunId {
        &self.tx.run
    }

    /// What it will do.
    pub fn plan(&self) -> &Plan {
        &self.tx.plan
    }

    /// How it stands.
    pub fn report(&self) -> RunReport {
        report(&self.tx)
    }

    /// What is no longer as it was when the run was staged: the files it changes and those it takes them from, what lies
    /// staged, its plugins' actions, services that came to it. `now`: a plan made afresh for the same wish. Whether a
    /// service runs just now does not count: the window asks for itself what it has to stop and to start again.
    ///
    /// # Errors
    /// [`Refusal::StillStaged`]: it cannot be told.
    pub fn drift(&self, now: &Plan, faces: &Faces<'_>) -> Result<Vec<PlanDrift>, Refusal> {
        let tx = &self.tx;
        let mut drift: Vec<PlanDrift> = since(&tx.plan, now).into_iter().map(|one| self.named(one)).collect();
        let stagings = self.stagings()?;
        for swap in &tx.swaps {
            let found = self.differs(swap, &stagings).map(PlanDrift::Target);
            drift.extend(found.filter(|one| !drift.contains(one)));
        }
        for action in &tx.actions {
            let (component, name) = (action.component(), action.name());
            match Asking::of(tx, faces.host).side(action) {
                Ok(side) if action.is_untouched(side) => {}
                Ok(_) => drift.push(PlanDrift::Action(format!("{name} ({component})"))),
                Err(why) => {
                    return Err(self.still(Refusal::ActionNotReady { component, action: name, why }));
                }
            }
        }
        Ok(drift)
    }

    /// Where a step differs as what it takes its bytes from has changed, and not its target, that is what is named.
    fn named(&self, drift: PlanDrift) -> PlanDrift {
        let PlanDrift::Target(name) = &drift else { return drift };
        let holds = |place: &Place, wanted: Fingerprint| fingerprint(place).is_ok_and(|f| f == wanted);
        let source = self.tx.plan.steps.iter().find_map(|step| match step {
            Step::ReplaceFile {
                target,
                source: Source::File(from) | Source::Saved(from),
                before,
                after,
                ..
            } if target.to_string() == *name
                && holds(target, before.fingerprint)
                && !holds(from, after.fingerprint) =>
            {
                Some(from.to_string())
            }
            _ => None,
        });
        source.map_or(drift, PlanDrift::Target)
    }

    /// The name of a swap, or of its slot, that does not hold what it held when everything was staged.
    fn differs(&self, swap: &Swap, stagings: &Stagings) -> Option<String> {
        let target = || Some(swap.target.to_string());
        let staging = stagings.get(&swap.host())?;
        let Ok(seen) = swap.pair(staging).and_then(|pair| pair.sight()) else { return target() };
        // A folder that goes away is still full; the files in it are swaps of their own.
        let emptied_later = matches!(swap.before, Fingerprint::Folder { .. });
        if seen.target != swap.before && !emptied_later {
            return target();
        }
        let staged = match swap.turn() {
            Turn::Exchange | Turn::Alike | Turn::Appear => seen.slot == swap.after,
            Turn::Vanish => is_placeholder(&seen.slot),
        };
        (!staged || !seen.old.is_absent()).then(|| swap.slot_path(&self.tx.run).display().to_string())
    }

    /// Everything staged must be in reach: a volume that is not mounted would look as if its files were gone.
    fn stagings(&self) -> Result<Stagings, Refusal> {
        tidy::reopen(&self.tx).map_err(|missing| match missing {
            Ok(folder) => self.still(Refusal::BeforeStop(Failure::NotMounted { folder })),
            Err(e) => self.still(Refusal::Look(e)),
        })
    }

    /// The refusal of a commit that leaves the run waiting.
    fn still(&self, why: Refusal) -> Refusal {
        Refusal::StillStaged { run: self.tx.run.clone(), why: Box::new(why) }
    }

    /// Everything that its window needs, as it is now. The `Err` leaves it waiting.
    fn ready(&self) -> Result<Ready, Box<Ending>> {
        let Waiting { tx, reading } = self;
        let stays = |why: Refusal| Box::new(Ending::Refused(self.still(why)));
        let services = quiesce::open_trusted(&tx.plan).map_err(stays)?;
        let stagings = self.stagings().map_err(|why| Box::new(Ending::Refused(why)))?;
        proof::sacred(tx).map_err(|why| Box::new(Ending::Stuck { after: None, why }))?;
        let notices = self.dress_again(&stagings).map_err(|e| stays(Refusal::Look(e)))?;
        let patience = Duration::from_secs(tx.plan.site.timeouts.stop.into());
        let held = quiesce::mark_stops(tx, services.as_ref(), patience)
            .map_err(|failure| stays(Refusal::BeforeStop(failure)))?;
        // Written anew: `CommitPending` may have been seen in the page cache only. On disk then: one of the two, and
        // either way the run waits.
        let first = Record::Recovering { direction: Direction::Forwards };
        let journal = Journal::take_over(&tx.folder, &tx.run, reading, [first])
            .map_err(|e| stays(Refusal::BeforeStop(Failure::Journal { why: chain(&e) })))?;
        Ok(Ready { journal, stagings, services, notices, held })
    }

    /// Rights are no state to refuse for: whoever changed them since is to find them so again.
    fn dress_again(&self, stagings: &Stagings) -> Result<Vec<Notice>, Error> {
        let tx = &self.tx;
        let mut notices = Vec::new();
        let dressed = |step: &Step| match step {
            Step::ReplaceFile { target, source: Source::File(_) | Source::Inline(_), .. } => {
                Some(target.clone())
            }
            _ => None,
        };
        let targets: Vec<Place> = tx.plan.steps.iter().filter_map(dressed).collect();
        if matches!(tx.plan.kind, PlanKind::Undo { .. }) {
            return Ok(notices);
        }
        let live = tx.swaps.iter().filter(|s| s.turn() == Turn::Exchange && targets.contains(&s.target));
        for swap in live {
            let Some(staging) = stagings.get(&swap.host()) else { continue };
            let target = swap.target.clone();
            let notes = staging.dress_again(&swap.slot, &target)?;
            notices.extend(
                notes.into_iter().map(|what| Notice::MetadataDiffers { target: target.clone(), what }),
            );
        }
        // If this is lost to a power cut the staged files have the rights of the day.
        stagings.values().try_for_each(|staging| staging.folder().sync_file_system())?;
        Ok(notices)
    }
}

/// What differs between the plan that is staged and one made now.
fn since(plan: &Plan, now: &Plan) -> Vec<PlanDrift> {
    let new = |s: &&PlannedService| !plan.services.iter().any(|p| p.name == s.name && p.tie == s.tie);
    let joined: Vec<PlanDrift> =
        now.services.iter().filter(new).map(|s| PlanDrift::Service(s.name.clone())).collect();
    let stop = |step: &&Step| matches!(step, Step::StopService { .. });
    let start = |step: &&Step| matches!(step, Step::StartService { .. });
    let around = |step: &&Step| stop(step) || start(step);
    let stops = plan.steps.iter().filter(stop);
    let steps = stops.chain(now.steps.iter().filter(|s| !around(s))).chain(plan.steps.iter().filter(start));
    let like = Plan { services: plan.services.clone(), steps: steps.cloned().collect(), ..now.clone() };
    plan.drift(&like).into_iter().chain(joined).collect()
}

/// Opens the window of a run that waits, which must have been looked at under this lock.
pub fn run(locked: &Locked, waiting: &Waiting, faces: &Faces<'_>) -> RunReport {
    let tx = &waiting.tx;
    faces.observer.begun(&tx.run, tx.log());
    match waiting.ready() {
        Ok(Ready { journal, stagings, services, notices, held }) => {
            let mut run = Run::staged(locked.state(), tx, journal, stagings, services.as_ref(), *faces, held);
            run.notices = notices;
            let (ending, run) = run.forwards();
            conclude(locked, ending, run)
        }
        Err(ending) => RunReport { run: Some(tx.run.clone()), ..RunReport::left(*ending, &waiting.reading) },
    }
}

/// What a recovery does with a run that waits for its commit: nothing of the product is touched, and it waits on.
pub(crate) fn leave_be(locked: &Locked, tx: &Transaction, reading: &Reading) -> RunReport {
    // Whoever hears that it waits is to find it waiting, also behind a power cut.
    let first = Record::Recovering { direction: Direction::Forwards };
    if let Err(e) = Journal::take_over(&tx.folder, &tx.run, reading, [first]) {
        return RunReport::of(Ending::Unfinished(Failure::Journal { why: chain(&e) }));
    }
    // A commit that died before its window has made what would have held services back.
    let prepared = !matches!(tx.folder.stat(OsStr::new(UNSETTLED)), Ok(None));
    if prepared && let Err(e) = hold::lift(locked.state(), tx) {
        log::warn!("run {}: {e}; it holds nothing back", tx.run);
    }
    report(tx)
}

/// Calls off the run that waits for its commit in the state folder at `path`: what was staged goes, nothing else.
pub fn call_off(path: &Path, faces: &Faces<'_>) -> RunReport {
    recover::unfinished(path, |locked, open| cancel(locked, open, faces))
}

fn cancel(locked: &Locked, open: OpenRun, faces: &Faces<'_>) -> RunReport {
    if !open.waits_for_its_commit() {
        return Refusal::NoCommitPending { run: open.run }.into();
    }
    faces.observer.event(&Event::Phase { phase: Phase::Recover });
    let report = match load(locked.state(), &open) {
        Ok((tx, reading)) => {
            faces.observer.begun(&tx.run, tx.log());
            RunReport::left(take_away(locked, &tx, &reading), &reading)
        }
        Err(why) => recover::unread(&open, why),
    };
    RunReport { run: Some(open.run), ..report }
}

fn still(tx: &Transaction, why: Refusal) -> Ending {
    Ending::Refused(Refusal::StillStaged { run: tx.run.clone(), why: Box::new(why) })
}

fn take_away(locked: &Locked, tx: &Transaction, reading: &Reading) -> Ending {
    match tidy::reopen(tx) {
        Ok(stagings) => drop(stagings),
        // A recovery would only say that the run waits.
        Err(Ok(folder)) => return still(tx, Refusal::BeforeStop(Failure::NotMounted { folder })),
        Err(Err(e)) => return still(tx, Refusal::Look(e)),
    }
    if let Err(why) = proof::sacred(tx) {
        return Ending::Stuck { after: None, why };
    }
    let undone = Record::Undone { why: CALLED_OFF.to_owned() };
    // On disk: the old journal, and it waits on; or the new one, and the next verb tidies up.
    let journal = match Journal::take_over(&tx.folder, &tx.run, reading, [undone]) {
        Ok(journal) => journal,
        Err(e) => return Ending::Unfinished(Failure::Journal { why: chain(&e) }),
    };
    let tidied = tidy::drop_staging(tx).and_then(|()| tidy::close(locked, tx, Some(journal)));
    if let Err(e) = tidied {
        log::warn!("run {}: {e}; the next verb tidies up", tx.run);
    }
    Ending::RolledBack(Failure::Recorded { why: CALLED_OFF.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blank;
    use backout_protocol::plan::{Tie, Was};

    fn plan(services: &[(&str, Was, Tie)]) -> Plan {
        let mut plan = blank::plan();
        for (name, was, tie) in services {
            let (name, was, tie) = (name.parse().unwrap(), *was, *tie);
            plan.services.push(PlannedService { name, was, start: was.ran(), tie });
        }
        let service = |s: &PlannedService| s.name.clone();
        let ran = plan.services.iter().filter(|s| s.was.ran()).map(service);
        let stops = ran.clone().map(|service| Step::StopService { service });
        plan.steps = stops.chain(ran.map(|service| Step::StartService { service })).collect();
        plan
    }

    #[test]
    fn a_service_that_stops_or_starts_is_no_drift_and_one_that_comes_to_it_is() {
        let staged = plan(&[("S", Was::Running, Tie::Named), ("T", Was::Running, Tie::Dependent)]);
        let stopped = plan(&[("S", Was::Stopped, Tie::Named)]);
        assert_eq!(since(&staged, &stopped), []);
        assert_eq!(since(&stopped, &plan(&[("S", Was::Restarting, Tie::Named)])), []);
        let named = PlanDrift::Service("T".parse().unwrap());
        assert_eq!(since(&stopped, &staged), [named]);
        let another = plan(&[("S", Was::Stopped, Tie::Named), ("U", Was::Stopped, Tie::Named)]);
        assert_eq!(since(&stopped, &another), [PlanDrift::Service("U".parse().unwrap())]);
        let mut other = stopped.clone();
        other.site.timeouts.stop += 1;
        assert_eq!(since(&staged, &other), [PlanDrift::Site]);
    }
}
