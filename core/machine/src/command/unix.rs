//! Process groups.

use super::Reach;
use crate::open_files;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::File,
    io,
    os::unix::{fs::FileExt, process::CommandExt},
    path::PathBuf,
    process::{Child, Command},
};

/// The group has its leader's number.
pub(super) struct Group;

/// What a shell leaves as it is, besides letters and digits.
pub(super) const PLAIN: &[u8] = b"%+,-./:=@_";

/// A word that may hold anything, for a shell.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub(super) fn root() -> PathBuf {
    PathBuf::from("/")
}

pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
    Ok((open_files::spawn(command.process_group(0))?, Group))
}

pub(super) fn kill(child: &mut Child, _: &Group, reach: Reach) -> io::Result<()> {
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

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
