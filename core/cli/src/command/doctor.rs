//! `backout doctor`: what this machine answers to a profile, how far its patch got file by file, and what would keep a
//! rollback from working.

use crate::{
    again,
    answer::Answer,
    args::Wish,
    exit_code,
    messages::{Said, doctor as words, plan::origin, refusal, text},
    session::{Session, Stop, stop},
};
use backout_engine::{
    Refusal, State,
    advice::{self, Told},
    apart,
    doctor::{self, Problem},
    outlook::{self, FileFate, FileOutlook, Finding, GoodCopy, Outlook, Way},
    presence::Presence,
};
use backout_machine::service::ServiceState;
use backout_protocol::Outcome;
use serde_json::json;

pub(crate) fn run(session: &Session, wish: &Wish) -> Result<Answer, Stop> {
    let job = session.job(wish)?;
    let (state, unusable) = match State::look(&session.state) {
        Ok(state) => (state, None),
        Err(refusal) => (None, Some(refusal)),
    };
    let seen = doctor::examine(&job, state.as_ref(), &session.faces()).map_err(stop)?;
    // Without folders or programs to ask there is nothing to say of files: the problems say why.
    let outlook = outlook::look(&job, state.as_ref(), &session.faces()).ok();
    let advice = advice::look(&job).unwrap_or_default();
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
    let next = outlook.as_ref().and_then(|o| next(session, wish, o));
    let through = outlook.as_ref().and_then(|o| through(session, wish, o));
    if let Some(outlook) = &outlook {
        out.push_str(&files(outlook));
        if let Some(next) = &next {
            out.push_str(&format!("Run: {next}\n"));
        }
        if let Some(through) = &through {
            out.push_str(&words::through(through));
        }
    }
    for one in &advice {
        out.push_str(&words::advice(one));
    }
    let mut problems: Vec<String> = seen.problems.iter().map(problem).collect();
    problems.extend(unusable.iter().map(refused));
    if let Some(open) = state.as_ref().map(|state| session.open_run(state)).transpose()?.flatten() {
        problems.push(refused(&open));
    }
    if let Err(misplaced @ Refusal::InTheWay { .. }) = apart::state(&job, &session.state) {
        problems.push(refused(&misplaced));
    }
    for one in &problems {
        out.push_str(&format!("Problem: {one}\n"));
    }
    let mut data = json!({
        "variables": seen.vars.iter().map(|(name, resolved, _)| json!({ "name": name, "value": resolved })).collect::<Vec<_>>(),
        "components": seen.components.iter().map(|(id, p)| json!({ "id": id, "found": found(p) })).collect::<Vec<_>>(),
        "services": seen.services.iter().map(|(n, s)| json!({ "name": n, "state": service(s) })).collect::<Vec<_>>(),
        "plugins": seen.plugins.iter().map(|p| json!({ "id": p.manifest.id, "version": p.manifest.version, "file": p.file, "problem": p.problem })).collect::<Vec<_>>(),
        "problems": problems,
    });
    if let Some(outlook) = &outlook {
        data["files"] = outlook.files.iter().map(file).collect();
        data["rollback"] =
            json!({ "possible": words::way_id(&outlook.way), "run": next, "through_snapshots": through });
        data["findings"] = outlook.findings.iter().map(finding).collect();
    }
    let told =
        |t: &Told| json!({ "id": t.id, "seen": t.seen, "message": text(&t.text), "help": text(&t.remedy) });
    data["advice"] = advice.iter().map(told).collect();
    if problems.is_empty() {
        return Ok(Answer::read(out + "no problem was found\n", data));
    }
    let mut answer = Answer::plain(exit_code::DIFFERENT, Outcome::Done, out, data);
    let said = Said::new(
        5002,
        format!("{} problems would keep a rollback from working", problems.len()),
        "mend them one by one; nothing was touched",
    );
    answer.say(said);
    Ok(answer)
}

/// The command that does what can be done; `None`: nothing can, or is to be.
fn next(session: &Session, wish: &Wish, outlook: &Outlook) -> Option<String> {
    let more: &[&str] = match outlook.way {
        Way::Whole => &[],
        Way::Part(_) => &["--only-safe"],
        Way::NothingToDo | Way::NotAtAll(_) => return None,
    };
    Some(again::command("rollback", &session.global, wish, more))
}

/// The command that takes all of it back with what snapshots hold; `None`: none does, or none is needed.
fn through(session: &Session, wish: &Wish, outlook: &Outlook) -> Option<String> {
    let each = outlook.through.iter().map(|(component, id)| format!("{component}=snapshot:{id}"));
    let sources: Vec<String> = each.collect();
    let more: Vec<&str> = sources.iter().flat_map(|source| ["--from", source]).collect();
    (!more.is_empty()).then(|| again::command("rollback", &session.global, wish, &more))
}

fn stays(outlook: &Outlook) -> usize {
    outlook.files.iter().filter(|f| matches!(f.fate, FileFate::Stays(_))).count()
}

/// File by file, what explains it, and how far a rollback gets.
fn files(outlook: &Outlook) -> String {
    let mut out = String::from("Files:\n");
    let mut component = None;
    for one in &outlook.files {
        if one.component.is_some() && component != one.component.as_ref() {
            component = one.component.as_ref();
            out.push_str(&component.map_or_else(String::new, |c| format!(" {c}:\n")));
        }
        out.push_str(&words::file(one));
        out.push('\n');
    }
    for one in &outlook.findings {
        let (_, what, help) = words::finding(one);
        out.push_str(&format!("Found: {what}\n  help: {help}\n"));
    }
    out.push_str(&format!("Rollback: {}\n", words::way(&outlook.way, stays(outlook))));
    out
}

fn file(file: &FileOutlook) -> serde_json::Value {
    let (place, at) = match &file.copy {
        GoodCopy::Live => ("live", None),
        GoodCopy::Vendor(path) => ("vendor", Some(path)),
        GoodCopy::Folder(path) => ("folder", Some(path)),
        GoodCopy::Snapshot(_) => ("snapshot", None),
        GoodCopy::Nowhere => ("none", None),
    };
    let snapshot = match &file.copy {
        GoodCopy::Snapshot(id) => Some(id),
        _ => None,
    };
    let (fate, why) = match &file.fate {
        FileFate::GoesBack => ("goes-back", None),
        FileFate::IsBack => ("is-back", None),
        FileFate::GoesAway => ("goes-away", None),
        FileFate::Stays(why) => ("stays", Some(why)),
        FileFate::NotHere => ("not-here", None),
        FileFate::NobodysTask => ("nobodys-task", None),
        FileFate::NotReached => ("not-reached", None),
    };
    json!({
        "component": file.component, "path": file.path, "state": file.state, "version": file.version,
        "copy": { "in": place, "at": at, "snapshot": snapshot }, "fate": fate, "why": why,
    })
}

fn finding(finding: &Finding) -> serde_json::Value {
    let (id, what, help) = words::finding(finding);
    json!({ "id": id, "message": what, "help": help })
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
