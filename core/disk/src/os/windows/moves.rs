//! Renames and removes.
//!
//! A rename is what `MoveFileExW` with `MOVEFILE_WRITE_THROUGH` does, a handle opened for writing through and told
//! its new name, but with both names relative to open folders. `ReplaceFile` is never used: three of its failures
//! leave half of it done.

use super::{
    Handle, kind_of,
    look::{Sort, sort, stat},
    nt::{self, Ask, open, patiently, utf16},
    open::one,
    refused,
};
use crate::error::ErrorKind;
use std::{
    ffi::OsStr,
    io,
    mem::offset_of,
    os::windows::io::{AsHandle, AsRawHandle},
};
use windows_sys::{
    Wdk::Storage::FileSystem::{
        FILE_OPEN, FILE_RENAME_INFORMATION, FILE_WRITE_THROUGH, FileDispositionInformation,
        FileRenameInformation,
    },
    Win32::{
        Foundation::{ERROR_DIRECTORY, ERROR_DIRECTORY_NOT_SUPPORTED, ERROR_NOT_SUPPORTED},
        Storage::FileSystem::{
            DELETE, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_READONLY, FILE_BASIC_INFO, FILE_READ_ATTRIBUTES,
            FILE_WRITE_ATTRIBUTES, FileBasicInfo, GetFileInformationByHandleEx, SetFileInformationByHandle,
        },
    },
};

/// Over whatever file has the new name, and over an empty folder.
pub(crate) fn rename(from: &Handle, name: &OsStr, to: &Handle, to_name: &OsStr) -> io::Result<()> {
    if let Some(there) = stat(to, to_name)? {
        if there.mode == 0o040_000 {
            // No folder is replaced in one move. If we die between the two, the empty one is gone.
            remove_folder(to, to_name)?;
            return rename_new(from, name, to, to_name);
        }
        writable(to, to_name)?;
    }
    let moved = told(from, name, to, to_name, true);
    moved.map_err(|e| match kind_of(&e) {
        ErrorKind::Exists => refused(ERROR_DIRECTORY_NOT_SUPPORTED),
        _ => e,
    })
}

/// Fails where the new name is taken.
pub(crate) fn rename_new(from: &Handle, name: &OsStr, to: &Handle, to_name: &OsStr) -> io::Result<()> {
    told(from, name, to, to_name, false)
}

fn told(from: &Handle, name: &OsStr, to: &Handle, to_name: &OsStr, replace: bool) -> io::Result<()> {
    let (name, _) = (one(name)?, one(to_name)?);
    let ask = Ask {
        at: Some(from.as_handle()),
        name: &name,
        access: DELETE | FILE_READ_ATTRIBUTES,
        disposition: FILE_OPEN,
        options: FILE_WRITE_THROUGH,
        security: None,
    };
    let (order, len) = order(to, &utf16(to_name), replace);
    patiently(|| nt::set(&open(&ask)?, FileRenameInformation, &order, len))
}

/// A `FILE_RENAME_INFORMATION` and its length in bytes.
fn order(to: &Handle, name: &[u16], replace: bool) -> (Vec<u64>, usize) {
    let start = offset_of!(FILE_RENAME_INFORMATION, FileName);
    // A short name does not fill the structure, but all of it is asked for.
    let len = (start + name.len() * 2).max(size_of::<FILE_RENAME_INFORMATION>());
    let mut bytes = vec![0u8; len.next_multiple_of(8)];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(0, &[u8::from(replace)]);
    let root = to.as_raw_handle() as usize;
    put(offset_of!(FILE_RENAME_INFORMATION, RootDirectory), &root.to_ne_bytes());
    put(offset_of!(FILE_RENAME_INFORMATION, FileNameLength), &(name.len() as u32 * 2).to_ne_bytes());
    for (n, unit) in name.iter().enumerate() {
        put(start + n * 2, &unit.to_ne_bytes());
    }
    let words =
        bytes.chunks_exact(8).map(|c| u64::from_ne_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]));
    (words.collect(), len)
}

