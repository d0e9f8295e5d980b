//! `backout rollback`: the tool's purpose; and what it shares with `backout apply`, which differs in nothing but the
//! profile's direction.

use crate::{
    answer::Answer,
    args::Wish,
    command::plan::{dry, look},
    exit_code, messages,
    messages::usage,
    request::{self, Aim},
    session::{Session, Stop, stop},
};
use backout_engine::{Job, Refusal, State, apart, load, planner, report::counts, rollback};
use backout_protocol::{
    Notice, Outcome, Plan,
    plan::{OnLocked, PlanKind},
    profile::Goes,
};
use serde_json::json;
use std::path::Path;

/// How far a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To the run's end.
    End,
    /// Until everything is staged for a `commit`.
    Staged,
}

pub(super) fn run(
    session: &Session,
    wish: &Wish,
    saved: Option<&Path>,
    until: Until,
    dry_run: bool,
) -> Result<Answer, Stop> {
    go(session, wish, saved, until, dry_run, Goes::Back)
}

/// Carries out a profile that goes this way.
pub(super) fn go(
    session: &Session,
    wish: &Wish,
    saved: Option<&Path>,
    until: Until,
    dry_run: bool,
    goes: Goes,
) -> Result<Answer, Stop> {
    session.may_ask(dry_run)?;
    let saved = saved.map(load::plan).transpose().map_err(stop)?;
    let job = job(session, wish, saved.as_ref(), goes)?;
    let profile = &job.profile.profile;
    if profile.goes != goes {
        return Err(stop(Refusal::WrongVerb { profile: profile.name.clone(), goes: profile.goes }));
    }
    apart::state(&job, &session.state).map_err(stop)?;
    if dry_run {
        let state = look(session)?;
        return Ok(dry(&planned(session, &job, state.as_ref(), saved.as_ref())?));
    }
    let locked = session.lock()?;
    let aim = Aim::Forth(&job.profile.profile.name, &job.ask);
    if until == Until::Staged
        && let Some(answer) = request::staged(session, locked.state(), aim)?
    {
        return Ok(answer);
    }
    session.nothing_open(locked.state())?;
    if let Some(answer) = request::answered(session, locked.state(), aim)? {
        return Ok(answer);
    }
    let plan = planned(session, &job, Some(locked.state()), saved.as_ref())?;
    if plan.is_empty() {
        let text = if session.for_people() { messages::plan::plan(&plan) } else { String::new() };
        let mut answer = Answer::plain(exit_code::DONE, Outcome::NothingToDo, text, told_of(&plan));
        let left: Vec<_> = plan.notices.iter().filter(|n| n.is_left_out()).collect();
        if !left.is_empty() {
            answer.result.exit_code = exit_code::DIFFERENT;
            answer.say(messages::doctor::nothing_safe(&left));
        }
        return Ok(answer.counts(counts(&plan)).warn(&plan.notices));
    }
    let told = session.show(&plan);
    let report = match until {
        Until::End => {
            session.confirm()?;
            rollback::run(&locked, &plan, &session.faces())
        }
        Until::Staged => {
            session.ask_first("", messages::staged::QUESTION)?;
            rollback::stage_only(&locked, &plan, &session.faces())
        }
    };
    let mut answer = Answer::from(report);
    answer.result.data = told_of(&plan);
    request::remember(&locked, &answer, session);
    Ok(answer.told(told))
}

/// What is asked for: by the command line, or by the saved plan with the command line over it.
pub(super) fn job(session: &Session, wish: &Wish, saved: Option<&Plan>, goes: Goes) -> Result<Job, Stop> {
    let Some(saved) = saved else { return session.job(wish) };
    let wrong = match (goes, &saved.kind) {
        (Goes::Back, PlanKind::Rollback) | (Goes::Forward, PlanKind::Apply) => None,
        (Goes::Back, _) => Some("the saved plan is not one of a rollback"),
        (Goes::Forward, _) => Some("the saved plan is not one to apply"),
    };
    if let Some(wrong) = wrong {
        return Err(Box::new(Answer::usage(usage::usage(wrong))));
    }
    let mut ask = session.ask(wish)?;
    let profile = match (&wish.profile, &saved.profile.file) {
        (Some(name), _) => session.profile(name)?,
        (None, Some(file)) => backout_engine::LoadedProfile::from_file(&file.0).map_err(stop)?,
        (None, None) => session.profile(&saved.profile.name)?,
    };
    let old = &saved.request;
    let or =
        |new: Vec<backout_protocol::HostPath>, old: &Vec<_>| if new.is_empty() { old.clone() } else { new };
    ask.site = ask.site.or_else(|| old.site.clone());
    ask.plugin_dirs = or(ask.plugin_dirs, &old.plugin_dirs);
    if ask.components.is_empty() {
        ask.components.clone_from(&old.components);
    }
    if ask.from.is_empty() {
        ask.from.clone_from(&old.from);
    }
    if ask.prefer.is_empty() {
        ask.prefer.clone_from(&old.prefer);
    }
    for (name, value) in &old.set {
        ask.set.entry(name.clone()).or_insert_with(|| value.clone());
    }
    ask.options.extend(old.options.iter().cloned());
    ask.end_lingering |= old.end_lingering;
    ask.start_all |= old.start_all;
    ask.only_safe |= old.only_safe;
    ask.keep_local.extend(old.keep_local.iter().cloned());
    ask.overwrite.extend(old.overwrite.iter().cloned());
    if old.on_locked == OnLocked::Reboot {
        ask.on_locked = OnLocked::Reboot;
    }
    session.job_of(profile, ask)
}

/// A fresh plan, checked; and compared with the saved one, if there is one.
fn planned(session: &Session, job: &Job, state: Option<&State>, saved: Option<&Plan>) -> Result<Plan, Stop> {
    let faces = session.faces();
    let mut plan = planner::plan(job, state, &faces).map_err(|refusal| match saved {
        // What was planned and can no longer be planned is drift too; the planner's own words say what it is.
        Some(_) if is_about_the_machine(&refusal) => {
            Box::new(Answer::error(exit_code::STALE, Outcome::Refused, messages::refusal::stale(&refusal)))
        }
        _ => stop(refusal),
    })?;
    if let Some(saved) = saved {
        let drift = saved.drift(&plan);
        if !drift.is_empty() {
            return Err(stop(Refusal::PlanStale { drift }));
        }
    }
    plan.notices.extend(session.preflight(&plan)?);
    Ok(plan)
}

/// Whether a refusal says that files, services or plugins are other than they were when a plan could be made.
pub(super) fn is_about_the_machine(refusal: &Refusal) -> bool {
    use Refusal as R;
    !matches!(
        refusal,
        R::MustBeClosed { .. }
            | R::NoRights { .. }
            | R::Cancelled(_)
            | R::Distrusted { .. }
            | R::PreferUnused { .. }
            | R::PathUnused { .. }
    )
}

/// What people read with the plan, for programs.
pub(super) fn told_of(plan: &Plan) -> serde_json::Value {
    let stay = |n: &Notice| match n {
        Notice::LeftOut { target, why } => Some(json!({ "target": target, "why": why })),
        _ => None,
    };
    let left_out: Vec<_> = plan.notices.iter().filter_map(stay).collect();
    json!({ "left_out": left_out, "left_alone": plan.left_alone, "notes": plan.notes, "reminders": plan.reminders })
}
