//! Ctrl-C and SIGTERM set a flag that the engine looks at; a hangup is taken and means nothing.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

pub(crate) use os::{flag, interrupt};
