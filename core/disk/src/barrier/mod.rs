//! Barriers that can be left out, to show that a test notices.
//!
//! Every sync, every record and every look that recovery leans on asks here whether it is to be left out, by its name.
//! In a build with the feature `leave-out` the environment names one; in every other build the answer is no.

#[cfg_attr(feature = "leave-out", path = "on.rs")]
#[cfg_attr(not(feature = "leave-out"), path = "off.rs")]
mod answer;

pub use answer::left_out;

use crate::os;
use std::{fs::File, io, panic::Location};

/// Whether the sync at the place that called our caller is left out.
#[track_caller]
fn sync_left_out() -> bool {
    let at = Location::caller();
    left_out(|| {
        let file = at.file().rsplit('/').next().unwrap_or_default();
        format!("sync {file}:{}", at.line())
    })
}

#[track_caller]
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    if sync_left_out() { Ok(()) } else { os::sync_file(file) }
}

#[track_caller]
pub(crate) fn sync_folder(folder: &os::Handle) -> io::Result<()> {
    if sync_left_out() { Ok(()) } else { os::sync_folder(folder) }
}

#[track_caller]
pub(crate) fn sync_file_system(folder: &os::Handle) -> io::Result<()> {
    if sync_left_out() { Ok(()) } else { os::sync_file_system(folder) }
}

#[track_caller]
pub(crate) fn sync_written(folder: &os::Handle) -> io::Result<()> {
    if sync_left_out() { Ok(()) } else { os::sync_written(folder) }
}
