//! Takes a finished run back, as a run of its own: staged by copying the before-images, never by taking them.

use crate::{
    companions::with_companions,
    history, look,
    planner::{TOOL, steps},
    preflight, quiesce,
    refusal::{NotUndoable, Refusal},
    state::{State, plain},
    survey::check_programs,
    transaction::{Swap, Transaction},
};
use backout_disk::swap::Turn;
use backout_protocol::{
    ComponentId, Fingerprint, HostPath, Image, Notice, Place, Plan, RelPath, RunId, Step,
    plan::{FORMAT, OnLocked, Operator, PlanKind, PlannedService, Tie, Was},
    step::Source,
};
use std::cell::OnceCell;

/// What is asked of an undo.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// The run's id; `None`: the newest finished run that is neither an undo nor undone.
    pub run: Option<&'a str>,
    /// Who asks.
    pub by: Option<Operator>,
    /// The caller's own id of this request.
    pub request_id: Option<String>,
}

/// Plans the undo that is asked for.
///
/// # Errors
/// [`Refusal::NothingToUndo`], [`Refusal::RunUnknown`], [`Refusal::RunNotUndoable`], [`Refusal::UndoDrift`],
/// [`Refusal::BeforeImageLost`].
pub fn plan(state: &State, asked: &Asked<'_>) -> Result<Plan, Refusal> {
    let finished = finished(state)?;
    let tx = match asked.run {
        Some(id) => chosen(state, &finished, id)?,
        None => newest(finished)?,
    };
    let services = quiesce::open(&tx.plan).map_err(Refusal::Service)?;
    check_programs(services.as_ref(), &tx.plan.site.health)?;
    let files = inverse(&tx)?;
    preflight::closed_now(&tx.plan.closed)?;
    let mut planned = Vec::new();
    let mut notices = Vec::new();
    for service in tx.plan.services.iter().filter(|s| s.tie == Tie::Named) {
        let was = services.state(&service.name).map_err(Refusal::Service)?.was();
        let running = was == Was::Running;
        if !running {
            let start = services.start_hint(&service.name);
            notices.push(Notice::FoundStopped { service: service.name.clone(), start });
        }
        planned.push(PlannedService { name: service.name.clone(), was, start: running, tie: service.tie });
    }
    let planned = with_companions(planned, services.as_ref()).map_err(Refusal::Service)?;
    notices.extend(files.iter().filter_map(rights_changed));
    let waits = tx.plan.steps.iter().filter(|s| matches!(s, Step::WaitExit { .. })).cloned().collect();
    let mut plan = tx.plan;
    plan.format = FORMAT;
    plan.kind = PlanKind::Undo { of: tx.run };
    plan.tool = TOOL.to_owned();
    plan.steps = steps(&planned, waits, files);
    plan.services = planned;
    plan.notices = notices;
    plan.left_alone = Vec::new();
    plan.notes = Vec::new();
    plan.reminders = Vec::new();
    plan.request.start_all = false;
    plan.request.on_locked = OnLocked::Fail;
    plan.request.by.clone_from(&asked.by);
    plan.request.request_id.clone_from(&asked.request_id);
    for component in &mut plan.components {
        std::mem::swap(&mut component.builds_now, &mut component.builds_after);
    }
    Ok(plan)
}

/// Every committed run in the history, newest first.
fn finished(state: &State) -> Result<Vec<Transaction>, Refusal> {
    let mut all = Vec::new();
    for run in state.history_ids()?.into_iter().rev() {
        all.extend(committed(state, &run)?);
    }
    Ok(all)
}

/// The run as a transaction, if it is committed and its records are whole.
fn committed(state: &State, run: &RunId) -> Result<Option<Transaction>, Refusal> {
    let run = history::read(state, run)?.filter(|(reading, _)| reading.status.is_committed());
    Ok(run.map(|(_, tx)| tx))
}

fn undone_by(finished: &[Transaction], run: &RunId) -> Option<RunId> {
    let undoes = |t: &&Transaction| matches!(&t.plan.kind, PlanKind::Undo { of } if of == run);
    finished.iter().find(undoes).map(|t| t.run.clone())
}

