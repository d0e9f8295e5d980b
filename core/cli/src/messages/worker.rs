//! What is said when the process that carried a run out ended without an answer.

use super::{Said, code};
use backout_protocol::report::Warning;

/// It died.
pub(crate) fn died(status: &str) -> String {
    format!("backout's own process ended in the middle ({status})")
}

/// It panicked.
pub(crate) fn panicked(why: &str) -> String {
    format!("a bug in backout: {why}")
}

/// It had begun nothing.
pub(crate) fn nothing_begun(how: &str) -> Said {
    Said::new(
        1090,
        format!("{how}; nothing was touched"),
        "run it again; if it ends so again, tell the developers",
    )
}

/// Its run was put back.
pub(crate) fn put_back(how: &str) -> Said {
    Said::new(
        2030,
        format!("{how}; everything was put back: files and services are as they were"),
        "find out what ended it (the system's log knows of a kill for lack of memory), then run it again",
    )
}

/// What it left could not be settled.
pub(crate) fn not_settled(how: &str, why: &Said) -> Said {
    Said::new(
        3019,
        format!(
            "{how}, and what it left cannot be settled now: {}; if it had begun a run, services may be down",
            why.message
        ),
        format!("{}; then `backout recover`", why.help),
    )
}

/// What it left was gone on with, and that ended badly too.
pub(crate) fn then(how: &str, mut said: Said) -> Said {
    said.message = format!("{how}; {}", said.message);
    said
}

/// Its run was settled.
pub(crate) fn settled(how: &str) -> Warning {
    Warning { code: code(4030), message: format!("{how}; the run was settled") }
}

/// Its run was settled; the panic still is an error to be told.
pub(crate) fn bug_settled(how: &str) -> Said {
    Said::new(9071, format!("{how}; the run was settled all the same"), "tell the developers")
}
