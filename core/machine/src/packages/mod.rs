//! What the machine's package managers believe to be theirs. Their records are read, and nothing of them is changed.

mod command;
#[cfg(unix)]
mod debian;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;
#[cfg(unix)]
mod rpm;

pub use command::{Manager, manager_of, program_of};
#[cfg(unix)]
pub use debian::owners as owners_by_dpkg;

use std::{collections::BTreeSet, path::PathBuf};

/// Whose records they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Records {
    /// dpkg's.
    Dpkg,
    /// rpm's; `front`: what is there to go back with.
    Rpm(Front),
}

/// The program that a machine with rpm is updated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Front {
    /// `zypper`.
    Zypper,
    /// `dnf`.
    Dnf,
    /// `yum`.
    Yum,
    /// None of these.
    Rpm,
}

/// A package with files among those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Who knows it.
    pub records: Records,
    /// Its name.
    pub package: String,
    /// The version that is installed.
    pub version: String,
    /// How many of the files are its.
    pub files: u64,
    /// The first of them, where that can be told.
    pub first: Option<PathBuf>,
}

/// The records of a package manager that is here cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the records of {manager} cannot be read: {why}")]
pub struct PackagesError {
    /// Whose.
    pub manager: &'static str,
    /// Why.
    pub why: String,
}

/// The packages that own some of `files`, which are absolute paths without links. Where no package manager is known there
/// are none.
///
/// # Errors
/// [`PackagesError`].
pub fn owners(files: &BTreeSet<PathBuf>) -> Result<Vec<Owner>, PackagesError> {
    if files.is_empty() { Ok(Vec::new()) } else { os::owners(files) }
}
