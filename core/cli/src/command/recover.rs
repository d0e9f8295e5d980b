//! `backout recover`: settles an unfinished run.

use crate::{
    answer::Answer,
    command::status,
    exit_code,
    session::{Session, Stop, stop},
};
use backout_engine::{State, recover};
use backout_protocol::Outcome;
use serde_json::json;

pub(crate) fn run(session: &Session, abandon: bool, dry_run: bool) -> Result<Answer, Stop> {
    if dry_run {
        let mut answer = status::run(session, false)?;
        answer.result.exit_code = exit_code::DONE;
        answer.result.error = None;
        answer.said = None;
        if let Some(data) = answer.result.data.as_object_mut() {
            data.insert("dry_run".to_owned(), json!(true));
        }
        return Ok(answer);
    }
    if State::look(&session.state).map_err(stop)?.is_some() {
        // Only to wait as long as --lock-timeout says; the engine takes the lock itself.
        drop(session.lock()?);
    }
    if abandon {
        return give_up(session);
    }
    Ok(recover::run(&session.state, &session.faces()).into())
}

fn give_up(session: &Session) -> Result<Answer, Stop> {
    let Some((run, files)) = recover::abandon(&session.state).map_err(stop)? else {
        return Ok(Answer::plain(exit_code::DONE, Outcome::NothingToDo, "nothing to do".into(), json!(null)));
    };
    let mut text =
        format!("the run {run} is given up; no product file was changed, its records are in the history\n");
    for file in &files {
        let live = file.live.map_or_else(|| "cannot be read".to_owned(), |f| f.to_string());
        text.push_str(&format!(
            "  {}\n    now {live}\n    before {}\n    after {}\n",
            file.target, file.before, file.after
        ));
        if let Some(at) = &file.before_image {
            text.push_str(&format!("    its before-image is `{at}`\n"));
        }
    }
    let rows: Vec<_> = files
        .iter()
        .map(|f| json!({ "target": f.target, "live": f.live, "before": f.before, "after": f.after, "before_image": f.before_image }))
        .collect();
    let mut answer = Answer::plain(exit_code::DONE, Outcome::Done, text, json!({ "files": rows }));
    answer.result.run_id = Some(run);
    Ok(answer)
}
