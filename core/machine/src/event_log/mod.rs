//! The machine's event log, where there is one beside what services print.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

use std::io;

/// The name under which we report.
pub const SOURCE: &str = "backout";

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All is well.
    Information,
    /// Something to know.
    Warning,
    /// Something to act on.
    Error,
}

/// Makes the log show our events as the text they are.
///
/// # Errors
/// The system's.
pub fn register() -> io::Result<()> {
    os::register()
}

/// Reports an event; `id` is from 1 to 1000. Without [`register()`] nothing is reported. A log that takes nothing changes
/// nothing.
pub fn report(kind: Kind, id: u16, text: &str) {
    if let Err(e) = os::report(kind, id, text) {
        log::debug!("the event log: {e}");
    }
}
