//! Takes a finished run back, as a run of its own: staged by copying the before-images, never by taking them. What plugins
//! did is taken back by what they remembered then.

use crate::{
    action::{Asking, Side},
    companions::{named, with_companions},
    faces::Faces,
    guard,
    history::{self, Entry, Fate},
    look,
    planner::{TOOL, found_stopped, steps},
    preflight, quiesce,
    refusal::{NotUndoable, Refusal},
    setting::{self, Settings},
    snapshot::diff::differing,
    state::{State, plain},
    transaction::{Dressing, Swap, Transaction},
    undo_part,
};
use backout_disk::{
    ErrorKind, aside,
    staging::{Side as Rights, Staging},
    swap::Turn,
};
use backout_machine::service::Services;
use backout_protocol::{
    ComponentId, Fingerprint, HostPath, Image, Notice, Place, Plan, RelPath, RunId, Step,
    plan::{FORMAT, OnLocked, Operator, PlanKind},
    step::{Source, Way},
};
use std::{cell::OnceCell, collections::BTreeSet};

/// What is asked of an undo.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// The run's id; `None`: the newest finished run that is neither an undo nor undone.
    pub run: Option<&'a str>,
    /// Only these files of it; empty: all.
    pub paths: &'a [String],
    /// Who asks.
    pub by: Option<Operator>,
    /// The caller's own id of this request.
    pub request_id: Option<String>,
}

/// Plans the undo that is asked for.
///
/// # Errors
/// [`Refusal::NothingToUndo`], [`Refusal::RunUnknown`], [`Refusal::RunNotUndoable`], [`Refusal::UndoDrift`],
/// [`Refusal::BeforeImageLost`], [`Refusal::UndoActionDrift`], [`Refusal::ActionNotReady`], [`Refusal::PathUnused`].
pub fn plan(state: &State, asked: &Asked<'_>, faces: &Faces<'_>) -> Result<Plan, Refusal> {
    let runs = runs(state)?;
    let mut tx = match asked.run {
        Some(id) => chosen(runs, id)?,
        None => newest(runs)?,
    };
    if let Some(terms) = tx.plan.guards() {
        return guard::undo(state, &tx, terms, asked, faces);
    }
    let services = quiesce::open_trusted(&tx.plan)?;
    let left = match asked.paths {
        [] => 0,
        // Actions change what no path names: they stay applied, and are counted among what is left.
        paths => {
            let others = tx.plan.settings().count() + tx.actions.iter().filter(|a| !a.already).count();
            undo_part::keep_only(&mut tx, paths)? + others
        }
    };
    let mut changes = inverse(&tx).map_err(|refusal| undo_part::with_later(state, &tx.run, refusal))?;
    let mut notices = Vec::new();
    if asked.paths.is_empty() {
        changes.extend(set_back(&tx, services.as_ref(), faces, &mut notices)?);
        changes.extend(taken_back(&tx, faces)?);
    }
    preflight::closed_now(&tx.plan.closed)?;
    let planned = named(&tx.plan.services, services.as_ref()).map_err(Refusal::Service)?;
    notices.extend(found_stopped(&planned, services.as_ref()));
    let planned = with_companions(planned, services.as_ref()).map_err(Refusal::Service)?;
    // What a snapshot brings back it brings with its own rights, so there nothing is to be told from them.
    let saved: BTreeSet<&Place> = tx.plan.steps.iter().filter_map(from_a_snapshot).collect();
    let carried = |step: &&Step| step.target().is_none_or(|target| !saved.contains(target));
    notices.extend(changes.iter().filter(carried).filter_map(rights_changed));
    if left > 0 && changes.iter().any(Step::changes_files) {
        notices.push(Notice::PartlyUndone { of: tx.run.clone(), left: left as u64 });
    }
    let waits = tx.plan.steps.iter().filter(|s| matches!(s, Step::WaitExit { .. })).cloned().collect();
    let mut plan = tx.plan;
    plan.format = FORMAT;
    plan.kind = PlanKind::Undo { of: tx.run };
    plan.tool = TOOL.to_owned();
    plan.steps = steps(&planned, waits, changes);
    plan.services = planned;
    plan.notices = notices;
    plan.left_alone = Vec::new();
    plan.notes = Vec::new();
    plan.reminders = Vec::new();
    plan.request.start_all = false;
    plan.request.only_safe = false;
    plan.request.keep_local = Vec::new();
    plan.request.overwrite = Vec::new();
    plan.request.paths = asked.paths.to_vec();
    plan.request.on_locked = OnLocked::Fail;
    plan.request.by.clone_from(&asked.by);
    plan.request.request_id.clone_from(&asked.request_id);
    for component in &mut plan.components {
        std::mem::swap(&mut component.builds_now, &mut component.builds_after);
    }
    Ok(plan)
}

