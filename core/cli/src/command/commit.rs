//! `backout commit`: carries out what `rollback --stage-only` has prepared; and calling that off.

use crate::{
    answer::Answer,
    args::Wish,
    command::{plan, rollback},
    exit_code,
    messages::staged as words,
    request,
    session::{Session, Stop, stop},
};
use backout_engine::{
    Faces, Refusal, State,
    commit::{self, Meant, Waiting},
    planner,
};
use backout_protocol::{Outcome, profile::Goes};
use serde_json::json;

pub(crate) fn run(session: &Session, id: Option<&str>, dry_run: bool) -> Result<Answer, Stop> {
    session.may_ask(dry_run)?;
    let Some(state) = State::look(&session.state).map_err(stop)? else {
        let none = |asked: &str| Refusal::CommitUnknown { asked: asked.to_owned(), waiting: None };
        return Err(stop(id.map_or(Refusal::NothingStaged, none)));
    };
    if dry_run {
        return match commit::meant(&state, id).map_err(stop)? {
            Meant::Waits(waiting) => {
                check(session, &state, &waiting)?;
                let mut answer = plan::dry(waiting.plan());
                answer.text = words::would(waiting.run(), waiting.plan());
                answer.result.run_id = Some(waiting.run().clone());
                Ok(answer)
            }
            Meant::Over(run) => Ok(over(run)),
        };
    }
    drop(state);
    let locked = session.lock()?;
    let meant = commit::meant(locked.state(), id);
    if !matches!(meant, Ok(Meant::Waits(_)))
        && let Some(answer) = request::committed(session, locked.state(), id)?
    {
        return Ok(answer);
    }
    let waiting = match meant.map_err(stop)? {
        Meant::Waits(waiting) => waiting,
        Meant::Over(run) => return Ok(over(run)),
    };
    check(session, locked.state(), &waiting)?;
    let told = session.show(waiting.plan());
    session.confirm()?;
    let mut answer = Answer::from(commit::run(&locked, &waiting, &session.faces()));
    answer.result.data = rollback::told_of(waiting.plan());
    request::remember(&locked, &answer, session);
    Ok(answer.told(told))
}

/// Calls off what waits for its commit.
pub(crate) fn call_off(session: &Session) -> Result<Answer, Stop> {
    if State::look(&session.state).map_err(stop)?.is_some() {
        // Only to wait as long as --lock-timeout says; the engine takes the lock itself.
        drop(session.lock()?);
    }
    Ok(commit::call_off(&session.state, &session.faces()).into())
}

fn over(run: backout_protocol::RunId) -> Answer {
    let mut answer = Answer::plain(exit_code::DONE, Outcome::NothingToDo, words::over(&run), json!(null));
    answer.result.run_id = Some(run);
    answer
}

/// Plans what is staged once more and refuses where anything differs; then looks at rights and file systems as before
/// any run.
fn check(session: &Session, state: &State, waiting: &Waiting) -> Result<(), Stop> {
    let run = || waiting.run().clone();
    let still = |why: Refusal| stop(Refusal::StillStaged { run: run(), why: Box::new(why) });
    let staged = waiting.plan();
    let job = rollback::job(session, &Wish::default(), Some(staged), Goes::Back).map_err(|mut answer| {
        answer.result.run_id = Some(run());
        if let Some(said) = answer.said.take() {
            answer.say(words::waits_on(said, waiting.run()));
        }
        answer
    })?;
    let plugins = session.plugins_of(staged);
    let faces = Faces { host: &plugins, ..session.faces() };
    let now = planner::plan(&job, Some(state), &faces).map_err(|why| match is_drift(&why) {
        true => stop(Refusal::StagedStale { run: run(), why: Box::new(why) }),
        false => still(why),
    })?;
    let drift = waiting.drift(&now, &faces).map_err(stop)?;
    if !drift.is_empty() {
        return Err(stop(Refusal::StagedDrift { run: run(), drift }));
    }
    session.preflight_staged(staged).map(drop).map_err(still)
}

/// Whether a refusal to plan says that files or services are other than they were, and not that they cannot be looked at.
fn is_drift(refusal: &Refusal) -> bool {
    let untold = matches!(
        refusal,
        Refusal::Service(_) | Refusal::Plugin(_) | Refusal::Look(_) | Refusal::InUse { .. }
    );
    !untold && rollback::is_about_the_machine(refusal)
}