fn newest(finished: Vec<Transaction>) -> Result<Transaction, Refusal> {
    let at = finished
        .iter()
        .position(|t| t.plan.kind == PlanKind::Rollback && undone_by(&finished, &t.run).is_none())
        .ok_or(Refusal::NothingToUndo)?;
    finished.into_iter().nth(at).ok_or(Refusal::NothingToUndo)
}

fn chosen(state: &State, finished: &[Transaction], id: &str) -> Result<Transaction, Refusal> {
    let unknown = || Refusal::RunUnknown { run: id.to_owned() };
    let run: RunId = id.to_ascii_lowercase().parse().map_err(|_| unknown())?;
    let not = |why| Err(Refusal::RunNotUndoable { run: run.clone(), why });
    let Some(tx) = finished.iter().find(|t| t.run == run) else {
        if !state.history_ids()?.contains(&run) {
            return Err(unknown());
        }
        return not(NotUndoable::RolledBack);
    };
    if matches!(tx.plan.kind, PlanKind::Undo { .. }) {
        return not(NotUndoable::IsAnUndo);
    }
    if let Some(by) = undone_by(finished, &run) {
        return not(NotUndoable::UndoneBy(by));
    }
    match committed(state, &run)? {
        Some(tx) => Ok(tx),
        None => not(NotUndoable::Damaged("its journal, plan or list of swaps".to_owned())),
    }
}

/// The file steps that take `tx` back, last swap first.
fn inverse(tx: &Transaction) -> Result<Vec<Step>, Refusal> {
    let mut drifted = Vec::new();
    let mut steps = Vec::new();
    for swap in tx.swaps.iter().rev() {
        let live = backout_disk::fingerprint::fingerprint(&swap.target).map_err(look::refusal)?;
        if live == swap.before {
            let image = look_or_folder(&swap.target, live)?;
            steps.push(Step::Hold { target: swap.target.clone(), image });
        } else if live == swap.after {
            steps.extend(invert(tx, swap)?);
        } else {
            drifted.push(swap.target.clone());
        }
    }
    if !drifted.is_empty() {
        return Err(Refusal::UndoDrift { targets: drifted });
    }
    // Folders come back before what lies in them; a folder goes away after what lay in it, as `invert` orders it.
    Ok(steps)
}

fn invert(tx: &Transaction, swap: &Swap) -> Result<Vec<Step>, Refusal> {
    match (swap.turn(), swap.before, swap.after) {
        (Turn::Appear, _, Fingerprint::Folder { .. }) => take_tree_away(&swap.target),
        (Turn::Appear, ..) => {
            let before = look::image(&swap.target).map_err(look::refusal)?;
            Ok(vec![Step::RemoveFile { target: swap.target.clone(), before }])
        }
        (Turn::Vanish, Fingerprint::Folder { .. }, _) => {
            let like = Some(saved(tx, swap)?);
            Ok(vec![Step::CreateFolder { target: swap.target.clone(), like }])
        }
        (Turn::Exchange | Turn::Vanish, ..) => {
            let source = saved(tx, swap)?;
            let before = look::image(&swap.target).map_err(look::refusal)?;
            let lost = || Refusal::BeforeImageLost { target: swap.target.clone() };
            let after = look::image(&source).map_err(|_| lost())?;
            if after.fingerprint != swap.before {
                return Err(lost());
            }
            let component = owner(&tx.plan, &swap.target);
            let source = Source::File(source);
            Ok(vec![Step::ReplaceFile { target: swap.target.clone(), source, before, after, component }])
        }
    }
}

/// Where a run keeps a before-image: its slot, or, where no exchange was to be had, beside it.
fn saved(tx: &Transaction, swap: &Swap) -> Result<Place, Refusal> {
    let staging = plain(format!("{}{}", backout_disk::staging::PREFIX, tx.run));
    let in_host = |name: &RelPath| match &swap.host {
        Some(host) => host.join(&staging).join(name),
        None => staging.join(name),
    };
    let place = |name: &RelPath| Place { root: HostPath(swap.target.root.0.clone()), rel: in_host(name) };
    let slot = place(&swap.slot);
    let holds = |p: &Place| backout_disk::fingerprint::fingerprint(p).is_ok_and(|f| f == swap.before);
    if holds(&slot) {
        return Ok(slot);
    }
    let old = place(&plain(backout_disk::swap::old_name(swap.slot.name())));
    if holds(&old) { Ok(old) } else { Err(Refusal::BeforeImageLost { target: swap.target.clone() }) }
}

