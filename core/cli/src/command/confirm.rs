//! `backout confirm`: an installer's work stays. And the process that takes back what nobody confirms.

use crate::{
    answer::Answer,
    exit_code, given,
    messages::{confirm as words, failure},
    session::{Session, Stop, stop, wrong},
};
use backout_engine::{
    Ending, Refusal, RunReport,
    guard::{self, Confirmed, Meant},
};
use backout_protocol::{Outcome, RunId};
use serde_json::{Value, json};

/// The longest time to confirm, in seconds.
const LONGEST: u64 = 7 * 86_400;

/// The seconds of `--confirm-within`.
pub(crate) fn within(text: &str) -> Result<u64, Stop> {
    match given::time("--confirm-within", text)?.as_secs() {
        seconds @ 1..=LONGEST => Ok(seconds),
        _ => Err(wrong(format!("`--confirm-within {text}`: between 1s and 7d"))),
    }
}

pub(crate) fn run(session: &Session, id: Option<&str>) -> Result<Answer, Stop> {
    let confirmed = guard::confirm(&session.state, id, &session.faces()).map_err(stop)?;
    Ok(match confirmed {
        Confirmed::Now(report) => kept(*report),
        Confirmed::Before(run) => before(run, Value::Null),
        Confirmed::NotYet(run) => {
            let said = words::not_yet(&run);
            of(Answer::error(exit_code::UNFINISHED, Outcome::Unfinished, said), run)
        }
    })
}

/// Says what a confirmation would do now.
pub(crate) fn would(session: &Session, id: Option<&str>) -> Result<Answer, Stop> {
    let dry = json!({ "dry_run": true });
    Ok(match guard::would_confirm(&session.state, id).map_err(stop)? {
        Meant::Keep(run) => of(Answer::read(words::would_keep(&run), dry), run),
        Meant::Before(run) => before(run, dry),
    })
}

fn before(run: RunId, data: Value) -> Answer {
    of(Answer::plain(exit_code::DONE, Outcome::NothingToDo, words::before(&run), data), run)
}

fn of(mut answer: Answer, run: RunId) -> Answer {
    answer.result.run_id = Some(run);
    answer
}

fn kept(report: RunReport) -> Answer {
    let text = match (&report.ending, &report.run) {
        (Ending::Done | Ending::Completed, Some(run)) => Some(words::kept(run)),
        _ => None,
    };
    let mut answer = Answer::from(report);
    if let Some(text) = text {
        answer.text = text;
    }
    answer
}

/// Is the process that takes back what nobody confirms.
pub(crate) fn wait(session: &Session, run: &str) -> Result<Answer, Stop> {
    let run: RunId = run.parse().map_err(|_| stop(Refusal::RunUnknown { run: run.to_owned() }))?;
    match guard::wait(&session.state, &run, &session.faces()) {
        Ok(()) => Ok(Answer::plain(exit_code::DONE, Outcome::Done, String::new(), Value::Null)),
        Err(why) => Err(Box::new(Answer::error(exit_code::REFUSED, Outcome::Refused, failure::said(&why)))),
    }
}
