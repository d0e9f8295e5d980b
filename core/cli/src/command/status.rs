//! `backout status`: is a run unfinished, and what would `recover` do?

use crate::{
    answer::Answer,
    exit_code,
    messages::{Said, bytes, refusal},
    session::{Session, Stop, stop},
};
use backout_engine::{Refusal, State, history};
use backout_journal::{Remedy, Status};
use backout_protocol::Outcome;
use serde_json::json;

pub(crate) fn run(session: &Session) -> Result<Answer, Stop> {
    let Some(state) = State::look(&session.state).map_err(stop)? else {
        return Ok(Answer::read("no run is unfinished".into(), json!({ "open": null })));
    };
    let kept = history::kept(&state).map_err(stop)?;
    let total: u64 = kept.iter().map(|k| k.bytes).sum();
    let kept_json: Vec<_> =
        kept.iter().map(|k| json!({ "run": k.run, "bytes": k.bytes, "folders": k.folders })).collect();
    let Some(open) = state.unfinished().map_err(stop)? else {
        let text = format!(
            "no run is unfinished; {} finished runs keep {} beside their targets",
            kept.len(),
            bytes(total)
        );
        return Ok(Answer::read(text, json!({ "open": null, "kept": kept_json })));
    };
    let (stands, will) = match &open.reading {
        Ok(reading) if reading.lines.is_empty() => {
            ("its journal is lost, and files were swapped", "change nothing and explain")
        }
        Ok(reading) => (words(reading.status), remedy(reading.status.remedy())),
        Err(e) => {
            // Shown as it is: nothing is done on a journal like that.
            log::warn!("{e}");
            ("its journal cannot be acted on", "change nothing and explain")
        }
    };
    let text = format!("the run {} is unfinished: {stands}\n`backout recover` will {will}", open.run);
    let data =
        json!({ "open": { "run": open.run, "stands": stands, "recover_will": will }, "kept": kept_json });
    let mut answer = Answer::plain(exit_code::UNFINISHED, Outcome::Unfinished, text, data);
    let said: Said = refusal::said(&Refusal::Unfinished { run: open.run.clone() });
    answer.result.error = Some(said.info());
    answer.result.run_id = Some(open.run);
    Ok(answer)
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Nothing => "nothing had been done",
        Status::Begun => "new files were being staged; no service was touched, every file is old",
        Status::Staged => "everything is staged; no service was touched, every file is old",
        Status::Opening => "services were being stopped; every file is old",
        Status::Reopening => "services were being started again; every file is old",
        Status::Armed | Status::Applying(_) | Status::Applied(_) => {
            "files were being swapped; some may be old, some new"
        }
        Status::Swapped => "every file is new; services were being started",
        Status::Undoing => "files were being put back; some may be old, some new",
        Status::Unswapped => "every file is old again; services were being started",
        Status::Committed | Status::CommittedClean => "it is over, every file is new",
        Status::Undone | Status::UndoneClean => "it is over, every file is old",
    }
}

fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Forget => "forget it",
        Remedy::DropStaging => "remove what was staged",
        Remedy::DropStagingAndResume => "start what ran and remove what was staged",
        Remedy::SwapOn => "stop the services, swap the rest, and start what ran; or put everything back",
        Remedy::ResumeForwards => "start what ran and look at its health; or put everything back",
        Remedy::PutBack => "stop the services, put every file back, and start what ran",
        Remedy::ResumeBackwards => "start what ran",
        Remedy::TidyUp => "tidy up",
    }
}
