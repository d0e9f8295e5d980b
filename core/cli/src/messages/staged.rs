//! Words about a run that is staged by day and waits for its commit.

use super::{
    Said, failure,
    refusal::{cancelled, drifted, why},
};
use backout_engine::{Refusal, refusal::NotCommittable};
use backout_protocol::{Plan, RunId};

/// What is asked before anything is staged for later.
pub(crate) const QUESTION: &str = "Stage this for a later commit? No service is stopped and no file of the product is changed now. [yes/no]";

/// It waits, and what carries it out or calls it off.
pub(crate) fn waits(run: Option<&RunId>) -> String {
    let run = run.map(|run| format!(" {run}")).unwrap_or_default();
    format!(
        "staged: everything is prepared beside its place, and nothing of the product was touched\n\
         `backout commit{run}` carries it out; `backout recover --cancel-staged` calls it off"
    )
}

/// What a commit would do.
pub(crate) fn would(run: &RunId, plan: &Plan) -> String {
    format!("the run {run} is still as it was staged; a commit does this:\n{}", super::plan::plan(plan))
}

/// It is committed already.
pub(crate) fn over(run: &RunId) -> String {
    format!("nothing to do: the run {run} is committed already")
}

/// The process that was to commit it, or to call it off, ended before it had done anything.
pub(crate) fn still(how: &str) -> Said {
    Said::new(
        5209,
        format!("{how}; nothing was touched, and the run still waits for its commit"),
        "run it again; if it ends so again, tell the developers",
    )
}

/// A refusal of a commit that speaks of something else, with what that means for the run.
pub(crate) fn waits_on(said: Said, run: &RunId) -> Said {
    let message = match said.message.strip_suffix("; nothing was touched") {
        Some(message) => message.to_owned(),
        None => said.message,
    };
    Said { message: still_waits(&message, run), ..said }
}

fn still_waits(message: &str, run: &RunId) -> String {
    format!("{message}; nothing was touched, and the run {run} still waits for its commit")
}

/// Refusals about such a run.
pub(crate) fn refused(refusal: &Refusal) -> Said {
    use Refusal as R;
    match refusal {
        R::CommitPending { run } => Said::new(
            5200,
            format!("the run {run} is staged and waits for its commit; nothing new is begun"),
            format!("`backout commit {run}` carries it out; `backout recover --cancel-staged` calls it off"),
        ),
        R::NothingStaged => Said::new(
            5201,
            "no run waits for a commit",
            "`backout rollback PROFILE --stage-only` stages one; `backout history` lists those that are over",
        ),
        R::CommitUnknown { asked, waiting } => {
            let (waits, help) = match waiting {
                Some(run) => (
                    format!("; the run that waits for its commit is {run}"),
                    format!("`backout commit {run}`"),
                ),
                None => (
                    ", and none waits for a commit".to_owned(),
                    "`backout history` lists the runs that are over".to_owned(),
                ),
            };
            Said::new(5202, format!("no run's id is, or alone begins with, `{asked}`{waits}"), help)
        }
        R::CommitOver { run, why } => {
            let why = match why {
                NotCommittable::PutBack(why) => format!("everything is as it was before it ({why})"),
                NotCommittable::UndoneBy(by) => format!("the run {by} has undone it"),
                NotCommittable::Unknown => "it was given up, or its records cannot be read".to_owned(),
            };
            Said::new(
                5203,
                format!("the run {run} does not wait for a commit: {why}"),
                "to stage it again, run `backout rollback PROFILE --stage-only`",
            )
        }
        R::NoCommitPending { run } => Said::new(
            5204,
            format!("the run {run} does not wait for a commit"),
            "`backout status` shows where it stands; `backout recover` settles it",
        ),
        R::StagedDrift { run, drift } => {
            let each: String = drift.iter().map(|one| format!("\n  {}", drifted(one))).collect();
            let message = format!("since the run {run} was staged:{each}");
            Said::new(5205, message, stale())
        }
        R::StagedStale { run, why: inner } => {
            let inner = why(inner);
            let message =
                format!("what the run {run} has staged no longer fits this machine: {}", inner.message);
            Said::new(5206, message, stale())
        }
        R::StillStaged { run, why: inner } => {
            let (message, help) = match inner.as_ref() {
                R::Cancelled(why) => (cancelled(*why).to_owned(), String::new()),
                R::BeforeStop(failure) => {
                    let said = failure::said(failure);
                    (said.message, said.help)
                }
                other => {
                    let said = why(other);
                    (said.message, said.help)
                }
            };
            let then = format!("then `backout commit {run}` again");
            let help = if help.is_empty() {
                format!("`backout commit {run}` again")
            } else {
                format!("{help}; {then}")
            };
            Said::new(5207, still_waits(&message, run), help)
        }
        R::StagedSpoilt { run, path, why } => Said::new(
            5208,
            format!("the run {run}, which waits for its commit, cannot be carried out: `{path}`: {why}"),
            "`backout recover --abandon` gives it up and lists its files; then stage it again",
        ),
        other => Said::new(5229, format!("refused: {other:?}"), "tell the developers"),
    }
}

fn stale() -> &'static str {
    "put back what changed and commit again; or call it off with `backout recover --cancel-staged` and stage it again"
}
