//! `backout verify`: which files of the patch are in.

use crate::{
    answer::Answer,
    args::{Expect, Wish},
    exit_code,
    messages::{Said, usage},
    session::{Session, Stop, after, stop},
};
use backout_engine::verify::{self, Found, Row, Verdict, Verification};
use backout_protocol::Outcome;
use serde_json::json;
use std::time::{Duration, Instant};

/// How often `--watch` looks again.
const AGAIN: Duration = Duration::from_secs(5);
/// How soon a Ctrl-C is seen meanwhile.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(
    session: &Session,
    wish: &Wish,
    expect: Option<Expect>,
    watch: Option<&str>,
) -> Result<Answer, Stop> {
    // A time that never comes: until it is stopped.
    let watched = watch.map(time).transpose()?.map(after);
    let job = session.job(wish)?;
    let wanted = expect.map(|e| match e {
        Expect::Patched => verify::Expect::Patched,
        Expect::Before => verify::Expect::Before,
    });
    let mut seen = verify::verify(&job, wanted).map_err(stop)?;
    if let Some(until) = watched {
        while pause(session, until) {
            seen = verify::verify(&job, wanted).map_err(stop)?;
        }
    }
    Ok(answer(&seen, expect))
}

/// Waits until it is time to look again; false: the time is over, or the operator stopped it.
fn pause(session: &Session, until: Option<Instant>) -> bool {
    let now = Instant::now();
    let again = now + until.map_or(AGAIN, |u| AGAIN.min(u.saturating_duration_since(now)));
    if again == now {
        return false;
    }
    while Instant::now() < again {
        if session.cancel.requested().is_some() {
            return false;
        }
        std::thread::sleep(LOOK.min(again.saturating_duration_since(Instant::now())));
    }
    true
}

/// `90`, `90s`, `5m`, `1h`.
fn time(text: &str) -> Result<Duration, Stop> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f));
    let wrong = || {
        Box::new(Answer::usage(usage::usage(&format!("`--watch {text}` is not a time such as 90s or 5m"))))
    };
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

fn answer(seen: &Verification, expect: Option<Expect>) -> Answer {
    let mut text = String::new();
    let mut list = "";
    for row in &seen.rows {
        if row.list != list {
            text.push_str(&format!("{}:\n", row.list));
            list = &row.list;
        }
        let listed = row.listed.map_or_else(|| "-".to_owned(), |v| v.to_string());
        text.push_str(&format!(
            "  {:<22} {:<14} {:<13} {}\n",
            row.name,
            found(&row.found),
            verdict(row.verdict),
            row.looked_at
        ));
        if !matches!(row.verdict, Verdict::Patched | Verdict::ReportOnly) {
            text.push_str(&format!("  {:<22} {listed} once patched\n", ""));
        }
    }
    let builds: Vec<String> = seen.builds.iter().map(ToString::to_string).collect();
    text.push_str(&format!(
        "builds found: {}\n",
        if builds.is_empty() { "none".to_owned() } else { builds.join(", ") }
    ));
    let rows: Vec<_> = seen.rows.iter().map(data).collect();
    let data = json!({ "files": rows, "builds": seen.builds, "differs": seen.differs });
    if !seen.differs {
        return Answer::read(text, data);
    }
    let state = if expect == Some(Expect::Before) { "as before the patch" } else { "as the patch left them" };
    let mut answer = Answer::plain(exit_code::DIFFERENT, Outcome::Done, text, data);
    let said = Said::new(
        5001,
        format!("not all files are {state}"),
        "the list shows which, and where each was looked for; `--component C` judges one component alone",
    );
    answer.result.error = Some(said.info());
    answer.said = Some(said);
    answer
}

fn data(row: &Row) -> serde_json::Value {
    json!({
        "list": row.list, "component": row.component, "name": row.name, "looked_at": row.looked_at,
        "listed": row.listed, "found": found(&row.found), "verdict": row.verdict, "judged": row.judged,
    })
}

fn found(found: &Found) -> String {
    match found {
        Found::Absent => "absent".into(),
        Found::Unversioned => "no version".into(),
        Found::Version(v) => v.to_string(),
        Found::Unreadable(why) => format!("unreadable: {why}"),
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Patched => "patched",
        Verdict::Older => "older",
        Verdict::Newer => "newer",
        Verdict::Absent => "absent",
        Verdict::Unversioned => "no version",
        Verdict::ReportOnly => "not judged",
        Verdict::Unreadable => "unreadable",
    }
}
