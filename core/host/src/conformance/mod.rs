//! Is a plugin fit to be trusted with a machine? Questions that a good plugin answers and a bad one does not, each asked
//! in a process of its own.
//!
//! It runs the plugin's code. What it plans is never carried out; its actions are, on a throw-away tree. Some checks let
//! it change things, so that it is seen whether it does: for these nothing but the file's trust stands between the plugin
//! and what whoever runs the check may do.

mod action;
mod check;
mod describe;
mod examples;
mod file;
mod hostile;
mod mangle;
mod plan;
pub(crate) mod probe;
mod quiet;
mod ron;
mod schema;
mod subject;
mod tree;

pub use check::Check;
pub use ron::from_ron_text;
pub use schema::violation;
pub use subject::{NotCheckable, Subject};

use crate::HostError;
use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is as it should be.
    Success,
    /// It cannot be looked at: this system does not show it, or the plugin gives no occasion.
    Skipped,
    /// It works, and its author should know.
    Warning,
    /// It is not as it should be.
    Failed,
    /// The plugin's process ended, or gave no answer in time.
    Crashed,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub check: Check,
    /// How it ended.
    pub status: Status,
    /// What was seen, in one sentence; empty where all is well.
    pub seen: String,
}

/// What one check comes to: nothing to say, or a status and what was seen.
type Verdict = Result<(), (Status, String)>;

fn failed(seen: impl Into<String>) -> (Status, String) {
    (Status::Failed, seen.into())
}

fn skipped(seen: impl Into<String>) -> (Status, String) {
    (Status::Skipped, seen.into())
}

fn warned(seen: impl Into<String>) -> (Status, String) {
    (Status::Warning, seen.into())
}

fn crashed(error: HostError) -> (Status, String) {
    match error {
        HostError::Broken { what, .. } => (Status::Crashed, what),
        other => (Status::Failed, other.to_string()),
    }
}

impl Subject {
    /// Carries out one check.
    pub fn run(&self, check: Check) -> Finding {
        let verdict = match self.loads() {
            // Nothing that its code is to show has been seen: that is no reason to pass.
            Err((status, why)) if check.needs_code() && check != Check::Loads => {
                Err((status, format!("it does not load: {why}")))
            }
            _ => self.verdict(check),
        };
        let (status, seen) = verdict.err().unwrap_or((Status::Success, String::new()));
        Finding { check, status, seen: seen.replace('\n', " ") }
    }

    fn verdict(&self, check: Check) -> Verdict {
        match check {
            Check::ManifestSection => file::manifest_section(self),
            Check::ApiVersion => file::api_version(self),
            Check::IdForm => file::id_form(self),
            Check::AboutSentence => file::about_sentence(self),
            Check::Loads => self.loads(),
            Check::LoadsTwice => describe::loads_twice(self),
            Check::DescribeEqual => describe::describe_equal(self),
            Check::SchemaValid => schema::valid(self),
            Check::SchemaTakesExamples => schema::takes_examples(self),
            Check::ExamplesThere => examples::there(self),
            Check::ExamplesTrue => examples::true_to_their_word(self),
            Check::PlansTheSame => plan::twice(self),
            Check::OrderOfFolders => plan::order_of_folders(self),
            Check::PlacesInside => plan::places_inside(self),
            Check::StartsWhatItStops => plan::starts_what_it_stops(self),
            Check::UnknownFields => hostile::unknown_fields(self),
            Check::UnknownRequest => hostile::unknown_request(self),
            Check::GarbageRequest => hostile::garbage_request(self),
            Check::HugeRequest => hostile::huge_request(self),
            Check::BadConfig => hostile::bad_config(self),
            Check::MangledConfig => hostile::mangled_config(self),
            Check::PrintsNothing => quiet::prints_nothing(self),
            Check::WritesNothing => quiet::writes_nothing(self),
            Check::OpensNoSockets => quiet::opens_no_sockets(self),
            Check::LeavesNothingRunning => quiet::leaves_nothing_running(self),
            Check::PrepareChangesNothing => action::prepare_changes_nothing(self),
            Check::ApplyThenAfter => action::apply_then_after(self),
            Check::UndoThenBefore => action::undo_then_before(self),
            Check::StateAfterKill => action::state_after_kill(self),
        }
    }
}
