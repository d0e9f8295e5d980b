//! What a snapshot of files does not take rightly: the data of a database, a file that is open for writing, and what a package
//! manager believes to be its own.

use crate::refusal::Refusal;
use backout_protocol::{HostPath, NameRule, Notice};

/// What is taken along in spite of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leave {
    /// Data of databases, and files that are open for writing.
    pub include_data: bool,
    /// Files of packages, and a package manager as the installer.
    pub allow_packaged: bool,
}

/// Looks through `roots`, without what `exclude` leaves out, and at the program that is to run. What `leave` lets through is said.
///
/// # Errors
/// What is refused, by name.
pub fn check(
    _roots: &[HostPath],
    _names: NameRule,
    _exclude: &[String],
    _program: &HostPath,
    _leave: Leave,
) -> Result<Vec<Notice>, Refusal> {
    Ok(Vec::new())
}
