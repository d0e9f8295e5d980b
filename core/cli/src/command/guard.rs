//! `backout guard`: runs an installer with a snapshot behind it. And the process that holds the installer's together.

use crate::{
    answer::Answer,
    args::{GUARD_HOLDER, GUARD_WAITER, GuardWish, OnFailure, Wish},
    exit_code, given,
    messages::{failure, guard as words, notice},
    request::{self, Aim},
    session::{Session, Stop, stop, wrong},
    signals, terminal,
};
use backout_engine::{
    Cancel, Ending, Faces, Failure, Job, Locked, Refusal, advice,
    guard::{
        self, Asked, OUTPUT, Program,
        delicate::{self, Leave, Named},
        watch::Watched,
    },
    learn::target,
    load,
    refusal::Unwatchable,
    snapshot,
};
use backout_protocol::{
    HostPath, Notice, Outcome, Plan, ServiceName,
    guard::{Codes, Learn, OnFailure as Policy},
    report::Warning,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The plugin that learned profiles name.
const PLUGIN: &str = "file-set";

pub(crate) fn run(session: &Session, asked: &GuardWish) -> Result<Answer, Stop> {
    let confirm_within = asked.confirm_within.as_deref().map(super::confirm::within).transpose()?;
    let codes = Codes { good: asked.good_code.clone(), reboot: asked.reboot_code.clone() };
    if let Some(code) = codes.contradiction() {
        return Err(wrong(format!(
            "the code {code} cannot mean both that the work is done and that a reboot finishes it"
        )));
    }
    session.may_ask(asked.dry_run)?;
    let ground = Ground::of(session, asked)?;
    let argv = given::program(&asked.installer)?;
    // Before anything is looked at: what was done with this id may well be what is refused now. Without one nothing is made
    // where something is refused.
    let mut locked = None;
    if session.global.request_id.is_some() && !asked.dry_run {
        let lock = lock(session)?;
        if let Some(answer) = request::answered(session, lock.state(), ground.aim(&argv))? {
            return Ok(answer);
        }
        locked = Some(lock);
    }
    if let Ground::Profile(job, _) = &ground {
        advice::fit(job, &asked.confirm).map_err(stop)?;
    }
    let label = format!("before {}", words::installer_name(&argv));
    let wish = ground.wish(session, label, asked.exclude.clone())?;
    let notices = ground.notices(asked, &wish, &argv)?;
    let learn = asked.learn.as_deref().map(|file| target::check(file, &wish.roots, &session.state));
    let learn = learn.transpose().map_err(stop)?.map(|file| Learn { file, plugin: PLUGIN.to_owned() });
    if asked.dry_run {
        let text = words::covers(&wish, &argv);
        let data =
            json!({ "dry_run": true, "argv": argv, "covers": covers(&wish), "not_covered": left(&wish) });
        return Ok(Answer::read(text, data).warn(&notices));
    }
    let locked = locked.map_or_else(|| lock(session), Ok)?;
    if let Some(learn) = &learn {
        target::try_out(&learn.file).map_err(stop)?;
    }
    let told = tell(session, &wish, &argv, &notices);
    session.ask_first("", words::QUESTION)?;
    // Its time limit is the installer's: going back takes what it takes.
    let cancel = Cancel::new(signals::flag(), None).ended_by(signals::ended());
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
        codes,
        settle: asked.settle,
        confirm_within,
        learn,
        profile: ground.profile_text(),
    };
    let id = created.snapshot.id.clone();
    // Of what was not begun nothing stays, no matter how far it got.
    let not_begun = |refusal| {
        snapshot::discard(&locked, &id);
        stop(refusal)
    };
    let program = program().map_err(not_begun)?;
    let plan = match &ground {
        Ground::Profile(job, _) => guard::plan(&locked, job, &id, wish.roots.clone(), terms, &faces),
        Ground::Watch(watched) => watched.plan(locked.state(), &id, terms, &faces),
    };
    let plan = plan.map_err(not_begun)?;
    let decide = |failure: &Failure| goes_back(session, failure);
    let report = guard::run(&locked, &plan, &program, &decide, &faces);
    if matches!(report.ending, Ending::Refused(_)) {
        snapshot::discard(&locked, &id);
    }
    let well = matches!(report.ending, Ending::Done);
    let learned = report.learned.as_ref().map(words::learn::data);
    let lesson = report.learned.as_ref().map(|written| format!("\n{}", words::learn::written(written)));
    let mut answer = Answer::from(report).warn(&notices).warn(&created.notices);
    if well && answer.result.exit_code == exit_code::DONE {
        let run = answer.result.run_id.as_ref().map(|run| format!("\nrun {run}")).unwrap_or_default();
        answer.text = words::kept(&plan) + &lesson.unwrap_or_default() + &run;
    }
    answer.result.data = data(session, &plan, &wish, &answer);
    if let (Value::Object(data), Some(learned)) = (&mut answer.result.data, learned) {
        data.insert("learned".to_owned(), learned);
    }
    request::remember(&locked, &answer, session);
    Ok(answer.told(told))
}

