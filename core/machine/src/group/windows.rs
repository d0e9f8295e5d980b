//! Windows: not there yet. A job object would hold an installer's processes together.

use super::{Member, Reaped};
use std::{
    io,
    path::Path,
    process::{Child, Command},
};

/// Whether an installer's processes can be held together here.
pub fn is_supported() -> bool {
    false
}

/// Whether the system would run this file as a program; told by nobody here.
pub fn can_run(_file: &Path) -> bool {
    true
}

/// Never done here.
///
/// # Errors
/// Always.
pub fn detach() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never done here.
///
/// # Errors
/// Always.
pub fn lead() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never done here.
///
/// # Errors
/// Always.
pub fn reap() -> io::Result<Reaped> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn spawn(_installer: &mut Command) -> io::Result<Child> {
    Err(io::ErrorKind::Unsupported.into())
}

/// None was ever started here.
pub(super) fn members(_mark: &str, _holder: u32) -> io::Result<Vec<Member>> {
    Ok(Vec::new())
}

pub(super) fn dissolve(_mark: &str, _holder: u32) -> io::Result<()> {
    Ok(())
}
