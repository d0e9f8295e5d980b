//! Native calls, with their answers as errors of the standard library.

use super::refused;
use std::{
    ffi::{OsStr, c_void},
    io,
    os::windows::{
        ffi::OsStrExt,
        io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    },
    ptr,
    thread::sleep,
    time::{Duration, Instant},
};
use windows_sys::{
    Wdk::{
        Foundation::OBJECT_ATTRIBUTES,
        Storage::FileSystem::{
            FILE_INFORMATION_CLASS, FILE_OPEN_FOR_BACKUP_INTENT, FILE_OPEN_REPARSE_POINT,
            FILE_SYNCHRONOUS_IO_NONALERT, NtCreateFile, NtSetInformationFile,
        },
    },
    Win32::{
        Foundation::{
            ERROR_ACCESS_DENIED, ERROR_DELETE_PENDING, ERROR_FILENAME_EXCED_RANGE, ERROR_LOCK_VIOLATION,
            ERROR_SHARING_VIOLATION, NTSTATUS, OBJ_CASE_INSENSITIVE, RtlNtStatusToDosError, UNICODE_STRING,
        },
        Storage::FileSystem::{FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE},
        System::IO::IO_STATUS_BLOCK,
    },
};

/// How long others may keep a file that they opened for a moment, as virus scanners and indexers do.
const SHARING: Duration = Duration::from_secs(2);
/// A name that is being deleted is "access denied" as well; so is what will never be allowed.
const DENIED: Duration = Duration::from_millis(300);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What is to be opened, and how.
pub(super) struct Ask<'a> {
    /// The folder (or file) that `name` is relative to; `None`: `name` is a whole native path.
    pub at: Option<BorrowedHandle<'a>>,
    /// Names in UTF-16; empty: `at` itself once more.
    pub name: &'a [u16],
    pub access: u32,
    pub disposition: u32,
    pub options: u32,
    /// A self-relative security descriptor for what is made.
    pub security: Option<&'a super::security::Descriptor>,
}

/// Opens or makes a file or folder; reparse points are opened themselves, never what they lead to.
pub(super) fn open(ask: &Ask<'_>) -> io::Result<OwnedHandle> {
    open_through(ask, FILE_OPEN_REPARSE_POINT)
}

/// The same, with `FILE_OPEN_REPARSE_POINT` or nothing.
pub(super) fn open_through(ask: &Ask<'_>, reparse: u32) -> io::Result<OwnedHandle> {
    open_sharing(ask, reparse, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
}

/// The same, with nobody else having it open before or until it is closed.
pub(super) fn open_alone(ask: &Ask<'_>) -> io::Result<OwnedHandle> {
    open_sharing(ask, FILE_OPEN_REPARSE_POINT, 0)
}

fn open_sharing(ask: &Ask<'_>, reparse: u32, share: u32) -> io::Result<OwnedHandle> {
    let length = u16::try_from(ask.name.len() * 2).map_err(|_| refused(ERROR_FILENAME_EXCED_RANGE))?;
    let name = UNICODE_STRING { Length: length, MaximumLength: length, Buffer: ask.name.as_ptr().cast_mut() };
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: ask.at.map_or(ptr::null_mut(), |at| at.as_raw_handle()),
        ObjectName: &name,
        Attributes: OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: ask.security.map_or(ptr::null(), |s| s.as_ptr().cast()),
        SecurityQualityOfService: ptr::null(),
    };
    let mut handle = ptr::null_mut();
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: every pointer is to a local that outlives the call; the name and descriptor are borrowed by `ask`.
    checked(unsafe {
        NtCreateFile(
            &mut handle,
            ask.access | SYNCHRONIZE,
            &attributes,
            &mut block,
            ptr::null(),
            0,
            share,
            ask.disposition,
            ask.options | reparse | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT,
            ptr::null(),
            0,
        )
    })?;
    // SAFETY: the call succeeded, so the handle is open and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Sets one sort of information; `bytes` must be laid out as that sort is.
pub(super) fn set(
    handle: &OwnedHandle,
    class: FILE_INFORMATION_CLASS,
    bytes: &[u64],
    len: usize,
) -> io::Result<()> {
    debug_assert!(len <= size_of_val(bytes));
    let mut block = IO_STATUS_BLOCK::default();
    let data: *const c_void = bytes.as_ptr().cast();
    // SAFETY: the buffer is at least `len` bytes long and lives until the call returns.
    checked(unsafe { NtSetInformationFile(handle.as_raw_handle(), &mut block, data, len as u32, class) })
}

/// A native status as a result.
pub(super) fn checked(status: NTSTATUS) -> io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    // SAFETY: takes and gives a number.
    Err(refused(unsafe { RtlNtStatusToDosError(status) }))
}

/// A name or path in UTF-16, without an end mark.
pub(super) fn utf16(name: &OsStr) -> Vec<u16> {
    name.encode_wide().collect()
}

/// Tries again for a short while what another process stands in the way of.
pub(super) fn patiently<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match work() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let limit = match error.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION) => SHARING,
            Some(ERROR_ACCESS_DENIED | ERROR_DELETE_PENDING) => DENIED,
            _ => return Err(error),
        };
        if begun.elapsed() >= limit {
            return Err(error);
        }
        sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
