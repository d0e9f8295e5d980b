//! Process groups.

use super::Reach;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::File,
    io,
    os::unix::{fs::FileExt, process::CommandExt},
    process::{Child, Command},
};

pub(super) fn detach(command: &mut Command) {
    command.process_group(0);
}

pub(super) fn kill(child: &mut Child, reach: Reach) -> io::Result<()> {
    match (reach, Pid::from_raw(child.id().cast_signed())) {
        (Reach::Group, Some(group)) => Ok(kill_process_group(group, Signal::KILL)?),
        _ => child.kill(),
    }
}

pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

/// A file that is in memory only.
pub(super) fn memory() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("backout", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}
