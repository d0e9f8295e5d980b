//! Folders and files that a run trusts: nobody else may change them.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod rights;

pub(crate) use rights::{shield, worlds};
