//! Linux: the pipe to the parent, kept from whatever else prints and from programs that are started.

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
};
use std::{fs::File, io, os::fd::AsFd};

/// Standard output as it was until now; what is called so from now on is standard error.
pub(super) fn own_output() -> io::Result<File> {
    let own = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(io::stderr())?;
    never_wait(&own)?;
    Ok(own)
}

/// Writes to it fail where they would wait.
pub(super) fn never_wait(output: &File) -> io::Result<()> {
    Ok(fcntl_setfl(output, fcntl_getfl(output)? | OFlags::NONBLOCK)?)
}

/// Waits until something can be written, or nobody reads any more.
pub(super) fn wait_for_room(output: &File) -> io::Result<()> {
    match poll(&mut [PollFd::new(output, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
