//! `backout plan`: what would happen.

use crate::{
    answer::Answer,
    args::Wish,
    exit_code,
    messages::{self, Said},
    output::{Output, Unwritable},
    session::{Session, Stop, stop},
};
use backout_disk::{durable, folder::Kind};
use backout_engine::{State, apart, history, load, planner, report::counts};
use backout_protocol::{
    Outcome, Plan, Profile,
    path::encode,
    text::{from_ron, to_ron},
};
use serde_json::json;
use std::path::Path;

/// No saved plan is longer.
const PLAN_CAP: u64 = 64 * 1024 * 1024;

/// What `--format` calls the hand procedure.
pub(crate) const RUNBOOK: &str = "runbook";

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Its steps.
    Steps,
    /// The procedure that does the same by hand.
    Runbook,
}

pub(crate) fn run(
    session: &Session,
    wish: &Wish,
    output: Option<&Path>,
    detailed_exitcode: bool,
    form: Form,
) -> Result<Answer, Stop> {
    let job = session.job(wish)?;
    apart::state(&job, &session.state).map_err(stop)?;
    let state = look(session)?;
    let faces = session.faces();
    let mut plan = planner::plan(&job, state.as_ref(), &faces).map_err(stop)?;
    plan.notices.extend(session.preflight(&plan)?);
    if let Some(file) = output {
        save(&plan, &job.profile.profile, file)?;
    }
    let mut answer = dry(&plan);
    let window =
        state.as_ref().map(|s| history::last_window(s, &plan.profile.name)).transpose().map_err(stop)?;
    if let Some(ms) = window.flatten().filter(|_| !plan.is_empty()) {
        answer.text.push_str(&messages::plan::estimate(ms));
        answer.result.data["estimate_ms"] = json!(ms);
    }
    if form == Form::Runbook {
        answer.text = messages::runbook::text(&plan);
        answer.result.data["runbook"] = json!(answer.text);
    }
    if detailed_exitcode && !plan.is_empty() {
        answer.result.exit_code = exit_code::CHANGES_PENDING;
    }
    Ok(answer)
}

/// The state folder for reading, with nothing unfinished in it.
pub(crate) fn look(session: &Session) -> Result<Option<State>, Stop> {
    let state = State::look(&session.state).map_err(stop)?;
    if let Some(state) = &state {
        session.open_run(state)?.map_or(Ok(()), |refusal| Err(stop(refusal)))?;
    }
    Ok(state)
}

/// The answer to a run that changes nothing.
pub(crate) fn dry(plan: &Plan) -> Answer {
    let outcome = if plan.is_empty() { Outcome::NothingToDo } else { Outcome::Done };
    let data = json!({ "dry_run": true, "plan": plan });
    Answer::plain(exit_code::DONE, outcome, messages::plan::plan(plan), data)
        .counts(counts(plan))
        .warn(&plan.notices)
}

/// Writes the plan to a new file or over a saved plan; over nothing else, and nowhere where the run looks for files.
fn save(plan: &Plan, profile: &Profile, file: &Path) -> Result<(), Stop> {
    let fail = |code: u8, why: String| {
        let path = load::absolute(file).0;
        let message = format!(
            "the plan cannot be written to `{}`: {why}; nothing was touched",
            encode(path.as_os_str())
        );
        let said =
            Said::new(1069, message, "give `-o` a new file or an earlier plan, in a folder of your own");
        Box::new(Answer::error(code, Outcome::Refused, said))
    };
    let refused = |e: Unwritable| fail(e.code(), e.why());
    let text = to_ron(plan).map_err(|e| fail(exit_code::REFUSED, e.to_string()))?;
    let output = Output::open(file).map_err(refused)?;
    if let Some(of) = apart::taken(plan, profile, &output.folder.path().join(&output.name)) {
        let why = format!("`{of}` is a target of this very plan, or a folder of its backups");
        return Err(fail(exit_code::REFUSED, why));
    }
    let other =
        || fail(exit_code::REFUSED, "something else is there, and only a saved plan is overwritten".into());
    match output.kind().map_err(refused)? {
        None => {}
        Some(Kind::File) => {
            let there = durable::read(&output.folder, &output.name, PLAN_CAP).map_err(|_| other())?;
            let there = String::from_utf8(there.unwrap_or_default()).map_err(|_| other())?;
            from_ron::<Plan>("plan.ron", &there).map_err(|_| other())?;
        }
        Some(_) => return Err(other()),
    }
    output.write(&text, 0o600).map_err(refused)
}
