//! `--request-id`: the same id again returns the first run's result, and carries nothing out.

use crate::{
    answer::Answer,
    exit_code, json,
    messages::{failure, request as messages, usage},
    session::{Session, Stop, stop},
};
use backout_engine::{
    Ending, Failure, Locked, RunReport, State,
    commit::{self, Meant},
    guard::watch::Watched,
    history,
};
use backout_journal::Record;
use backout_protocol::{
    HostPath, Outcome, RunId, RunResult,
    plan::{Ask, Plan, PlanKind},
};
use serde_json::json;

/// What a request is for; an id that was used for something else is a mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim<'a> {
    /// What the profile of this name is for, rolling back or applying, as asked for.
    Forth(&'a str, &'a Ask),
    /// Taking this run back, or these files of it alone; `None`: the newest.
    Undo(Option<&'a str>, &'a [String]),
    /// Running this installer on the product of this profile.
    Guard(&'a str, &'a [HostPath]),
    /// Running this installer on these folders and services.
    Watch(&'a Watched, &'a [HostPath]),
}

impl Aim<'_> {
    fn is(self, plan: &Plan) -> bool {
        match (self, &plan.kind) {
            (Aim::Forth(profile, ask), PlanKind::Rollback | PlanKind::Apply) => {
                plan.profile.name == profile && wished(&plan.request) == wished(ask)
            }
            (Aim::Undo(run, paths), PlanKind::Undo { of }) => {
                plan.request.paths == paths && run.is_none_or(|run| of.as_str().eq_ignore_ascii_case(run))
            }
            (Aim::Guard(profile, argv), PlanKind::Guard(guard)) => {
                plan.profile.name == profile && guard.argv == argv
            }
            (Aim::Watch(watched, argv), PlanKind::Guard(guard)) => watched.is_of(plan) && guard.argv == argv,
            (Aim::Forth(..), PlanKind::Undo { .. } | PlanKind::Guard(_))
            | (Aim::Undo(..), PlanKind::Rollback | PlanKind::Apply | PlanKind::Guard(_))
            | (
                Aim::Guard(..) | Aim::Watch(..),
                PlanKind::Rollback | PlanKind::Apply | PlanKind::Undo { .. },
            ) => false,
        }
    }
}

/// What was wished for, whoever asked from wherever: the order of words, and where plugins and profiles are searched,
/// is no other request.
fn wished(ask: &Ask) -> Ask {
    let mut wished =
        Ask { by: None, request_id: None, plugin_dirs: Vec::new(), profile_dirs: Vec::new(), ..ask.clone() };
    wished.components.sort();
    wished.components.dedup();
    wished.prefer.sort();
    wished.prefer.dedup();
    wished
}

/// The result of the run that was asked for under this call's id; `None`: there is none yet. Called under the lock,
/// with nothing unfinished.
pub(crate) fn answered(session: &Session, state: &State, aim: Aim<'_>) -> Result<Option<Answer>, Stop> {
    let Some(id) = &session.global.request_id else { return Ok(None) };
    let Some(run) = history::of_request(state, id).map_err(stop)? else { return Ok(None) };
    let entry = history::find(state, &run).map_err(stop)?;
    if !entry.as_ref().and_then(|e| e.plan.as_ref()).is_some_and(|plan| aim.is(plan)) {
        return Err(used(id, &run));
    }
    // What was open then is settled now: only the records tell how.
    let settled = |result: &RunResult| !matches!(result.outcome, Outcome::Unfinished | Outcome::Stuck);
    let mut answer = match printed(state, &run)?.filter(settled) {
        Some(result) => Answer::of_result(result),
        None => match history::report(state, &run).map_err(stop)? {
            Some(report) => from_records(report),
            // Given up, or damaged since: what became of it nobody knows, so it is not done once more unasked.
            None => {
                return Err(Box::new(Answer::error(
                    exit_code::REFUSED,
                    Outcome::Refused,
                    messages::no_result(id, &run),
                )));
            }
        },
    };
    replayed(&mut answer);
    answer.text = before(id, &run);
    Ok(Some(answer))
}

