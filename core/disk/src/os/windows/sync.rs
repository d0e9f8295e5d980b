//! Makes durable; writes in place; locks.

use super::{Handle, open::reopen, refused};
use std::{
    fs::File,
    io,
    os::windows::{
        fs::FileExt,
        io::{AsHandle, AsRawHandle},
    },
};
use windows_sys::Win32::{
    Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION, ERROR_WRITE_FAULT},
    Storage::FileSystem::{FILE_ADD_FILE, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx},
    System::IO::OVERLAPPED,
};

/// Locks are mandatory here, so what is locked lies far behind the bytes that others read.
const LOCKED_AT: u32 = 0x4000_0000;

pub(crate) fn sync_folder(at: &Handle) -> io::Result<()> {
    // Only a handle that may write is flushed.
    File::from(reopen(at.as_handle(), FILE_ADD_FILE)?).sync_all()
}

pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Each staged file by itself: a whole volume is only flushed for administrators, with everything else on it.
pub(crate) fn sync_staged(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// What was staged is durable already; the folder's own names are left.
pub(crate) fn sync_file_system(at: &Handle) -> io::Result<()> {
    sync_folder(at)
}

/// Takes the space for so many bytes.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    file.set_len(len)
}

pub(crate) fn write_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset)? {
            0 => return Err(refused(ERROR_WRITE_FAULT)),
            n => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

pub(crate) fn lock(file: &File) -> io::Result<bool> {
    lock_as(file, LOCKFILE_EXCLUSIVE_LOCK)
}

/// Takes a lock that others may share, if nobody has it alone; it goes with the file.
pub(crate) fn lock_shared(file: &File) -> io::Result<bool> {
    lock_as(file, 0)
}

fn lock_as(file: &File, kind: u32) -> io::Result<bool> {
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.OffsetHigh = LOCKED_AT;
    let how = kind | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the file's handle is synchronous, so `place` is not looked at once the call has returned.
    if unsafe { LockFileEx(file.as_raw_handle(), how, 0, 1, 0, &mut place) } != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => Ok(false),
        _ => Err(error),
    }
}