/// What undo can make of a run of the history.
enum Finished {
    /// It ended in the new state, and its records are whole.
    Committed(Box<Transaction>),
    /// It ended in the old state, or was given up.
    Other,
    /// Its records do not say, or not enough.
    Damaged(String),
}

/// Every run of the history, newest first.
fn runs(state: &State) -> Result<Vec<(RunId, Finished)>, Refusal> {
    let newest_first = state.history_ids()?.into_iter().rev();
    Ok(newest_first.map(|run| (run.clone(), finished(state, &run))).collect())
}

fn finished(state: &State, run: &RunId) -> Finished {
    let damaged = |what: String| Finished::Damaged(what);
    match history::read(state, run) {
        Ok(Some((reading, tx))) if reading.status.is_committed() => Finished::Committed(Box::new(tx)),
        Ok(Some(_)) => Finished::Other,
        // Its journal alone may still tell that there is nothing to take back.
        Ok(None) | Err(_) => match history::find(state, run) {
            Ok(Some(Entry { fate: Fate::Unreadable { why }, .. })) => damaged(why),
            Ok(Some(Entry { fate: Fate::Undone { .. } | Fate::Abandoned, .. })) => Finished::Other,
            Ok(_) => damaged("its plan or its list of swaps".to_owned()),
            Err(_) => damaged("its folder".to_owned()),
        },
    }
}

fn committed(runs: &[(RunId, Finished)]) -> impl Iterator<Item = &Transaction> {
    runs.iter().filter_map(|(_, run)| match run {
        Finished::Committed(tx) => Some(tx.as_ref()),
        Finished::Other | Finished::Damaged(_) => None,
    })
}

fn undone_by(runs: &[(RunId, Finished)], run: &RunId) -> Option<RunId> {
    // One that took back a part has left the rest to take back.
    let whole = |t: &Transaction| t.plan.request.paths.is_empty();
    let undoes = |t: &&Transaction| matches!(&t.plan.kind, PlanKind::Undo { of } if of == run) && whole(t);
    committed(runs).find(undoes).map(|t| t.run.clone())
}

/// The newest run that can be taken back. One whose records cannot be read is never passed over: what an older run
/// changed may have been changed by it again.
fn newest(runs: Vec<(RunId, Finished)>) -> Result<Transaction, Refusal> {
    let at = runs.iter().position(|(run, finished)| match finished {
        Finished::Committed(tx) => {
            let back = matches!(tx.plan.kind, PlanKind::Undo { .. }) || tx.plan.guard.is_some();
            let changed = !tx.is_empty() || tx.plan.guards().is_some();
            !back && changed && undone_by(&runs, run).is_none()
        }
        Finished::Damaged(_) => true,
        Finished::Other => false,
    });
    match at.and_then(|at| runs.into_iter().nth(at)) {
        Some((_, Finished::Committed(tx))) => Ok(*tx),
        Some((run, Finished::Damaged(why))) => {
            Err(Refusal::RunNotUndoable { run, why: NotUndoable::Damaged(why) })
        }
        Some((_, Finished::Other)) | None => Err(Refusal::NothingToUndo),
    }
}

fn chosen(runs: Vec<(RunId, Finished)>, id: &str) -> Result<Transaction, Refusal> {
    let unknown = || Refusal::RunUnknown { run: id.to_owned() };
    let run: RunId = id.to_ascii_lowercase().parse().map_err(|_| unknown())?;
    let by = undone_by(&runs, &run);
    let (_, found) = runs.into_iter().find(|(known, _)| *known == run).ok_or_else(unknown)?;
    let why = match (found, by) {
        (Finished::Other, _) => NotUndoable::RolledBack,
        (Finished::Damaged(why), _) => NotUndoable::Damaged(why),
        (Finished::Committed(tx), _)
            if matches!(tx.plan.kind, PlanKind::Undo { .. }) || tx.plan.guard.is_some() =>
        {
            NotUndoable::IsAnUndo
        }
        (Finished::Committed(_), Some(by)) => NotUndoable::UndoneBy(by),
        (Finished::Committed(tx), None) => return Ok(*tx),
    };
    Err(Refusal::RunNotUndoable { run, why })
}

