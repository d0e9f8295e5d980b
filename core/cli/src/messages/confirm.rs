//! Words about guards that wait to be confirmed.

use super::Said;
use crate::logging::when;
use backout_engine::{Failure, Refusal, guard::Awaited};
use backout_protocol::RunId;
use serde_json::{Value, json};
use std::time::Duration;

/// It waits: for how long, and what keeps it.
pub(crate) fn waits(run: &RunId, left: Duration, until: u64) -> String {
    format!(
        "the installer's work waits to be confirmed for {} more, until {}: `backout confirm {run}` keeps it; else, or with \
         Ctrl-C here, everything goes back to the snapshot",
        span(left),
        when(until)
    )
}

/// How it stands, for whoever asks.
pub(crate) fn stands(run: &RunId, awaited: &Awaited) -> String {
    let recover = "`backout recover` does that now";
    match (awaited.decided, awaited.left.is_zero(), awaited.attended) {
        (true, _, true) => format!("the run {run} is decided, and is being carried to its end"),
        (true, _, false) => format!("the run {run} is decided, and not carried to its end; {recover}"),
        (false, true, true) => {
            format!("the run {run} was not confirmed in time: everything goes back to the snapshot")
        }
        (false, true, false) => {
            format!("the run {run} was not confirmed in time, and nobody takes it back; {recover}")
        }
        (false, false, attended) => {
            let nobody = if attended {
                ""
            } else {
                "; no process is there to do that: `backout recover` waits and does it"
            };
            format!(
                "the run {run} waits to be confirmed for {} more, until {}\n\
                 `backout confirm {run}` keeps the installer's work; else everything goes back to the snapshot{nobody}",
                span(awaited.left),
                when(awaited.until)
            )
        }
    }
}

/// The same for programs.
pub(crate) fn data(awaited: &Awaited) -> Value {
    json!({
        "left_s": seconds(awaited.left),
        "until": when(awaited.until),
        "decided": awaited.decided,
        "attended": awaited.attended,
    })
}

/// The work would stay.
pub(crate) fn would_keep(run: &RunId) -> String {
    format!("`backout confirm {run}` would keep the installer's work; nothing is confirmed yet")
}

/// The work stays.
pub(crate) fn kept(run: &RunId) -> String {
    format!("confirmed: the installer's work stays\n`backout undo {run}` takes it back to the snapshot")
}

/// It was confirmed already.
pub(crate) fn before(run: &RunId) -> String {
    format!("nothing to do: the run {run} was confirmed before")
}

/// It stays, but the guard is not over yet.
pub(crate) fn not_yet(run: &RunId) -> Said {
    Said::new(
        5189,
        format!(
            "the run {run} is confirmed and its work stays, but the process that waits for it has not ended it yet"
        ),
        "`backout status` says whether it is over; if that process hangs, end it and run `backout recover`",
    )
}

/// Refusals about them.
pub(crate) fn refused(refusal: &Refusal) -> Said {
    use Refusal as R;
    match refusal {
        R::AwaitsConfirm { run, left } => Said::new(
            5180,
            format!(
                "the run {run} waits to be confirmed, for {} more; nothing new is begun before that",
                span(*left)
            ),
            format!(
                "`backout confirm {run}` keeps the installer's work; else everything goes back to the snapshot"
            ),
        ),
        R::NothingAwaits => Said::new(
            5181,
            "no run waits to be confirmed",
            "`backout status` says whether a run is open; `backout history` lists those that are over",
        ),
        R::ConfirmUnknown { asked, waiting } => {
            let (waits, help) = match waiting {
                Some(run) => (
                    format!("; the run that waits to be confirmed is {run}"),
                    format!("`backout confirm {run}`"),
                ),
                None => (
                    ", and none waits to be confirmed".to_owned(),
                    "`backout history` lists the runs that are over".to_owned(),
                ),
            };
            Said::new(5182, format!("no run's id is, or alone begins with, `{asked}`{waits}"), help)
        }
        R::AwaitsNothing { run } => Said::new(
            5183,
            format!("the run {run} does not wait to be confirmed"),
            format!("`backout show {run}` says what it is; `backout status` where an open one stands"),
        ),
        R::ConfirmTooLate { run } => Said::new(
            5184,
            format!(
                "too late: the run {run} was not confirmed in time, or was called off; its work goes back to the snapshot, \
                 or is back, and nothing of it is kept"
            ),
            "`backout status` says whether the way back is over, and what to run where it is not; then run the installer again",
        ),
        R::NoWaiter { why } => Said::new(
            5185,
            format!("the process that would take back what nobody confirms cannot be started: {why}"),
            "mend that, then run it again",
        ),
        other => Said::new(5188, format!("refused: {other:?}"), "tell the developers"),
    }
}

/// Failures about them.
pub(crate) fn failed(failure: &Failure) -> Said {
    match failure {
        Failure::NotConfirmed { within } => Said::new(
            5186,
            format!("the installer's work was not confirmed within {}", span(Duration::from_secs(*within))),
            "if it was good and only the answer came too late, run it again and `backout confirm` it in time",
        ),
        Failure::AwaitsConfirm { run, left } => Said::new(
            5187,
            format!(
                "the installer's work waits to be confirmed, for {} more; then everything goes back to the snapshot",
                span(*left)
            ),
            format!(
                "`backout confirm {run}` keeps it; `backout status` says whether a process is there to take it back, \
                 and `backout recover` waits in its place"
            ),
        ),
        other => Said::new(5190, format!("{other}"), "tell the developers"),
    }
    .at("confirm")
}

/// Seconds, of which a started one counts.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A time as people say it.
fn span(time: Duration) -> String {
    let s = seconds(time);
    let parts = [(s / 86_400, "d"), (s / 3600 % 24, "h"), (s / 60 % 60, "m"), (s % 60, "s")];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if said.is_empty() { "0s".to_owned() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_its_units_and_a_started_second_counts() {
        let said = |ms| span(Duration::from_millis(ms));
        assert_eq!(
            (said(0), said(1), said(600_000), said(61_000)),
            ("0s".into(), "1s".into(), "10m".into(), "1m 1s".into())
        );
        assert_eq!(said(604_800_000), "7d");
    }
}
