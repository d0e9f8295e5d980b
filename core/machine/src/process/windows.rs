//! Windows: not listed yet.

use super::{Process, Seen};
use std::io;

/// Never made.
pub(super) enum Handle {}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn pids() -> io::Result<Vec<u32>> {
    unsupported()
}

pub(super) fn look(_: u32) -> Option<Seen> {
    None
}

pub(super) fn started(_: u32) -> Option<u64> {
    None
}

pub(super) fn hold(_: &Process) -> io::Result<Option<Handle>> {
    unsupported()
}

pub(super) fn ask(handle: &Handle) -> io::Result<()> {
    match *handle {}
}

pub(super) fn kill(handle: &Handle) -> io::Result<()> {
    match *handle {}
}