/// The file steps that take `tx` back, last swap first.
fn inverse(tx: &Transaction) -> Result<Vec<Step>, Refusal> {
    let mut drifted = Vec::new();
    let mut steps = Vec::new();
    for swap in tx.swaps.iter().rev() {
        let live = backout_disk::fingerprint::fingerprint(&swap.target).map_err(look::refusal)?;
        if live == swap.before && swap.turn() == Turn::Alike {
            steps.extend(what_was_beside(tx, swap)?);
        } else if live == swap.before {
            let image = image_of(&swap.target, live)?;
            steps.push(Step::Hold { target: swap.target.clone(), image });
        } else if live == swap.after {
            steps.extend(invert(tx, swap)?);
        } else if undo_part::is_there_again(swap, live) {
            // What is to lie in it is a swap of its own.
        } else {
            drifted.push(swap.target.clone());
        }
    }
    if !drifted.is_empty() {
        return Err(Refusal::UndoDrift { targets: drifted, on_top: Vec::new() });
    }
    for dressing in &tx.dressings {
        steps.extend(undress(tx, dressing)?);
    }
    // Folders come back before what lies in them; a folder goes away after what lay in it, as `invert` orders it.
    Ok(steps)
}

/// The steps that take back what `tx` set, the last first. What the product or a person has set since stays, and is named: it is
/// nothing that the run has done.
fn set_back(
    tx: &Transaction,
    services: &dyn Services,
    faces: &Faces<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Step>, Refusal> {
    let settings = Settings { registry: faces.registry, services };
    let (mut steps, mut drifted) = (Vec::new(), Vec::new());
    for step in tx.plan.settings().rev() {
        let unread = |why| Refusal::SettingUnread { setting: step.setting().unwrap_or_default(), why };
        let left = settings.left(&setting::inverse(step)).map_err(unread)?;
        steps.extend(left.step);
        drifted.extend(left.drifted);
    }
    if !drifted.is_empty() {
        notices.push(Notice::SettingDriftKept { names: drifted });
    }
    Ok(steps)
}

/// The steps that take back what plugins did in `tx`, the last first. One that is as before already is no step; it is looked
/// at once more before the run arms, like all of them.
fn taken_back(tx: &Transaction, faces: &Faces<'_>) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for (n, action) in tx.actions.iter().enumerate().filter(|(_, a)| !a.already).rev() {
        let (component, name) = (action.component(), action.name());
        match Asking::of(tx, faces.host).side(action) {
            Ok(Side::Old) => {}
            Ok(Side::New) => steps.push(Step::Custom {
                component,
                plugin: action.plugin.id.clone(),
                action: name,
                args: action.request.args.clone(),
                way: Way::Back { n: u32::try_from(n).unwrap_or(u32::MAX) },
            }),
            Ok(Side::Between) => return Err(Refusal::UndoActionDrift { component, action: name }),
            Err(why) => return Err(Refusal::ActionNotReady { component, action: name, why }),
        }
    }
    Ok(steps)
}

fn invert(tx: &Transaction, swap: &Swap) -> Result<Vec<Step>, Refusal> {
    match (swap.turn(), swap.before, swap.after) {
        (Turn::Appear, _, Fingerprint::Folder { .. }) => take_tree_away(&swap.target),
        (Turn::Appear, _, live) => {
            let before = image_of(&swap.target, live)?;
            Ok(vec![Step::RemoveFile { target: swap.target.clone(), before }])
        }
        (Turn::Vanish, Fingerprint::Folder { .. }, _) => {
            let like = Some(saved(tx, swap)?);
            Ok(vec![Step::CreateFolder { target: swap.target.clone(), like }])
        }
        (Turn::Exchange | Turn::Vanish | Turn::Alike, ..) => {
            let source = saved(tx, swap)?;
            let before = image_of(&swap.target, swap.after)?;
            let differs = match (swap.before, swap.after) {
                (Fingerprint::Link { .. }, _) => {
                    vec![format!("symbolic link to `{}`", look::link(&source).map_err(look::refusal)?)]
                }
                (_, Fingerprint::Link { .. }) => vec!["symbolic link -> file".to_owned()],
                _ => Vec::new(),
            };
            Ok(vec![put_back(tx, swap, source, before, differs)?])
        }
    }
}

