//! What a command answers, and how it is printed: as text or as the one JSON object.

use crate::{
    args::Json,
    exit_code, json,
    messages::{Said, doctor, failure, guard, notice, refusal, staged, stuck, text},
    terminal,
};
use backout_engine::{Ending, Failure, Refusal, RunReport};
use backout_protocol::{
    Counts, Notice, Outcome, RunId, RunResult,
    report::{RESULT_SCHEMA, Warning},
};

use serde::{Deserialize, Serialize};

/// A command's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub result: RunResult,
    /// What a person reads on standard output.
    pub text: String,
    /// The error, with its help.
    pub said: Option<Said>,
    /// Warnings that a person has read already, before being asked.
    pub told: Vec<Warning>,
}

impl Answer {
    /// An answer of a reading verb.
    pub(crate) fn read(text: String, data: serde_json::Value) -> Self {
        Self::plain(exit_code::DONE, Outcome::Done, text, data)
    }

    pub(crate) fn plain(code: u8, outcome: Outcome, text: String, data: serde_json::Value) -> Self {
        let result = RunResult {
            schema: RESULT_SCHEMA.to_owned(),
            exit_code: code,
            outcome,
            changed: false,
            run_id: None,
            request_id: None,
            reboot_required: false,
            window_ms: None,
            counts: Counts::default(),
            warnings: Vec::new(),
            error: None,
            data,
        };
        Self { result, text, said: None, told: Vec::new() }
    }

    /// A result that was printed before, again.
    pub(crate) fn of_result(result: RunResult) -> Self {
        let said = result.error.as_ref().map(Said::again);
        Self { result, text: String::new(), said, told: Vec::new() }
    }

    /// An error before anything was begun.
    pub(crate) fn error(code: u8, outcome: Outcome, said: Said) -> Self {
        let mut answer = Self::plain(code, outcome, String::new(), serde_json::Value::Null);
        answer.result.error = Some(said.info());
        answer.said = Some(said);
        answer
    }

    pub(crate) fn usage(said: Said) -> Self {
        Self::error(exit_code::USAGE, Outcome::Refused, said)
    }

    /// Adds warnings that are not there yet.
    pub(crate) fn warn(mut self, notices: &[Notice]) -> Self {
        for warning in notices.iter().map(notice::warning) {
            if !self.result.warnings.contains(&warning) {
                self.result.warnings.push(warning);
            }
        }
        self
    }

    pub(crate) fn counts(mut self, counts: Counts) -> Self {
        self.result.counts = counts;
        self
    }

    /// Leaves out, for people, what they were told before they were asked.
    pub(crate) fn told(mut self, warnings: Vec<Warning>) -> Self {
        self.told = warnings;
        self
    }

    /// Makes this its error.
    pub(crate) fn say(&mut self, said: Said) {
        self.result.error = Some(said.info());
        self.said = Some(said);
    }

    /// Prints it and says the exit code.
    pub(crate) fn print(&self, how: Option<Json>) -> u8 {
        if how.is_some() {
            terminal::out(&json::line(&self.result));
            return self.result.exit_code;
        }
        if !self.text.is_empty() {
            terminal::out(self.text.trim_end());
        }
        for warning in self.result.warnings.iter().filter(|w| !self.told.contains(w)) {
            terminal::err(&format!("warning[{}]: {}", warning.code, warning.message));
        }
        if let Some(said) = &self.said {
            terminal::err(&format!("error[{}]: {}", crate::messages::code(said.code), said.message));
            terminal::err(&format!("help: {}", said.help));
        }
        self.result.exit_code
    }
}

/// The run that a refusal leaves standing as it was, if there is one.
fn standing(refused: &Refusal) -> Option<&RunId> {
    match refused {
        Refusal::Unfinished { run }
        | Refusal::RebootPending { run }
        | Refusal::CommitPending { run }
        | Refusal::AwaitsConfirm { run, .. }
        | Refusal::ConfirmTooLate { run }
        | Refusal::StagedDrift { run, .. }
        | Refusal::StagedStale { run, .. }
        | Refusal::StillStaged { run, .. }
        | Refusal::StagedSpoilt { run, .. } => Some(run),
        _ => None,
    }
}

