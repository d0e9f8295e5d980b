//! Words about a run that was given up.

use super::code;
use backout_engine::abandon::{Abandonment, LeftAction, LeftService, Stands};
use backout_machine::service::ServiceState;
use backout_protocol::{plan::Was, report::Warning};

/// A state in one word for programs.
pub(crate) fn state_word(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Running => "running",
        ServiceState::Starting => "starting",
        ServiceState::Restarting => "restarting",
        ServiceState::Stopped => "stopped",
        ServiceState::NotInstalled => "not-installed",
    }
}

/// How far an action got, for programs and people.
pub(crate) fn stands_word(stands: Stands) -> &'static str {
    match stands {
        Stands::Untouched => "not done",
        Stands::InDoubt => "in doubt: look at what it changes",
        Stands::Done => "done",
    }
}

/// What was given up: every file with its digests, every service.
pub(crate) fn text(given_up: &Abandonment) -> String {
    let mut text = format!(
        "the run {} is given up; no product file was changed, its records are in the history\n",
        given_up.run
    );
    for file in &given_up.files {
        let live = file.live.map_or_else(|| "cannot be read".to_owned(), |f| f.to_string());
        text.push_str(&format!(
            "  {}\n    now {live}\n    before {}\n    after {}\n",
            file.target, file.before, file.after
        ));
        if let Some(at) = &file.before_image {
            text.push_str(&format!("    its before-image is `{at}`\n"));
        }
    }
    for LeftAction { component, action, args, stands } in &given_up.actions {
        let stands = stands_word(*stands);
        text.push_str(&format!("  action {action}({}) of {component}: {stands}\n", super::plan::short(args)));
    }
    for step in &given_up.settings {
        text.push_str(&format!("  done or not, in whole or in part: {}\n", super::plan::step(step)));
    }
    for service in &given_up.services {
        let now = service.now.map_or("cannot be asked", state_word);
        text.push_str(&format!("  service {}: before {}, now {now}\n", service.name, was(service.was)));
    }
    text
}

/// A service that ran before and does not run now.
pub(crate) fn left_down(service: &LeftService) -> Option<Warning> {
    if service.was == Was::Stopped || service.now == Some(ServiceState::Running) {
        return None;
    }
    let now = service.now.map_or("cannot be asked", state_word);
    let start =
        if service.start.is_empty() { String::new() } else { format!("; to start it: `{}`", service.start) };
    let message = format!("the service `{}` ran before the run, now it is {now}{start}", service.name);
    Some(Warning { code: code(4032), message })
}

fn was(was: Was) -> &'static str {
    super::plan::was(was)
}
