//! What is taken from a plugin's process before its code comes in.

use crate::Leave;
use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, Signal, getppid, setrlimit, umask},
};
use std::io;

/// No plugin needs more memory: libraries, lists of files, an answer of [`crate::call::LIMIT`].
const MEMORY: u64 = 2 << 30;

/// Takes from this process, which has one thread, what its plugin does not need. `keeper`: its parent.
pub(in crate::child) fn confine(keeper: u32, leave: Leave) -> io::Result<()> {
    limit(Resource::As, MEMORY)?;
    umask(Mode::RWXG | Mode::RWXO);
    ends_with(keeper)?;
    match leave {
        Leave::ReadOnly => {
            // Where the kernel has nothing better, at least no file grows.
            limit(Resource::Fsize, 0)?;
            read_only()
        }
        Leave::Change => Ok(()),
    }
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// The system ends this process when its keeper ends, which may have happened already.
fn ends_with(keeper: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    if now == Some(keeper) { Ok(()) } else { Err(io::Error::other("its keeper is gone")) }
}

#[cfg(target_os = "linux")]
use super::linux::read_only;

#[cfg(not(target_os = "linux"))]
fn read_only() -> io::Result<()> {
    Ok(())
}