impl From<Refusal> for Answer {
    fn from(refused: Refusal) -> Self {
        let (code, outcome) = exit_code::of_refusal(&refused);
        let mut answer = Self::error(code, outcome, refusal::said(&refused));
        answer.result.run_id = standing(&refused).cloned();
        answer
    }
}

impl From<RunReport> for Answer {
    fn from(report: RunReport) -> Self {
        let (mut code, outcome) = exit_code::of(&report.ending);
        let mut said = match &report.ending {
            Ending::Done
            | Ending::NothingToDo
            | Ending::Staged
            | Ending::Completed
            | Ending::FilesSettled
            | Ending::RebootPending(_)
            | Ending::RolledBack(_) => None,
            Ending::PutBack(why) => Some(failure::put_back(why)),
            Ending::Refused(refused) => Some(refusal::said(refused)),
            Ending::Unfinished(why) => Some(failure::unfinished(why)),
            Ending::Stuck { after, why } => Some(stuck::said(after.as_ref(), why)),
        };
        let left: Vec<_> = report.notices.iter().filter(|n| n.is_left_out()).collect();
        if matches!(report.ending, Ending::Done | Ending::NothingToDo) && !left.is_empty() {
            code = exit_code::DIFFERENT;
            said = Some(match report.ending {
                Ending::Done => doctor::left_out(&left),
                _ => doctor::nothing_safe(&left),
            });
        }
        let in_spite = report.notices.iter().find_map(guard::in_spite);
        if matches!(report.ending, Ending::Done) && in_spite.is_some() {
            code = exit_code::DIFFERENT;
            said = in_spite;
        }
        let mut lines = Vec::new();
        match &report.ending {
            Ending::Done => {
                lines.push("done: every file is as planned and every service that ran runs".to_owned())
            }
            Ending::NothingToDo => lines.push("nothing to do".to_owned()),
            Ending::Staged => lines.push(staged::waits(report.run.as_ref())),
            Ending::Completed => {
                lines.push("settled: the run was carried to its end, every file is new".to_owned())
            }
            Ending::FilesSettled => lines.push(
                "every file is settled; `backout recover --boot=services` starts what ran and ends the run"
                    .to_owned(),
            ),
            Ending::RebootPending(why @ Failure::Installer(_)) => {
                lines.push(format!(
                    "{why} and asks for a reboot\n`backout recover` judges its work behind it"
                ));
            }
            Ending::RebootPending(why) => lines.push(format!(
                "the next reboot replaces the files; until then everything is as before the run ({why})\n\
                 `backout recover --cancel-reboot` calls it off"
            )),
            Ending::RolledBack(why) => {
                lines.push(format!("settled: everything is as before the run ({why})"));
            }
            Ending::PutBack(_) | Ending::Refused(_) | Ending::Unfinished(_) | Ending::Stuck { .. } => {}
        }
        if let Some(run) = &report.run
            && !matches!(report.ending, Ending::Refused(_))
        {
            lines.push(format!("run {run}"));
        }
        lines.extend(report.learned.as_ref().map(guard::learn::written));
        if let Some(ms) = report.window_ms {
            lines.push(format!("services were down for {}.{:03} s", ms / 1000, ms % 1000));
        }
        lines.extend(report.reminders.iter().map(|r| format!("Remember: {}", text(r))));
        let learned = report.learned.as_ref().map(guard::learn::data);
        let data =
            learned.map_or(serde_json::Value::Null, |learned| serde_json::json!({ "learned": learned }));
        let mut answer = Self::plain(code, outcome, lines.join("\n"), data);
        answer.result.changed = report.changed;
        answer.result.reboot_required = code == exit_code::REBOOT;
        answer.result.run_id = match report.ending {
            // Others were taken away again: there is nothing to look up.
            Ending::Refused(refused) => standing(&refused).cloned(),
            _ => report.run,
        };
        answer.result.window_ms = report.window_ms;
        answer.result.counts = report.counts;
        answer.result.error = said.as_ref().map(Said::info);
        answer.said = said;
        answer.warn(&report.notices)
    }
}
