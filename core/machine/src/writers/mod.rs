//! Who has files open for writing: the processes that could change them at any moment. Files are told by device and number,
//! never by path. It is a look and no lock: who opens a file a moment later is not seen.
//!
//! Not seen either: processes outside of this one's process namespace, and what the kernel itself writes to (swap, loop
//! devices, exports); on Windows also a mapping whose file is closed, what protected processes have open, and what is not told
//! within three seconds.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

use crate::Holder;
use std::collections::BTreeSet;

/// Device and number of a file.
pub type Identity = (u64, u64);

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writers {
    /// Each file with a process that has it open for writing, or mapped so that what it writes there goes to the file.
    pub found: BTreeSet<(Identity, Holder)>,
    /// How many processes could not be looked at: another user's.
    pub unseen: usize,
}

/// Looks for processes that have one of `files` open for writing. This one, what it has started, and those of its own
/// program above it do not count.
///
/// # Errors
/// The system's: the processes cannot be listed.
pub fn of(files: &BTreeSet<Identity>) -> std::io::Result<Writers> {
    if files.is_empty() { Ok(Writers::default()) } else { os::of(files) }
}
