//! Windows: everything relative to folder handles, through no symbolic link and no junction.
//!
//! The native calls (`NtCreateFile` and its kin) are used where the documented ones know whole paths only: a name
//! relative to an open folder cannot be turned elsewhere meanwhile, is not limited to 260 characters, and is not
//! rewritten (`a.`, `nul`) on its way to the file system.
#![expect(unsafe_code, reason = "the system's calls")]

mod flush;
mod look;
mod moves;
mod nt;
mod open;
pub(crate) mod security;
pub(crate) mod streams;
mod sync;

pub(crate) use flush::sync_written;
pub(crate) use look::{file_system, names, read_link, stat, stat_handle, stat_of};
pub(crate) use moves::{
    basic, exchange, hard_link, remove_file, remove_folder, rename, rename_new, set_basic,
};
pub(crate) use open::{
    create_file, make_folder, make_program_folder, may_write, open_below, open_file, open_for_heirs,
    open_or_create, open_root, reopen,
};
pub(crate) use sync::{
    allocate, lock, lock_shared, sync_file, sync_file_system, sync_folder, sync_staged, write_at,
};

use crate::error::ErrorKind;
use std::{io, os::windows::io::OwnedHandle};
use windows_sys::Win32::Foundation as codes;

/// An open folder.
pub(crate) type Handle = OwnedHandle;

/// A file that is open, or that runs, is not replaced in one move: the old one has to go away first.
pub(crate) const ONE_MOVE_REPLACES: bool = false;

/// What is known of a name without following it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw {
    /// The type as Unix writes it; no permission bits.
    pub mode: u32,
    pub nlink: u64,
    pub len: u64,
    /// The volume's serial number.
    pub dev: u64,
    pub ino: u64,
    /// Users have no numbers here.
    pub uid: u32,
    pub gid: u32,
    pub mtime: (i64, u32),
    pub born: Option<(i64, u32)>,
    pub immutable: bool,
    pub append_only: bool,
    /// A volume mounted on a folder is a reparse point, and so a link.
    pub mount_root: bool,
}

/// By the system's own codes: the standard library sorts sharing violations under kinds that say something else.
pub(crate) fn kind_of(error: &io::Error) -> ErrorKind {
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(
            codes::ERROR_FILE_NOT_FOUND
            | codes::ERROR_PATH_NOT_FOUND
            | codes::ERROR_INVALID_DRIVE
            | codes::ERROR_BAD_NETPATH
            | codes::ERROR_BAD_NET_NAME,
        ) => ErrorKind::NotFound,
        Some(codes::ERROR_STOPPED_ON_SYMLINK) => ErrorKind::Symlink,
        Some(codes::ERROR_DIRECTORY) => ErrorKind::NotAFolder,
        Some(codes::ERROR_DIRECTORY_NOT_SUPPORTED) => ErrorKind::NotAFile,
        Some(codes::ERROR_FILE_EXISTS | codes::ERROR_ALREADY_EXISTS | codes::ERROR_DIR_NOT_EMPTY) => {
            ErrorKind::Exists
        }
        Some(codes::ERROR_DISK_FULL | codes::ERROR_HANDLE_DISK_FULL | codes::ERROR_DISK_QUOTA_EXCEEDED) => {
            ErrorKind::NoSpace
        }
        Some(codes::ERROR_WRITE_PROTECT) => ErrorKind::ReadOnly,
        Some(codes::ERROR_ACCESS_DENIED | codes::ERROR_PRIVILEGE_NOT_HELD | codes::ERROR_INVALID_OWNER) => {
            ErrorKind::Denied
        }
        Some(
            codes::ERROR_SHARING_VIOLATION
            | codes::ERROR_LOCK_VIOLATION
            | codes::ERROR_BUSY
            | codes::ERROR_DELETE_PENDING
            | codes::ERROR_USER_MAPPED_FILE,
        ) => ErrorKind::Busy,
        Some(codes::ERROR_NOT_SAME_DEVICE) => ErrorKind::CrossDevice,
        Some(
            codes::ERROR_INVALID_FUNCTION | codes::ERROR_NOT_SUPPORTED | codes::ERROR_CALL_NOT_IMPLEMENTED,
        ) => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// The system's error with this code.
fn refused(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// No file system here is known to share bytes.
pub(crate) fn share_bytes(_from: &std::fs::File, _to: &std::fs::File) -> std::io::Result<()> {
    Err(refused(codes::ERROR_NOT_SUPPORTED))
}

/// Who may remove a thing is not said by the folder alone here.
pub(crate) fn let_in(_folder: &std::fs::File) -> io::Result<()> {
    Ok(())
}

/// Making a link is a right of its own here, and one to a folder is made otherwise than one to a file.
pub(crate) fn make_link(_at: &Handle, _name: &std::ffi::OsStr, _target: &std::ffi::OsStr) -> io::Result<()> {
    Err(refused(codes::ERROR_NOT_SUPPORTED))
}

/// Links need a privilege that nobody has by default, and are of two sorts.
pub(crate) const MAKES_LINKS: bool = false;

pub(crate) fn dress_link(_at: &Handle, _name: &std::ffi::OsStr, _like: &Raw) -> io::Result<()> {
    Err(refused(codes::ERROR_NOT_SUPPORTED))
}

/// Nothing is immutable or append-only here.
pub(crate) fn unlock<F>(_file: &F) -> io::Result<()> {
    Ok(())
}

/// No file system here has layers.
pub(crate) fn copy_up(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
