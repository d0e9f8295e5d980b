//! `backout undo`: takes a finished run back.

use crate::{
    answer::Answer,
    command::plan::{dry, look},
    exit_code, messages,
    request::{self, Aim},
    session::{Session, Stop, operator, stop},
};
use backout_engine::{Refusal, State, report::counts, rollback, undo};
use backout_protocol::{Outcome, Plan};

pub(crate) fn run(
    session: &Session,
    id: Option<&str>,
    paths: &[String],
    dry_run: bool,
) -> Result<Answer, Stop> {
    session.may_ask(dry_run)?;
    if dry_run {
        let Some(state) = look(session)? else { return Err(stop(Refusal::NothingToUndo)) };
        return Ok(dry(&planned(session, &state, id, paths)?));
    }
    if State::look(&session.state).map_err(stop)?.is_none() {
        return Err(stop(Refusal::NothingToUndo));
    }
    let locked = session.lock()?;
    session.nothing_open(locked.state())?;
    if let Some(answer) = request::answered(session, locked.state(), Aim::Undo(id, paths))? {
        return Ok(answer);
    }
    let plan = planned(session, locked.state(), id, paths)?;
    if plan.is_empty() {
        let text = if session.for_people() { messages::plan::plan(&plan) } else { String::new() };
        let answer = Answer::plain(exit_code::DONE, Outcome::NothingToDo, text, serde_json::Value::Null);
        return Ok(answer.counts(counts(&plan)).warn(&plan.notices));
    }
    let told = session.show(&plan);
    session.confirm()?;
    let answer = Answer::from(rollback::run(&locked, &plan, &session.faces()));
    request::remember(&locked, &answer, session);
    Ok(answer.told(told))
}

fn planned(session: &Session, state: &State, id: Option<&str>, paths: &[String]) -> Result<Plan, Stop> {
    let asked =
        undo::Asked { run: id, paths, by: Some(operator()), request_id: session.global.request_id.clone() };
    let mut plan = undo::plan(state, &asked, &session.faces()).map_err(stop)?;
    plan.notices.extend(session.preflight(&plan)?);
    Ok(plan)
}
