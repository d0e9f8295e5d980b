//! `backout history`: the runs that are over; and their going by rule.

use crate::{
    answer::Answer,
    exit_code,
    logging::{now, when},
    messages::{self, bytes, confirm, history as words, snapshot as snapshots},
    session::{Session, Stop, stop},
};
use backout_engine::{
    State,
    guard::{self, Awaited},
    history::{self, Entry, Pruned, Retention, undone_by},
    snapshot,
};
use backout_protocol::{Outcome, RunId, plan::PlanKind};
use serde_json::{Value, json};

/// The run that waits to be confirmed, if one does, and how it stands.
pub(crate) fn waiting(state: &State) -> Result<Option<(RunId, Awaited)>, Stop> {
    let open = state.unfinished().map_err(stop)?;
    Ok(open.and_then(|open| Some((open.run.clone(), guard::awaited(state, &open)?))))
}

pub(crate) fn list(session: &Session) -> Result<Answer, Stop> {
    let (entries, open) = match State::look(&session.state).map_err(stop)? {
        Some(state) => (history::entries(&state).map_err(stop)?, waiting(&state)?),
        None => (Vec::new(), None),
    };
    let rows: Vec<Value> = entries.iter().map(|e| row(e, undone_by(&entries, &e.run))).collect();
    let mut lines: Vec<String> =
        entries.iter().map(|e| words::line(e, undone_by(&entries, &e.run))).collect();
    if let Some((run, awaited)) = &open {
        lines.insert(0, confirm::stands(run, awaited));
    }
    let text = if lines.is_empty() { "no run is over yet".to_owned() } else { lines.join("\n") };
    let mut data = json!({ "runs": rows });
    if let Some((run, awaited)) = open {
        data["waiting"] = json!({ "run": run, "confirm": confirm::data(&awaited) });
    }
    Ok(Answer::read(text, data))
}

/// A run as a program reads it.
pub(crate) fn row(entry: &Entry, undone_by: Option<&RunId>) -> Value {
    let plan = entry.plan.as_ref();
    let undoes = plan.and_then(|p| match &p.kind {
        PlanKind::Undo { of } => Some(of),
        PlanKind::Rollback | PlanKind::Apply | PlanKind::Guard(_) => None,
    });
    json!({
        "run": entry.run,
        "begun": when(entry.begun),
        "begun_ms": entry.begun,
        "kind": plan.map(|p| match p.kind {
            PlanKind::Rollback => "rollback",
            PlanKind::Apply => "apply",
            PlanKind::Undo { .. } => "undo",
            PlanKind::Guard(_) => "guard",
        }),
        "guard": plan.and_then(|p| p.guard.as_ref()),
        "installer": plan.and_then(|p| p.guards()).map(|g| {
            json!({ "argv": g.argv, "snapshot": g.snapshot, "on_failure": g.on_failure, "covers": g.roots })
        }),
        "undoes": undoes,
        "undone_by": undone_by,
        "profile": plan.map(|p| &p.profile.name),
        "fate": words::fate(&entry.fate),
        "why": words::why(&entry.fate),
        "by": plan.and_then(|p| p.request.by.as_ref()),
        "request_id": plan.and_then(|p| p.request.request_id.as_ref()),
        "window_ms": entry.window_ms,
        "kept": { "bytes": entry.bytes, "folders": entry.kept },
    })
}

pub(crate) fn prune(session: &Session, rule: Retention, dry_run: bool) -> Result<Answer, Stop> {
    let default = Retention::default();
    // By the usual rule they go anyway, behind the next run; a stricter one gives up undos that were promised.
    let stricter = rule.newest < default.newest || rule.days < default.days;
    if stricter {
        session.may_ask(dry_run)?;
    }
    let Some(state) = State::look(&session.state).map_err(stop)? else {
        return Ok(Answer::plain(
            exit_code::DONE,
            Outcome::NothingToDo,
            words::pruned(&[], dry_run),
            json!({ "runs": [], "snapshots": [] }),
        ));
    };
    let due = |state: &State| -> Result<Due, Stop> {
        let runs = history::due(state, rule, now()).map_err(stop)?;
        Ok((runs, snapshot::due(state, rule, now()).map_err(stop)?))
    };
    let (runs, gone) = if dry_run {
        due(&state)?
    } else {
        drop(state);
        let locked = session.lock()?;
        session.nothing_changing(locked.state())?;
        if stricter {
            let (runs, gone) = due(locked.state())?;
            session.ask_first(&text(&runs, &gone, true), messages::history::QUESTION)?;
        }
        // Runs first: a snapshot stays as long as a run that restored it.
        let runs = history::prune(&locked, rule, now()).map_err(stop)?;
        (runs, snapshot::prune(&locked, rule, now()).map_err(stop)?)
    };
    Ok(answer(&runs, &gone, dry_run))
}

type Due = (Vec<Pruned>, Vec<snapshot::retention::Pruned>);

fn text(runs: &[Pruned], gone: &[snapshot::retention::Pruned], dry_run: bool) -> String {
    let more =
        if gone.is_empty() { String::new() } else { format!("\n{}", snapshots::pruned(gone, dry_run)) };
    words::pruned(runs, dry_run) + &more
}

fn answer(pruned: &[Pruned], snapshots: &[snapshot::retention::Pruned], dry_run: bool) -> Answer {
    let gone = pruned.iter().filter(|p| p.left.is_none());
    let dropped = snapshots.iter().filter(|p| p.left.is_none());
    let freed: u64 = gone.clone().map(|p| p.bytes).chain(dropped.clone().map(|p| p.bytes)).sum();
    let nothing = pruned.is_empty() && snapshots.is_empty();
    let outcome = if nothing { Outcome::NothingToDo } else { Outcome::Done };
    let rows: Vec<Value> =
        pruned.iter().map(|p| json!({ "run": p.run, "bytes": p.bytes, "left": p.left })).collect();
    let dropping: Vec<Value> =
        snapshots.iter().map(|p| json!({ "id": p.id, "bytes": p.bytes, "left": p.left })).collect();
    let data = json!({ "dry_run": dry_run, "runs": rows, "snapshots": dropping, "bytes": freed });
    let mut answer = Answer::plain(exit_code::DONE, outcome, text(pruned, snapshots, dry_run), data);
    answer.result.changed = !dry_run && gone.count() + dropped.count() > 0;
    log::debug!("{} freed", bytes(freed));
    for left in pruned.iter().filter(|p| p.left.is_some()) {
        answer.result.warnings.push(words::stays(left));
    }
    for one in snapshots {
        if let Some(why) = &one.left {
            answer.result.warnings.push(crate::messages::snapshot::stays(&one.id, why));
        }
    }
    answer
}
