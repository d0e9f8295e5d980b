//! Unix: a soft limit, which each process may raise to the hard one.
#![expect(unsafe_code, reason = "what is done between fork and exec")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::OnceLock,
};

/// What this process was given, once that is raised.
static GIVEN: OnceLock<Rlimit> = OnceLock::new();

/// Lets this process have as many files open as it may allow itself.
pub fn raise() {
    let given = getrlimit(Resource::Nofile);
    if given.current == given.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: given.maximum, ..given }) {
        // Once: what is raised already stays what was given at first.
        Ok(()) => drop(GIVEN.set(given)),
        Err(e) => log::debug!("no more files may be open than {:?}: {e}", given.current),
    }
}

/// Starts a program, which gets the limit that this process was given: old ones use descriptors above 1023 wrongly, or close each
/// that they might have.
///
/// # Errors
/// The system's.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    if let Some(given) = GIVEN.get().copied() {
        // SAFETY: one call of the system; nothing is allocated and no lock is taken.
        unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Nofile, given)?)) };
    }
    command.spawn()
}
