//! Windows: the pipe to the parent, kept from programs that are started. Writes to it wait for the parent.

use std::{fs::File, io, os::windows::io::AsHandle};

/// Standard output by a handle of our own, which nobody inherits.
pub(super) fn own_output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}

/// Writes wait by themselves.
pub(super) fn wait_for_room(_output: &File) -> io::Result<()> {
    Ok(())
}
