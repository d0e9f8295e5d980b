//! `backout guard`: runs an installer with a snapshot behind it. And the process that holds the installer's together.

use crate::{
    answer::Answer,
    args::{GUARD_HOLDER, GuardWish, OnFailure, Wish},
    exit_code, given,
    messages::{failure, guard as words},
    request::{self, Aim},
    session::{Session, Stop, later, stop},
    signals, terminal,
};
use backout_engine::{
    Cancel, Ending, Faces, Failure, Refusal,
    guard::{self, Asked, OUTPUT, Program},
    learn::target,
    snapshot,
};
use backout_protocol::{
    HostPath, Outcome, Plan,
    guard::{Learn, OnFailure as Policy},
};
use serde_json::{Value, json};
use std::path::Path;

/// The plugin that learned profiles name.
const PLUGIN: &str = "file-set";

pub(crate) fn run(session: &Session, asked: &GuardWish) -> Result<Answer, Stop> {
    if let Some(what) = not_yet(asked) {
        return Err(later(&format!("guard {what}")));
    }
    guard::is_supported().map_err(stop)?;
    session.may_ask(asked.dry_run)?;
    let wish = Wish { profile: asked.profile.clone(), ..Wish::default() };
    let ask = session.ask(&wish)?;
    let name = asked.profile.clone().unwrap_or_default();
    let (profile, source) = session.profile_with_source(&name)?;
    let job = session.job_of(profile, ask)?;
    let argv = given::program(&asked.installer)?;
    let label = format!("before {}", words::installer_name(&argv));
    let wish = super::snapshot::of_job(session, &job, Some(label), asked.exclude.clone())?;
    let learn = asked.learn.as_deref().map(|file| target::check(file, &wish.roots, &session.state));
    let learn = learn.transpose().map_err(stop)?.map(|file| Learn { file, plugin: PLUGIN.to_owned() });
    if asked.dry_run {
        let text = words::covers(&job.profile.profile.name, &wish, &argv);
        return Ok(Answer::read(
            text,
            json!({ "dry_run": true, "argv": argv, "covers": covers(&wish), "not_covered": left(&wish) }),
        ));
    }
    let locked = session.lock()?;
    session.nothing_open(locked.state())?;
    if let Some(learn) = &learn {
        target::try_out(&learn.file).map_err(stop)?;
    }
    let profile = &job.profile.profile.name;
    if let Some(answer) = request::answered(session, locked.state(), Aim::Guard(profile, &argv))? {
        return Ok(answer);
    }
    if session.for_people() && !session.global.quiet {
        terminal::out(&words::covers(profile, &wish, &argv));
    }
    session.ask_first("", words::QUESTION)?;
    // Its time limit is the installer's: going back takes what it takes.
    let cancel = Cancel::new(signals::flag(), None);
    let faces = Faces { cancel: &cancel, ..session.faces() };
    let created = snapshot::create(&locked, &wish, &cancel).map_err(stop)?;
    let terms = Asked {
        argv,
        on_failure: match asked.on_failure {
            OnFailure::Rollback => Policy::Rollback,
            OnFailure::Ask => Policy::Ask,
            OnFailure::Keep => Policy::Keep,
        },
        timeout: session.global.timeout,
        settle: asked.settle,
        learn,
        profile: source.text,
    };
    let id = created.snapshot.id.clone();
    // Of what was not begun nothing stays, no matter how far it got.
    let not_begun = |refusal| {
        snapshot::discard(&locked, &id);
        stop(refusal)
    };
    let program = program().map_err(not_begun)?;
    let plan = guard::plan(&locked, &job, &id, wish.roots.clone(), terms, &faces).map_err(not_begun)?;
    let decide = |failure: &Failure| goes_back(session, failure);
    let report = guard::run(&locked, &plan, &program, &decide, &faces);
    if matches!(report.ending, Ending::Refused(_)) {
        snapshot::discard(&locked, &id);
    }
    let well = matches!(report.ending, Ending::Done);
    let learned = report.learned.as_ref().map(words::learn::data);
    let told = report.learned.as_ref().map(|written| format!("\n{}", words::learn::written(written)));
    let mut answer = Answer::from(report).warn(&created.notices);
    if well && answer.result.exit_code == exit_code::DONE {
        let run = answer.result.run_id.as_ref().map(|run| format!("\nrun {run}")).unwrap_or_default();
        answer.text = words::kept(&plan) + &told.unwrap_or_default() + &run;
    }
    answer.result.data = data(session, &plan, &wish, &answer);
    if let (Value::Object(data), Some(learned)) = (&mut answer.result.data, learned) {
        data.insert("learned".to_owned(), learned);
    }
    request::remember(&locked, &answer, session);
    Ok(answer)
}

/// Is the process that holds an installer's processes together.
pub(crate) fn hold(session: &Session, folder: &Path) -> Result<Answer, Stop> {
    match guard::hold(folder, &session.cancel) {
        Ok(()) => Ok(Answer::plain(exit_code::DONE, Outcome::Done, String::new(), Value::Null)),
        Err(failure) => {
            Err(Box::new(Answer::error(exit_code::REFUSED, Outcome::Refused, failure::said(&failure))))
        }
    }
}

/// What of this call is documented and not in this version.
fn not_yet(asked: &GuardWish) -> Option<&'static str> {
    let flags = [
        (!asked.watch.is_empty(), "--watch"),
        (!asked.service.is_empty(), "--service"),
        (asked.confirm_within.is_some(), "--confirm-within"),
        (asked.include_data, "--include-data"),
        (asked.allow_packaged, "--allow-packaged"),
    ];
    flags.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
}

/// Whether a failure goes back: as a person says, and where nobody can be asked it stays.
fn goes_back(session: &Session, failure: &Failure) -> bool {
    if !terminal::can_ask() || !session.for_people() {
        return false;
    }
    terminal::err(&failure::said(failure).message);
    terminal::ask(words::GO_BACK, || session.cancel.requested().is_some()).unwrap_or(true)
}

/// How this program is started to be a holder.
fn program() -> Result<Program, Refusal> {
    // The name that stands for this very program, even where another has been put in its place meanwhile.
    let own = if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let program = own.map_err(|e| Refusal::NoHolder { why: e.to_string() })?;
    Ok(Program { program, arguments: vec![GUARD_HOLDER.into(), "--quiet".into()] })
}

/// What a program is told beside the result.
fn data(session: &Session, plan: &Plan, wish: &snapshot::Wish, answer: &Answer) -> Value {
    let Some(terms) = plan.guards() else { return Value::Null };
    let open =
        [exit_code::UNFINISHED, exit_code::STUCK, exit_code::REBOOT].contains(&answer.result.exit_code);
    let above = session.state.join(if open { "transactions" } else { "history" });
    let output = answer.result.run_id.as_ref().map(|run| HostPath(above.join(run.as_str()).join(OUTPUT)));
    json!({
        "snapshot": terms.snapshot,
        "argv": terms.argv,
        "on_failure": terms.on_failure,
        "covers": covers(wish),
        "not_covered": left(wish),
        "output": output,
    })
}

fn covers(wish: &snapshot::Wish) -> Value {
    json!({ "folders": wish.roots, "services": wish.services.iter().map(|s| &s.name).collect::<Vec<_>>() })
}

fn left(wish: &snapshot::Wish) -> Value {
    json!({ "exclude": wish.exclude, "else": words::NOT_COVERED })
}