/// There is no exchange of two names here; callers make two moves.
pub(crate) fn exchange(_: &Handle, _: &OsStr, _: &Handle, _: &OsStr) -> io::Result<()> {
    Err(refused(ERROR_NOT_SUPPORTED))
}

/// A second name would help nobody: the first could still not be replaced while the file runs.
pub(crate) fn hard_link(_: &Handle, _: &OsStr, _: &Handle, _: &OsStr) -> io::Result<()> {
    Err(refused(ERROR_NOT_SUPPORTED))
}

/// Removes a file, or a link or junction itself.
pub(crate) fn remove_file(at: &Handle, name: &OsStr) -> io::Result<()> {
    remove(at, name, |sort| if sort == Sort::Folder { Err(ERROR_DIRECTORY_NOT_SUPPORTED) } else { Ok(()) })
}

/// Removes an empty folder.
pub(crate) fn remove_folder(at: &Handle, name: &OsStr) -> io::Result<()> {
    remove(at, name, |sort| if sort == Sort::Folder { Ok(()) } else { Err(ERROR_DIRECTORY) })
}

fn remove(at: &Handle, name: &OsStr, allowed: fn(Sort) -> Result<(), u32>) -> io::Result<()> {
    let wide = one(name)?;
    let ask = Ask {
        at: Some(at.as_handle()),
        name: &wide,
        access: DELETE | FILE_READ_ATTRIBUTES,
        disposition: FILE_OPEN,
        options: FILE_WRITE_THROUGH,
        security: None,
    };
    patiently(|| {
        let handle = open(&ask)?;
        allowed(sort(&handle)?).map_err(refused)?;
        writable(at, name)?;
        // The name goes when the last handle is closed: ours is at the end of this block.
        nt::set(&handle, FileDispositionInformation, &[1], 1)
    })
}

/// A read-only file is neither replaced nor removed: what is about to go loses that attribute first.
fn writable(at: &Handle, name: &OsStr) -> io::Result<()> {
    let name = one(name)?;
    let (at, access) = (Some(at.as_handle()), FILE_READ_ATTRIBUTES);
    let ask = Ask { at, name: &name, access, disposition: FILE_OPEN, options: 0, security: None };
    let mut info = basic(&open(&ask)?)?;
    if info.FileAttributes & FILE_ATTRIBUTE_READONLY == 0 {
        return Ok(());
    }
    info.FileAttributes = info.FileAttributes & !FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_NORMAL;
    if info.FileAttributes != FILE_ATTRIBUTE_NORMAL {
        info.FileAttributes &= !FILE_ATTRIBUTE_NORMAL;
    }
    set_basic(&open(&Ask { access: access | FILE_WRITE_ATTRIBUTES, ..ask })?, &info)
}

/// Attributes and times.
pub(crate) fn basic(of: &impl AsRawHandle) -> io::Result<FILE_BASIC_INFO> {
    let mut info = FILE_BASIC_INFO::default();
    let size = size_of_val(&info) as u32;
    // SAFETY: the buffer is the structure this class asks for, and its size is told.
    let done = unsafe {
        GetFileInformationByHandleEx(of.as_raw_handle(), FileBasicInfo, (&raw mut info).cast(), size)
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(info) }
}

/// Sets attributes and times; a time of 0 stays as it is.
pub(crate) fn set_basic(of: &impl AsRawHandle, info: &FILE_BASIC_INFO) -> io::Result<()> {
    let size = size_of_val(info) as u32;
    // SAFETY: the buffer is the structure this class asks for, and its size is told.
    let done = unsafe { SetFileInformationByHandle(of.as_raw_handle(), FileBasicInfo, ptr_of(info), size) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn ptr_of<T>(it: &T) -> *const std::ffi::c_void {
    std::ptr::from_ref(it).cast()
}
