//! Folders and files that a run trusts, as nobody else may change them; programs that can be run at once.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod rights;

pub use rights::program;
#[cfg(unix)]
pub use rights::{can_be_immutable, chattr, script};
pub(crate) use rights::{shield, worlds};