/// What is said of the run that waits for its commit, if it was staged under this call's id. Called under the lock.
pub(crate) fn staged(session: &Session, state: &State, aim: Aim<'_>) -> Result<Option<Answer>, Stop> {
    let Some(id) = &session.global.request_id else { return Ok(None) };
    let Ok(Meant::Waits(waiting)) = commit::meant(state, None) else { return Ok(None) };
    if waiting.plan().request.request_id.as_ref() != Some(id) {
        return Ok(None);
    }
    if !aim.is(waiting.plan()) {
        return Err(used(id, waiting.run()));
    }
    let mut answer = Answer::from(waiting.report());
    replayed(&mut answer);
    Ok(Some(answer))
}

/// The result of a commit that was asked for under this call's id, of the run that is named or of any. Called under the lock,
/// where nothing waits for a commit.
pub(crate) fn committed(
    session: &Session,
    state: &State,
    named: Option<&str>,
) -> Result<Option<Answer>, Stop> {
    let Some(id) = &session.global.request_id else { return Ok(None) };
    for entry in history::entries(state).map_err(stop)? {
        let meant = named.is_none_or(|name| entry.run.as_str().eq_ignore_ascii_case(name));
        if !meant || !entry.records.iter().any(|(_, record)| *record == Record::CommitPending) {
            continue;
        }
        // One that was refused left its run waiting, and is tried again.
        let result = printed(state, &entry.run)?.filter(|result| {
            result.request_id.as_ref() == Some(id)
                && !matches!(result.outcome, Outcome::Refused | Outcome::Staged)
        });
        if let Some(result) = result {
            let mut answer = Answer::of_result(result);
            replayed(&mut answer);
            answer.text = before(id, &entry.run);
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

fn before(id: &str, run: &RunId) -> String {
    format!("the request `{id}` was carried out before, by the run {run}; nothing was done now")
}

fn replayed(answer: &mut Answer) {
    match answer.result.data.as_object_mut() {
        Some(data) => drop(data.insert("replayed".to_owned(), json!(true))),
        None => answer.result.data = json!({ "replayed": true }),
    }
}

/// The answer to an id that was used for something else.
fn used(id: &str, run: &RunId) -> Stop {
    let why = format!("the request id `{id}` was used before, for something else, by the run {run}");
    Box::new(Answer::usage(usage::usage(&why)))
}

/// The result as it was printed then.
pub(crate) fn printed(state: &State, run: &RunId) -> Result<Option<RunResult>, Stop> {
    let text = history::remembered(state, run).map_err(stop)?;
    Ok(text.and_then(|t| serde_json::from_str(&t).ok()))
}

/// What is said of a run of which only the records tell.
pub(crate) fn from_records(report: RunReport) -> Answer {
    match report.ending {
        Ending::RolledBack(Failure::Recorded { why }) => {
            let why = Failure::Recorded { why };
            let said = failure::put_back(&why);
            let mut answer = Answer::error(exit_code::PUT_BACK, Outcome::RolledBack, said);
            answer.result.run_id = report.run;
            answer.result.counts = report.counts;
            answer.result.window_ms = report.window_ms;
            answer.warn(&report.notices)
        }
        _ => Answer::from(RunReport { ending: Ending::Done, ..report }),
    }
}

/// Keeps a run's result for whoever asks again, and for `show`.
pub(crate) fn remember(locked: &Locked, answer: &Answer, session: &Session) {
    let Some(run) = &answer.result.run_id else { return };
    let mut result = answer.result.clone();
    result.request_id.clone_from(&session.global.request_id);
    if let Err(refusal) = history::remember(locked, run, &json::line(&result)) {
        log::warn!("the result of the run {run} is not kept: {refusal:?}");
    }
}