/// The state folder's lock, with nothing open in it.
fn lock(session: &Session) -> Result<Locked, Stop> {
    let locked = session.lock()?;
    session.nothing_open(locked.state())?;
    Ok(locked)
}

/// What an installer is run on.
enum Ground {
    /// The product of a profile, with the profile's text.
    Profile(Box<Job>, String),
    /// Folders and services.
    Watch(Box<Watched>),
}

impl Ground {
    fn of(session: &Session, asked: &GuardWish) -> Result<Self, Stop> {
        let wish = Wish { profile: asked.profile.clone(), ..Wish::default() };
        let ask = session.ask(&wish)?;
        if let Some(name) = &asked.profile {
            let (profile, source) = session.profile_with_source(name)?;
            return Ok(Self::Profile(Box::new(session.job_of(profile, ask)?), source.text));
        }
        let name = |name: &String| name.parse().map_err(|e| wrong(format!("--service `{name}`: {e}")));
        let services: Vec<ServiceName> = asked.service.iter().map(name).collect::<Result<_, _>>()?;
        // Without a separator behind it: else it stands for what it leads to.
        let bare = |path: &PathBuf| path.components().collect::<PathBuf>();
        if let Some(link) = asked.watch.iter().map(bare).find(|path| path.is_symlink()) {
            let (path, why) = (load::absolute(&link), Unwatchable::Link);
            return Err(stop(Refusal::NotWatchable { path, why }));
        }
        let roots = super::snapshot::real(&asked.watch)?;
        let site = session.site(&ask)?;
        let registry = super::snapshot::keys(&asked.registry)?;
        let watched = Watched::of(roots, &services, registry, site, ask, &session.state).map_err(stop)?;
        Ok(Self::Watch(Box::new(watched)))
    }

    fn wish(&self, session: &Session, label: String, exclude: Vec<String>) -> Result<snapshot::Wish, Stop> {
        match self {
            Self::Profile(job, _) => super::snapshot::of_job(session, job, Some(label), exclude),
            Self::Watch(watched) => Ok(watched.wish(Some(label), exclude)),
        }
    }

    /// What a person should know before anything is begun.
    fn notices(
        &self,
        asked: &GuardWish,
        wish: &snapshot::Wish,
        argv: &[HostPath],
    ) -> Result<Vec<Notice>, Stop> {
        let (named, known) = match self {
            Self::Profile(..) => (Named::ByProfile, Vec::new()),
            Self::Watch(watched) => (Named::ByHand, watched.notices.clone()),
        };
        let leave = Leave { include_data: asked.include_data, allow_packaged: asked.allow_packaged };
        let program = delicate::program_of(argv);
        let found = delicate::check(&wish.roots, named, wish.names, &wish.exclude, &program, leave);
        Ok([known, found.map_err(stop)?].concat())
    }

    fn aim<'a>(&'a self, argv: &'a [HostPath]) -> Aim<'a> {
        match self {
            Self::Profile(job, _) => Aim::Guard(&job.profile.profile.name, argv),
            Self::Watch(watched) => Aim::Watch(watched, argv),
        }
    }

    fn profile_text(&self) -> Option<String> {
        match self {
            Self::Profile(_, text) => Some(text.clone()),
            Self::Watch(_) => None,
        }
    }
}

/// Says to people what is covered and what is not. Says which warnings they read.
fn tell(session: &Session, wish: &snapshot::Wish, argv: &[HostPath], notices: &[Notice]) -> Vec<Warning> {
    if !session.for_people() || session.global.quiet {
        return Vec::new();
    }
    terminal::out(&words::covers(wish, argv));
    let warnings: Vec<Warning> = notices.iter().map(notice::warning).collect();
    for warning in &warnings {
        terminal::err(&format!("warning[{}]: {}", warning.code, warning.message));
    }
    warnings
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
    let arguments = vec![GUARD_HOLDER.into(), "--quiet".into()];
    Ok(Program { program, arguments, waiter: vec![GUARD_WAITER.into(), "--quiet".into()] })
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
        "confirm_within": terms.confirm_within,
        "covers": covers(wish),
        "not_covered": left(wish),
        "output": output,
    })
}

fn covers(wish: &snapshot::Wish) -> Value {
    json!({
        "folders": wish.roots,
        "services": wish.services.iter().map(|s| &s.name).collect::<Vec<_>>(),
        "registry": wish.registry.iter().map(|saved| saved.key.to_string()).collect::<Vec<_>>(),
    })
}

fn left(wish: &snapshot::Wish) -> Value {
    json!({ "exclude": wish.exclude, "else": words::not_covered(wish) })
}
