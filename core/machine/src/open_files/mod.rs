//! How many files this process may have open: some are held for each folder of a walk.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

pub use os::{raise, spawn};
