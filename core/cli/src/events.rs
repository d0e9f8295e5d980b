//! Results of changing verbs for the machine's event log, where it has one beside what is printed.

use crate::{
    answer::Answer,
    args::{BootVerb, Verb},
    exit_code, messages,
};
use backout_machine::event_log::{self, Kind};
use backout_protocol::Outcome;

/// An event's number is the exit code behind this one.
const FIRST: u16 = 100;

/// What the log calls this call, if it gets to know of it.
pub(crate) fn wanted(verb: &Verb) -> Option<&'static str> {
    match verb {
        Verb::Rollback { dry_run: false, .. } => Some("rollback"),
        Verb::Apply { dry_run: false, .. } => Some("apply"),
        Verb::Undo { dry_run: false, .. } => Some("undo"),
        Verb::Commit { dry_run: false, .. } => Some("commit"),
        Verb::Recover { dry_run: false, .. } => Some("recover"),
        Verb::Confirm { dry_run: false, .. } => Some("confirm"),
        Verb::Guard(wish) if !wish.dry_run => Some("guard"),
        Verb::Boot { verb: BootVerb::Install { dry_run: false } } => Some("boot install"),
        Verb::Boot { verb: BootVerb::Remove { dry_run: false } } => Some("boot remove"),
        Verb::Install { .. } => Some("install"),
        _ => None,
    }
}

/// Reports how a call ended. That there was nothing to do is no news.
pub(crate) fn report(verb: &str, answer: &Answer) {
    if answer.result.outcome != Outcome::NothingToDo {
        let (kind, id, text) = event(verb, answer);
        event_log::report(kind, id, &text);
    }
}

fn event(verb: &str, answer: &Answer) -> (Kind, u16, String) {
    let code = answer.result.exit_code;
    let kind = match code {
        exit_code::DONE if answer.result.warnings.is_empty() => Kind::Information,
        exit_code::DONE
        | exit_code::REFUSED
        | exit_code::LOCKED
        | exit_code::STALE
        | exit_code::NO_RIGHTS
        | exit_code::DIFFERENT
        | exit_code::USAGE => Kind::Warning,
        _ => Kind::Error,
    };
    let mut lines = vec![format!("backout {verb} ended {code}")];
    lines.extend(answer.text.lines().map(str::to_owned));
    lines.extend(answer.result.warnings.iter().map(|w| format!("warning[{}]: {}", w.code, w.message)));
    if let Some(said) = &answer.said {
        lines.push(format!("error[{}]: {}", messages::code(said.code), said.message));
        lines.push(format!("help: {}", said.help));
    }
    (kind, FIRST + u16::from(code), lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Said;

    #[test]
    fn an_event_has_the_exit_codes_number_and_all_that_was_said() {
        let done = Answer::read("done\nrun 1".into(), serde_json::Value::Null);
        let text = "backout rollback ended 0\r\ndone\r\nrun 1".to_owned();
        assert_eq!(event("rollback", &done), (Kind::Information, 100, text));
        let stuck = Answer::error(22, Outcome::Stuck, Said::new(3001, "it failed", "mend it"));
        let (kind, id, text) = event("recover", &stuck);
        assert_eq!((kind, id), (Kind::Error, 122));
        assert!(text.ends_with("error[BKO-3001]: it failed\r\nhelp: mend it"), "{text}");
        let refused = Answer::error(10, Outcome::Refused, Said::new(1001, "no", "so"));
        assert_eq!(event("undo", &refused).0, Kind::Warning);
    }
}
