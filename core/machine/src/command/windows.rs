//! Windows: a group of its own, which Ctrl-C does not reach. A time-out ends the command alone.

use super::Reach;
use std::{
    fs::File,
    io,
    os::windows::{fs::FileExt, process::CommandExt},
    process::{Child, Command},
};

const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

pub(super) fn detach(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

pub(super) fn kill(child: &mut Child, _: Reach) -> io::Result<()> {
    child.kill()
}

pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}