/// A file's owner and mode were carried over when it was replaced, so where they are not those of its before-image
/// somebody changed them since, and the undo will not keep that.
fn rights_changed(step: &Step) -> Option<Notice> {
    let Step::ReplaceFile { target, source: Source::File(saved), .. } = step else { return None };
    let stat = |place: &Place| {
        let folder = backout_disk::Folder::open_parent_of(place).ok()?;
        folder.stat(place.rel.name()).ok().flatten()
    };
    let (now, then) = (stat(target)?, stat(saved)?);
    let mut what = Vec::new();
    if now.owner != then.owner {
        let (was, is) = (then.owner, now.owner);
        what.push(format!("its owner went from {}:{} to {}:{}", was.0, was.1, is.0, is.1));
    }
    if now.mode != then.mode {
        what.push(format!("its mode went from {:04o} to {:04o}", then.mode, now.mode));
    }
    (!what.is_empty()).then(|| Notice::RightsChanged { target: target.clone(), what: what.join(" and ") })
}

/// Removes a whole folder by its parts: files, then folders, the deepest first.
fn take_tree_away(top: &Place) -> Result<Vec<Step>, Refusal> {
    let folder = backout_disk::Folder::open_root(&top.root.0).and_then(|r| r.open_below(&top.rel));
    let folder = folder.map_err(look::refusal)?;
    let mut steps = Vec::new();
    for entry in folder.entries().map_err(look::refusal)? {
        if crate::preflight::is_ours(&entry.name) {
            continue;
        }
        let target = Place { root: top.root.clone(), rel: top.rel.join(&plain(&entry.name)) };
        match entry.kind {
            backout_disk::folder::Kind::Folder => steps.extend(take_tree_away(&target)?),
            _ => {
                let before = look::image(&target).map_err(look::refusal)?;
                steps.push(Step::RemoveFile { target, before });
            }
        }
    }
    steps.push(Step::RemoveFolder { target: top.clone() });
    Ok(steps)
}

fn look_or_folder(target: &Place, live: Fingerprint) -> Result<Image, Refusal> {
    match live {
        Fingerprint::Folder { .. } => Ok(Image { fingerprint: live, ..Image::ABSENT }),
        Fingerprint::File { .. } | Fingerprint::Absent => look::image(target).map_err(look::refusal),
    }
}

/// Whose step changed `target`; a backup that went away belongs to whoever's file came back.
fn owner(plan: &Plan, target: &Place) -> ComponentId {
    let own = plan.steps.iter().find_map(|s| match s {
        Step::ReplaceFile { target: t, component, .. } if t == target => Some(component.clone()),
        _ => None,
    });
    let any = || plan.components.first().map(|c| c.id.clone());
    match own.or_else(any) {
        Some(component) => component,
        None => unreachable!("a plan with file steps has a component"),
    }
}

/// What earlier rollbacks put back. The history is read once, and only if it is asked.
pub(crate) struct Restored<'a> {
    state: Option<&'a State>,
    finished: OnceCell<Vec<Transaction>>,
}

impl<'a> Restored<'a> {
    pub(crate) fn of(state: Option<&'a State>) -> Self {
        Self { state, finished: OnceCell::new() }
    }

    /// Whether `live` is exactly what the newest run that touched `place` put there, that run was a rollback, and
    /// nobody undid it: then it is already back, even where no version says so.
    pub(crate) fn put_back(&self, place: &Place, live: &Image) -> bool {
        let read = || self.state.and_then(|s| finished(s).ok()).unwrap_or_default();
        let mut runs = self.finished.get_or_init(read).iter();
        let touched = runs.find_map(|t| Some((t, t.swaps.iter().find(|s| s.target == *place)?)));
        touched.is_some_and(|(t, swap)| t.plan.kind == PlanKind::Rollback && swap.after == live.fingerprint)
    }
}