fn put_back(
    tx: &Transaction,
    swap: &Swap,
    source: Place,
    before: Image,
    differs: Vec<String>,
) -> Result<Step, Refusal> {
    let lost = || Refusal::BeforeImageLost { target: swap.target.clone() };
    let after = image_of(&source, swap.before).map_err(|_| lost())?;
    if after.fingerprint != swap.before {
        return Err(lost());
    }
    let component = owner(&tx.plan, &swap.target);
    let (target, source) = (swap.target.clone(), Source::File(source));
    Ok(Step::ReplaceFile { target, source, before, after, component, differs })
}

/// The step that puts back what was beside the bytes of a file, or a hold where it is as it was.
fn what_was_beside(tx: &Transaction, swap: &Swap) -> Result<Option<Step>, Refusal> {
    let source = saved(tx, swap)?;
    let image = image_of(&swap.target, swap.before)?;
    let facts = |place: &Place| aside::file_facts(place).map_err(look::refusal);
    let differs = differing(&facts(&swap.target)?, &facts(&source)?, false);
    if differs.is_empty() {
        return Ok(Some(Step::Hold { target: swap.target.clone(), image }));
    }
    put_back(tx, swap, source, image, differs).map(Some)
}

/// The step that gives a folder back what it had; none where it has it, or is gone.
fn undress(tx: &Transaction, dressing: &Dressing) -> Result<Option<Step>, Refusal> {
    let folder = match dressing.open() {
        Ok(folder) => folder,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(look::refusal(e)),
    };
    let lost = |_| Refusal::BeforeImageLost { target: dressing.place() };
    let staging = dressing.host().open().and_then(|host| Staging::open(&host, &tx.run)).map_err(lost)?;
    let Some(staging) = staging else { return Err(Refusal::BeforeImageLost { target: dressing.place() }) };
    let kept = staging.rights(&dressing.slot, Rights::Old).map_err(lost)?;
    let (now, then) = (aside::facts(&folder).map_err(look::refusal)?, aside::facts(&kept).map_err(lost)?);
    let differs = differing(&now, &then, true);
    let name = plain(backout_disk::swap::old_name(dressing.slot.name()));
    let rel = plain(backout_disk::staging::name_of(&tx.run)).join(&name);
    let like = Place { root: dressing.root.clone(), rel };
    let (root, rel) = (dressing.root.clone(), dressing.rel.clone());
    Ok((!differs.is_empty()).then_some(Step::DressFolder { root, rel, like, differs }))
}

/// Where a run keeps a before-image: its slot, or, where no exchange was to be had, beside it.
fn saved(tx: &Transaction, swap: &Swap) -> Result<Place, Refusal> {
    let staging = plain(backout_disk::staging::name_of(&tx.run));
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

fn from_a_snapshot(step: &Step) -> Option<&Place> {
    match step {
        Step::ReplaceFile { target, source: Source::Saved(_), .. } => Some(target),
        _ => None,
    }
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
                let live = backout_disk::fingerprint::fingerprint(&target).map_err(look::refusal)?;
                let before = image_of(&target, live)?;
                steps.push(Step::RemoveFile { target, before });
            }
        }
    }
    steps.push(Step::RemoveFolder { target: top.clone() });
    Ok(steps)
}

/// The image of what was seen under a name; only files have more than their state.
fn image_of(target: &Place, live: Fingerprint) -> Result<Image, Refusal> {
    match live {
        Fingerprint::Folder { .. } => Ok(Image::bare(live)),
        Fingerprint::Link { .. } => {
            let seen = backout_disk::fingerprint::fingerprint(target).map_err(look::refusal)?;
            Ok(Image::bare(seen))
        }
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
    runs: OnceCell<Vec<(RunId, Finished)>>,
}

impl<'a> Restored<'a> {
    pub(crate) fn of(state: Option<&'a State>) -> Self {
        Self { state, runs: OnceCell::new() }
    }

    /// Whether `live` is exactly what the newest run that touched `place` put there, that run was a rollback, and
    /// nobody undid it: then it is already back, even where no version says so.
    pub(crate) fn put_back(&self, place: &Place, live: &Image) -> bool {
        let read = || self.state.and_then(|s| runs(s).ok()).unwrap_or_default();
        let mut committed = committed(self.runs.get_or_init(read));
        let touched = committed.find_map(|t| Some((t, t.swaps.iter().find(|s| s.target == *place)?)));
        touched.is_some_and(|(t, swap)| {
            let back = t.plan.kind == PlanKind::Rollback && !t.plan.restores_a_snapshot();
            back && swap.after == live.fingerprint
        })
    }
}
