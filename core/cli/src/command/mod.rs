//! One file a verb.

mod apply;
mod boot;
mod commit;
mod confirm;
mod demo;
mod doctor;
mod guard;
mod history;
mod install;
mod inventory;
mod plan;
mod plugin;
mod profile;
mod recover;
mod rollback;
pub(crate) mod show;
mod snapshot;
mod status;
mod undo;
mod verify;

use crate::{
    answer::Answer,
    args::{Cli, HistoryVerb, PluginVerb, ProfileVerb, Verb},
    session::{Session, Stop, later},
};
use backout_engine::history::Retention;

/// Carries out one call.
pub(crate) fn run(cli: Cli) -> Answer {
    // `plugin new` has a language of its own.
    let own = matches!(cli.verb, Verb::Plugin { verb: PluginVerb::New { .. } });
    if cli.global.lang != "en" && !own {
        return *later(&format!("--lang {}", cli.global.lang));
    }
    let session = Session::new(cli.global);
    let mut answer = dispatch(&session, cli.verb).unwrap_or_else(|stop| *stop);
    answer.result.request_id = session.global.request_id;
    answer
}

fn dispatch(session: &Session, verb: Verb) -> Result<Answer, Stop> {
    match verb {
        Verb::Plan { format: Some(form), .. } if form != plan::RUNBOOK => {
            Err(later(&format!("plan --format {form}")))
        }
        Verb::Plan { wish, output, detailed_exitcode, format } => {
            let form = if format.is_some() { plan::Form::Runbook } else { plan::Form::Steps };
            plan::run(session, &wish, output.as_deref(), detailed_exitcode, form)
        }
        Verb::Rollback { wish, plan, stage_only, dry_run } => {
            let until = if stage_only { rollback::Until::Staged } else { rollback::Until::End };
            rollback::run(session, &wish, plan.as_deref(), until, dry_run)
        }
        Verb::Commit { id, dry_run } => commit::run(session, id.as_deref(), dry_run),
        Verb::Apply { wish, plan, dry_run } => apply::run(session, &wish, plan.as_deref(), dry_run),
        Verb::Recover { cancel_reboot: true, dry_run: false, .. } => recover::cancel_reboot(session),
        Verb::Recover { cancel_staged: true, dry_run: false, .. } => commit::call_off(session),
        Verb::Recover { boot, abandon, dry_run, .. } => recover::run(session, boot, abandon, dry_run),
        Verb::Undo { id, path, dry_run } => undo::run(session, id.as_deref(), &path, dry_run),
        Verb::Status { if_known: true, .. } => Ok(status::known(session)),
        Verb::Status { follow, .. } => status::run(session, follow),
        Verb::History { verb: None } => history::list(session),
        Verb::History { verb: Some(HistoryVerb::Prune { keep, days, dry_run }) } => {
            history::prune(session, Retention { newest: keep, days }, dry_run)
        }
        Verb::Show { id } => show::run(session, &id),
        Verb::Verify { wish, expect, watch } => verify::run(session, &wish, expect, watch.as_deref()),
        Verb::Doctor { wish } => doctor::run(session, &wish),
        Verb::Boot { verb } => boot::run(session, verb),
        Verb::Install { dir } => install::run(session, dir),
        Verb::Inventory => inventory::run(session),
        Verb::Profile { verb } => match verb {
            ProfileVerb::List => profile::list(session),
            ProfileVerb::Show { profile } => profile::show(session, &profile),
            ProfileVerb::Check { profile } => profile::check(session, &profile),
            ProfileVerb::New { product, output } => profile::new(session, &product, output.as_deref()),
            ProfileVerb::Schema => Ok(profile::schema()),
        },
        Verb::Plugin { verb } => match verb {
            PluginVerb::List => plugin::list(session),
            PluginVerb::Show { plugin } => plugin::show(session, &plugin),
            PluginVerb::Schema { id, format } => plugin::schema::run(session, &id, format),
            PluginVerb::Check(check) => plugin::check::run(session, &check),
            PluginVerb::New { name, lang, dir } => plugin::new::run(&name, &lang, dir.as_deref()),
            PluginVerb::Trust { file, sha256, dry_run } => plugin::trust(&file, sha256.as_deref(), dry_run),
            PluginVerb::Untrust { plugin, dry_run } => plugin::untrust(session, &plugin, dry_run),
            PluginVerb::Plan(wish) => plugin::plan::run(session, &wish),
            PluginVerb::Record(wish) => plugin::record::run(session, &wish),
        },
        Verb::PluginHost => plugin::host(),
        Verb::Demo { keep, dir } => demo::run(session, keep, dir),
        Verb::DemoService { verb, folder, hold } => demo::service(&verb, &folder, &hold),
        Verb::Snapshot { verb } => snapshot::run(session, verb),
        Verb::Guard(wish) => guard::run(session, &wish),
        Verb::Confirm { id, dry_run: true } => confirm::would(session, id.as_deref()),
        Verb::Confirm { id, dry_run: false } => confirm::run(session, id.as_deref()),
        Verb::GuardWaiter { run } => confirm::wait(session, &run),
        Verb::GuardHolder { folder } => guard::hold(session, &folder),
        Verb::Report(_) => Err(later("report")),
        Verb::Explain(_) => Err(later("explain")),
    }
}
