//! `backout doctor`: what this machine answers to a profile, and what would keep a rollback from working.

use crate::{
    answer::Answer,
    args::Wish,
    exit_code,
    messages::{Said, plan::origin, refusal, text},
    session::{Session, Stop, stop},
};
use backout_engine::{
    Refusal, apart,
    doctor::{self, Problem},
    presence::Presence,
};
use backout_machine::service::ServiceState;
use backout_protocol::Outcome;
use serde_json::json;

pub(crate) fn run(session: &Session, wish: &Wish) -> Result<Answer, Stop> {
    let job = session.job(wish)?;
    let seen = doctor::examine(&job, &session.faces()).map_err(stop)?;
    let mut out = String::from("Folders:\n");
    for (name, resolved, about) in &seen.vars {
        let value = resolved
            .as_ref()
            .map_or_else(|| "no value".to_owned(), |r| format!("{} ({})", r.value, origin(&r.origin)));
        out.push_str(&format!("  {name} = {value}\n      {}\n", text(about)));
    }
    out.push_str("Components:\n");
    for (id, presence) in &seen.components {
        out.push_str(&format!("  {id}: {}\n", found(presence)));
    }
    out.push_str("Services:\n");
    for (name, state) in &seen.services {
        out.push_str(&format!("  {name}: {}\n", service(state)));
    }
    out.push_str("Plugins:\n");
    for one in &seen.plugins {
        let problem = one.problem.as_ref().map_or_else(String::new, |p| format!("; {p}"));
        out.push_str(&format!("  {} {} {}{problem}\n", one.manifest.id, one.manifest.version, one.file));
    }
    let mut problems: Vec<String> = seen.problems.iter().map(problem).collect();
    if let Err(misplaced @ Refusal::InTheWay { .. }) = apart::state(&job, &session.state) {
        problems.push(refused(&misplaced));
    }
    for one in &problems {
        out.push_str(&format!("Problem: {one}\n"));
    }
    let data = json!({
        "variables": seen.vars.iter().map(|(name, resolved, _)| json!({ "name": name, "value": resolved })).collect::<Vec<_>>(),
        "components": seen.components.iter().map(|(id, p)| json!({ "id": id, "found": found(p) })).collect::<Vec<_>>(),
        "services": seen.services.iter().map(|(n, s)| json!({ "name": n, "state": service(s) })).collect::<Vec<_>>(),
        "plugins": seen.plugins.iter().map(|p| json!({ "id": p.manifest.id, "version": p.manifest.version, "file": p.file, "problem": p.problem })).collect::<Vec<_>>(),
        "problems": problems,
    });
    if problems.is_empty() {
        return Ok(Answer::read(out + "no problem was found\n", data));
    }
    let mut answer = Answer::plain(exit_code::DIFFERENT, Outcome::Done, out, data);
    let said = Said::new(
        5002,
        format!("{} problems would keep a rollback from working", problems.len()),
        "mend them one by one; nothing was touched",
    );
    answer.result.error = Some(said.info());
    answer.said = Some(said);
    Ok(answer)
}

fn found(presence: &Presence) -> String {
    match presence {
        Presence::Present { marker: Some(marker), machine } => {
            format!("here, `{marker}`{}", machine.map_or_else(String::new, |m| format!(" ({m})")))
        }
        Presence::Present { marker: None, .. } => "here".into(),
        Presence::NotPatchedHere => {
            "its service is here, neither its files nor backups; not patched here".into()
        }
        Presence::Absent => "not on this machine".into(),
        Presence::Unknown { variable } => format!("not known: the variable `{variable}` has no value"),
    }
}

fn service(state: &Result<ServiceState, String>) -> String {
    match state {
        Ok(ServiceState::Starting) => "starting".into(),
        Ok(ServiceState::Restarting) => "the manager is starting it".into(),
        Ok(ServiceState::Running) => "running".into(),
        Ok(ServiceState::Stopped) => "stopped".into(),
        Ok(ServiceState::NotInstalled) => "not installed".into(),
        Err(why) => why.clone(),
    }
}

fn problem(problem: &Problem) -> String {
    match problem {
        Problem::FolderMissing { variable, folder } => {
            format!("`{folder}`, the value of `{variable}`, is not there")
        }
        Problem::Refused(why) | Problem::Plugin(why) => refused(why),
    }
}

fn refused(why: &Refusal) -> String {
    let said = refusal::why(why);
    format!("{} ({}; {})", said.message, crate::messages::code(said.code), said.help)
}
