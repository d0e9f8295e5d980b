//! `backout verify`: which files of the patch are in.

use crate::{
    answer::Answer,
    args::{Expect, Wish},
    exit_code, given,
    messages::Said,
    session::{Session, Stop, after, stop},
};
use backout_engine::verify::{self, Found, Row, Verdict, Verification};
use backout_protocol::{ComponentId, Outcome};
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
    let watched = watch.map(|text| given::time("--watch", text)).transpose()?.map(after);
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
        if !row.judged && row.verdict != Verdict::ReportOnly {
            text.push_str(&format!("  {:<22} no component rolls it back; it does not count\n", ""));
        }
    }
    let parts = parts(seen);
    for part in &parts {
        text.push_str(&part.line(expect));
    }
    let builds: Vec<String> = seen.builds.iter().map(ToString::to_string).collect();
    text.push_str(&format!(
        "builds found: {}\n",
        if builds.is_empty() { "none".to_owned() } else { builds.join(", ") }
    ));
    let rows: Vec<_> = seen.rows.iter().map(data).collect();
    let parts: Vec<_> = parts.iter().map(Part::data).collect();
    let data = json!({ "files": rows, "components": parts, "builds": seen.builds, "differs": seen.differs });
    if !seen.differs {
        return Answer::read(text, data);
    }
    let state = if expect == Some(Expect::Before) { "as before the patch" } else { "as the patch left them" };
    let none = !seen.rows.iter().any(|r| r.judged);
    let mut answer = Answer::plain(exit_code::DIFFERENT, Outcome::Done, text, data);
    let said = Said::new(
        5001,
        if none { "no file could be judged".to_owned() } else { format!("not all files are {state}") },
        "the list shows which, and where each was looked for; `--component C` judges one component alone",
    );
    answer.result.error = Some(said.info());
    answer.said = Some(said);
    answer
}

/// What was found of one component.
struct Part<'a> {
    id: &'a ComponentId,
    rows: Vec<&'a Row>,
}

/// The components whose files were looked at, in the profile's order.
fn parts(seen: &Verification) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for row in &seen.rows {
        let Some(id) = &row.component else { continue };
        match parts.iter_mut().find(|p| p.id == id) {
            Some(part) => part.rows.push(row),
            None => parts.push(Part { id, rows: vec![row] }),
        }
    }
    parts
}

impl Part<'_> {
    fn count(&self, counts: impl Fn(&Row) -> bool) -> usize {
        self.rows.iter().filter(|r| counts(r)).count()
    }

    fn verdict(&self, verdict: Verdict) -> usize {
        self.count(|r| r.judged && r.verdict == verdict)
    }

    fn line(&self, expect: Option<Expect>) -> String {
        let judged = self.count(|r| r.judged);
        let (of, differ) = (self.rows.len(), self.count(|r| r.differs));
        let patched = self.verdict(Verdict::Patched);
        let found =
            format!("{patched} of {judged} judged files are patched, {} older", self.verdict(Verdict::Older));
        let wanted = match expect {
            None => String::new(),
            Some(_) if judged == 0 => "; none counts".to_owned(),
            Some(_) if differ == 0 => "; all as expected".to_owned(),
            Some(_) => format!("; {differ} other than expected"),
        };
        let more = if of > judged { format!("; {} only reported", of - judged) } else { String::new() };
        format!("{}: {found}{wanted}{more}\n", self.id)
    }

    fn data(&self) -> serde_json::Value {
        json!({
            "id": self.id,
            "files": self.rows.len(),
            "judged": self.count(|r| r.judged),
            "patched": self.verdict(Verdict::Patched),
            "older": self.verdict(Verdict::Older),
            "newer": self.verdict(Verdict::Newer),
            "absent": self.verdict(Verdict::Absent),
            "differ": self.count(|r| r.differs),
        })
    }
}

fn data(row: &Row) -> serde_json::Value {
    json!({
        "list": row.list, "component": row.component, "name": row.name, "looked_at": row.looked_at,
        "listed": row.listed, "found": found(&row.found), "verdict": row.verdict, "judged": row.judged,
        "differs": row.differs,
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
        Verdict::Other => "other bytes",
        Verdict::ReportOnly => "not judged",
        Verdict::Unreadable => "unreadable",
    }
}
