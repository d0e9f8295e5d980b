//! `backout plugin check`: is a plugin fit to be used?

use crate::{
    answer::Answer,
    args::CheckPlugin,
    exit_code,
    messages::{conformance as words, usage},
    session::{self, Session, Stop, stop},
    terminal,
};
use backout_engine::Refusal;
use backout_host::conformance::{Check, Finding, NotCheckable, Status, Subject};
use backout_protocol::Outcome;
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// So many seconds an answer may take if nothing is said: a check waits for many of them.
const PATIENCE: u64 = 10;

pub(crate) fn run(session: &Session, wish: &CheckPlugin) -> Result<Answer, Stop> {
    let file = match &wish.file {
        Some(file) if !wish.list => file,
        _ => return Ok(list()),
    };
    let chosen = chosen(wish)?;
    let deadline = Duration::from_secs(session.global.plugin_timeout.unwrap_or(PATIENCE));
    let refused = |said| Box::new(Answer::error(exit_code::REFUSED, Outcome::Refused, said));
    let spawner = session::spawner(deadline).ok_or_else(|| refused(words::no_process()))?;
    let seed = wish.seed.unwrap_or_else(any_seed);
    let subject =
        Subject::open(file, spawner, session.global.pinning(), seed).map_err(
            |why| match words::not_checkable(&why) {
                Some(said) => refused(said),
                None => match why {
                    NotCheckable::Distrusted(error) => stop(Refusal::Plugin(error.into())),
                    other => Box::new(Answer::usage(usage::usage(&other.to_string()))),
                },
            },
        )?;
    let mut found = Vec::new();
    for check in chosen {
        if let Some(why) = session.cancel.requested() {
            return Err(stop(Refusal::Cancelled(why)));
        }
        let finding = subject.run(check);
        if session.for_people()
            && (wrong(&finding, wish.strict) || !(wish.only_failed || session.global.quiet))
        {
            terminal::out(&line(&finding, file, seed, wish.strict));
        }
        found.push(finding);
    }
    Ok(answer(&subject, &found, file, seed, wish))
}

/// All checks and what each is about.
fn list() -> Answer {
    let width = Check::ALL.iter().map(|c| c.id().len()).max().unwrap_or(0);
    let line = |c: &Check| format!("{:<width$}  {}", c.id(), c.about());
    let row = |c: &Check| json!({ "id": c.id(), "about": c.about() });
    let text = Check::ALL.iter().map(line).collect::<Vec<_>>().join("\n");
    Answer::read(text, json!({ "checks": Check::ALL.iter().map(row).collect::<Vec<_>>() }))
}

fn chosen(wish: &CheckPlugin) -> Result<Vec<Check>, Stop> {
    let like = |globs: &[String], id: &str| globs.iter().any(|glob| matches(glob, id));
    for glob in wish.test.iter().chain(&wish.exclude) {
        if !Check::ALL.iter().any(|c| matches(glob, c.id())) {
            let why = format!("no check is called `{glob}`; `backout plugin check --list` shows them");
            return Err(session::wrong(why));
        }
    }
    let asked = |id: &str| (wish.test.is_empty() || like(&wish.test, id)) && !like(&wish.exclude, id);
    let chosen: Vec<Check> = Check::ALL.iter().copied().filter(|c| asked(c.id())).collect();
    if chosen.is_empty() {
        // Nobody is to take it for a plugin that passed.
        return Err(session::wrong("no check is left: each that was chosen is excluded as well".to_owned()));
    }
    Ok(chosen)
}

/// Whether an id is like this; `*` stands for any characters.
fn matches(glob: &str, id: &str) -> bool {
    match glob.split_once('*') {
        None => glob == id,
        Some((first, rest)) => id.strip_prefix(first).is_some_and(|id| {
            (0..=id.len()).filter(|n| id.is_char_boundary(*n)).any(|n| matches(rest, &id[n..]))
        }),
    }
}

/// Another each time, and short enough to be typed.
fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_nanos()) % 1_000_000)
}

fn wrong(finding: &Finding, strict: bool) -> bool {
    match finding.status {
        Status::Failed | Status::Crashed => true,
        Status::Warning => strict,
        Status::Success | Status::Skipped => false,
    }
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Skipped => "skipped",
        Status::Warning => "warning",
        Status::Failed => "failed",
        Status::Crashed => "crashed",
    }
}

fn line(finding: &Finding, file: &Path, seed: u64, strict: bool) -> String {
    let Finding { check, status, seen } = finding;
    let head = format!("{:<8} {}", name(*status), check.id());
    match status {
        Status::Success => head,
        Status::Skipped | Status::Warning if !wrong(finding, strict) => format!("{head}: {seen}"),
        _ => {
            let again = again(*check, file, seed, strict);
            format!("{head}\n    must hold: {}\n    seen: {seen}\n    again: {again}", check.about())
        }
    }
}

/// The command that carries one check out again, exactly.
fn again(check: Check, file: &Path, seed: u64, strict: bool) -> String {
    let file = super::quoted(file);
    let strict = if strict { " --strict" } else { "" };
    format!("backout plugin check {file} --test {} --seed {seed}{strict}", check.id())
}

fn answer(subject: &Subject, found: &[Finding], file: &Path, seed: u64, wish: &CheckPlugin) -> Answer {
    let bad = found.iter().filter(|f| wrong(f, wish.strict)).count();
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    for finding in found {
        *counts.entry(finding.status).or_default() += 1;
    }
    let counted: Vec<String> = counts.iter().map(|(status, n)| format!("{n} {}", name(*status))).collect();
    let plugin = subject.plugin();
    let text = format!("{} {}: {} (seed {seed})", plugin.id, plugin.version, counted.join(", "));
    let rows = found.iter().filter(|f| !wish.only_failed || wrong(f, wish.strict)).map(|f| {
        let again = wrong(f, wish.strict).then(|| again(f.check, file, seed, wish.strict));
        json!({ "id": f.check, "about": f.check.about(), "status": f.status, "seen": f.seen, "again": again })
    });
    let data = json!({
        "plugin": { "id": plugin.id, "version": plugin.version, "file": plugin.file, "sha256": plugin.sha256 },
        "seed": seed,
        "strict": wish.strict,
        "checks": rows.collect::<Vec<_>>(),
    });
    if bad == 0 {
        return Answer::read(text, data);
    }
    let mut answer = Answer::plain(exit_code::DIFFERENT, Outcome::Done, text, data);
    answer.say(words::not_fit(&plugin.id, bad, found.len()));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (glob, id) in [
            ("plans-the-same", "plans-the-same"),
            ("*", "x"),
            ("plans-*", "plans-the-same"),
            ("*a*e", "abcde"),
            ("**", ""),
        ] {
            assert!(matches(glob, id), "{glob} {id}");
        }
        for (glob, id) in [("plans", "plans-the-same"), ("*x", "plans"), ("", "a"), ("p*x*", "plans")] {
            assert!(!matches(glob, id), "{glob} {id}");
        }
    }

    #[test]
    fn the_page_tells_of_every_check_in_the_same_words() {
        let page = include_str!("../../../../../docs/src/plugins/check.md");
        let rows: Vec<&str> = page.lines().filter(|l| l.starts_with("| `")).collect();
        let wanted: Vec<String> =
            Check::ALL.iter().map(|c| format!("| `{}` | {} |", c.id(), c.about())).collect();
        assert_eq!(rows, wanted);
    }
}
