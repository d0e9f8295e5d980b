//! `backout recover`: settles an unfinished run.

use crate::{
    answer::Answer,
    args::BootPart,
    command::status,
    exit_code,
    messages::abandon as words,
    session::{Session, Stop, stop},
};
use backout_engine::{State, abandon, recover, window::Extent};
use backout_protocol::Outcome;
use serde_json::json;

pub(crate) fn run(
    session: &Session,
    boot: Option<BootPart>,
    abandon: bool,
    dry_run: bool,
) -> Result<Answer, Stop> {
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
    let extent = match boot {
        Some(BootPart::Files) => Extent::Files,
        Some(BootPart::Services | BootPart::All) | None => Extent::Whole,
    };
    Ok(recover::run(&session.state, extent, &session.faces()).into())
}

/// Calls off what waits for a reboot.
pub(crate) fn cancel_reboot(session: &Session) -> Result<Answer, Stop> {
    if State::look(&session.state).map_err(stop)?.is_some() {
        drop(session.lock()?);
    }
    Ok(recover::cancel_reboot(&session.state, &session.faces()).into())
}

fn give_up(session: &Session) -> Result<Answer, Stop> {
    let Some(given_up) = abandon::abandon(&session.state).map_err(stop)? else {
        return Ok(Answer::plain(exit_code::DONE, Outcome::NothingToDo, "nothing to do".into(), json!(null)));
    };
    let files: Vec<_> = given_up
        .files
        .iter()
        .map(|f| json!({ "target": f.target, "live": f.live, "before": f.before, "after": f.after, "before_image": f.before_image }))
        .collect();
    let services: Vec<_> = given_up
        .services
        .iter()
        .map(|s| json!({ "service": s.name, "was": s.was, "now": s.now.map(words::state_word), "start": s.start }))
        .collect();
    let actions: Vec<_> = given_up
        .actions
        .iter()
        .map(|a| json!({ "component": a.component, "action": a.action, "args": a.args, "stands": words::stands_word(a.stands) }))
        .collect();
    let data =
        json!({ "files": files, "actions": actions, "settings": given_up.settings, "services": services });
    let mut answer = Answer::plain(exit_code::DONE, Outcome::Done, words::text(&given_up), data);
    answer.result.warnings = given_up.services.iter().filter_map(words::left_down).collect();
    answer.result.run_id = Some(given_up.run);
    Ok(answer)
}
