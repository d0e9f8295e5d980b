//! Windows: no such limit.

use std::{
    io,
    process::{Child, Command},
};

/// Nothing to be raised.
pub fn raise() {}

/// Starts a program.
///
/// # Errors
/// The system's.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}
