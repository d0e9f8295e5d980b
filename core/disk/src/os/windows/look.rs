//! Looks at files, folders and volumes.

use super::{
    Handle, Raw, kind_of,
    nt::{Ask, checked, open, patiently},
    open::{one, reopen},
};
use crate::{error::ErrorKind, folder::FileSystem};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    mem::offset_of,
    os::windows::{
        ffi::OsStringExt,
        io::{AsHandle, AsRawHandle, BorrowedHandle},
    },
    path::Path,
    ptr,
};
use windows_sys::{
    Wdk::{
        Storage::FileSystem::{
            FILE_FS_ATTRIBUTE_INFORMATION, FILE_NAMES_INFORMATION, FILE_OPEN, FS_INFORMATION_CLASS,
            FileFsAttributeInformation, FileFsSizeInformation, FileNamesInformation, NtQueryDirectoryFile,
            NtQueryVolumeInformationFile,
        },
        System::SystemServices::FILE_FS_SIZE_INFORMATION,
    },
    Win32::{
        Foundation::{STATUS_NO_MORE_FILES, STATUS_NO_SUCH_FILE},
        Storage::FileSystem::{
            BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT,
            FILE_ATTRIBUTE_TAG_INFO, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FileAttributeTagInfo,
            GetFileInformationByHandle, GetFileInformationByHandleEx,
        },
        System::{IO::IO_STATUS_BLOCK, SystemServices::FILE_READ_ONLY_VOLUME},
    },
};

/// In a reparse tag: the name stands for another name.
const NAME_SURROGATE: u32 = 0x2000_0000;

/// What an open handle is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A file; `substituted`: its bytes come from elsewhere, its name is its own.
    File {
        substituted: bool,
    },
    Folder,
    /// A symbolic link, a junction, a mounted volume.
    Link,
}

pub(super) fn sort(handle: &Handle) -> io::Result<Sort> {
    sort_of(handle.as_handle(), information(handle.as_handle())?.dwFileAttributes)
}

fn sort_of(handle: BorrowedHandle<'_>, attributes: u32) -> io::Result<Sort> {
    let reparse = attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0;
    if reparse && tag(handle)? & NAME_SURROGATE != 0 {
        return Ok(Sort::Link);
    }
    Ok(match attributes & FILE_ATTRIBUTE_DIRECTORY {
        0 => Sort::File { substituted: reparse },
        _ => Sort::Folder,
    })
}

fn tag(handle: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut info = FILE_ATTRIBUTE_TAG_INFO::default();
    let size = size_of_val(&info) as u32;
    // SAFETY: the buffer is the structure this class asks for, and its size is told.
    let done = unsafe {
        let buffer = (&raw mut info).cast();
        GetFileInformationByHandleEx(handle.as_raw_handle(), FileAttributeTagInfo, buffer, size)
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(info.ReparseTag) }
}

fn information(handle: BorrowedHandle<'_>) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut info = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the structure is written whole or not at all.
    let done = unsafe { GetFileInformationByHandle(handle.as_raw_handle(), &mut info) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(info) }
}

pub(crate) fn stat(at: &Handle, name: &OsStr) -> io::Result<Option<Raw>> {
    let name = one(name)?;
    let (at, access) = (Some(at.as_handle()), FILE_READ_ATTRIBUTES);
    let ask = Ask { at, name: &name, access, disposition: FILE_OPEN, options: 0, security: None };
    match patiently(|| open(&ask)) {
        Ok(handle) => raw(handle.as_handle()).map(Some),
        Err(e) if kind_of(&e) == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn stat_handle(at: &Handle) -> io::Result<Raw> {
    raw(at.as_handle())
}

pub(crate) fn stat_of(file: &File) -> io::Result<Raw> {
    raw(file.as_handle())
}

fn raw(handle: BorrowedHandle<'_>) -> io::Result<Raw> {
    let info = information(handle)?;
    let whole = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    Ok(Raw {
        mode: match sort_of(handle, info.dwFileAttributes)? {
            Sort::File { .. } => 0o100_000,
            Sort::Folder => 0o040_000,
            Sort::Link => 0o120_000,
        },
        nlink: info.nNumberOfLinks.into(),
        len: whole(info.nFileSizeHigh, info.nFileSizeLow),
        dev: info.dwVolumeSerialNumber.into(),
        ino: whole(info.nFileIndexHigh, info.nFileIndexLow),
        uid: 0,
        gid: 0,
        mtime: moment(whole(info.ftLastWriteTime.dwHighDateTime, info.ftLastWriteTime.dwLowDateTime)),
        // Installers and archives set it.
        born: None,
        immutable: false,
        append_only: false,
        mount_root: false,
    })
}

/// Seconds and nanoseconds since 1970 of a time in steps of 100 ns since 1601.
fn moment(steps: u64) -> (i64, u32) {
    let seconds = i64::try_from(steps / 10_000_000).unwrap_or(i64::MAX) - 11_644_473_600;
    (seconds, (steps % 10_000_000) as u32 * 100)
}

/// What a link holds.
pub(crate) fn read_link(_at: &Handle, _name: &OsStr, path: &Path) -> io::Result<OsString> {
    std::fs::read_link(path).map(std::path::PathBuf::into_os_string)
}

/// Every name in a folder but `.` and `..`.
pub(crate) fn names(at: &Handle) -> io::Result<Vec<OsString>> {
    // A handle of its own: the position in a listing belongs to the handle.
    let own = reopen(at.as_handle(), FILE_LIST_DIRECTORY)?;
    let mut buffer = vec![0u64; 8 * 1024];
    let mut names = Vec::new();
    loop {
        let mut block = IO_STATUS_BLOCK::default();
        // SAFETY: the buffer's size is told in bytes, and it lives until the call returns.
        let status = unsafe {
            NtQueryDirectoryFile(
                own.as_raw_handle(),
                ptr::null_mut(),
                None,
                ptr::null(),
                &mut block,
                buffer.as_mut_ptr().cast(),
                size_of_val(&buffer[..]) as u32,
                FileNamesInformation,
                false,
                ptr::null(),
                false,
            )
        };
        if status == STATUS_NO_MORE_FILES || status == STATUS_NO_SUCH_FILE {
            return Ok(names);
        }
        checked(status)?;
        let got = bytes_of(&buffer, block.Information);
        let mut at = 0;
        loop {
            let record = got.get(at..).unwrap_or_default();
            let Some(next) = number(record, offset_of!(FILE_NAMES_INFORMATION, NextEntryOffset)) else {
                break;
            };
            let len = number(record, offset_of!(FILE_NAMES_INFORMATION, FileNameLength)).unwrap_or(0);
            let name = text(record, offset_of!(FILE_NAMES_INFORMATION, FileName), len);
            if name != "." && name != ".." {
                names.push(name);
            }
            if next == 0 {
                break;
            }
            at += next as usize;
        }
    }
}

/// The first `len` bytes of a buffer that a call has filled.
pub(super) fn bytes_of(buffer: &[u64], len: usize) -> &[u8] {
    // SAFETY: any eight bytes are a `u64`, and no more of them are looked at than there are.
    unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast(), len.min(size_of_val(buffer))) }
}

pub(super) fn number(record: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?))
}

/// UTF-16 of `len` bytes.
pub(super) fn text(record: &[u8], at: usize, len: u32) -> OsString {
    let bytes = record.get(at..at + len as usize).unwrap_or_default();
    let wide: Vec<u16> = bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
    OsString::from_wide(&wide)
}

/// The volume a folder lies on.
pub(crate) fn file_system(at: &Handle) -> io::Result<FileSystem> {
    let sizes = volume(at, FileFsSizeInformation)?;
    let sizes = bytes_of(&sizes, usize::MAX);
    let number_at = |at| u64::from(number(sizes, at).unwrap_or(0));
    let bytes = |units: usize| {
        (number_at(units) | number_at(units + 4) << 32)
            .saturating_mul(number_at(offset_of!(FILE_FS_SIZE_INFORMATION, SectorsPerAllocationUnit)))
            .saturating_mul(number_at(offset_of!(FILE_FS_SIZE_INFORMATION, BytesPerSector)))
    };
    let available = bytes(offset_of!(FILE_FS_SIZE_INFORMATION, AvailableAllocationUnits));
    let total = bytes(offset_of!(FILE_FS_SIZE_INFORMATION, TotalAllocationUnits));
    let about = volume(at, FileFsAttributeInformation)?;
    let about = bytes_of(&about, usize::MAX);
    let flags = number(about, offset_of!(FILE_FS_ATTRIBUTE_INFORMATION, FileSystemAttributes)).unwrap_or(0);
    let len = number(about, offset_of!(FILE_FS_ATTRIBUTE_INFORMATION, FileSystemNameLength)).unwrap_or(0);
    let kind = text(about, offset_of!(FILE_FS_ATTRIBUTE_INFORMATION, FileSystemName), len);
    let kind = kind.to_string_lossy().into_owned();
    // FAT keeps no journal of its names.
    let atomic_rename = !kind.to_ascii_uppercase().contains("FAT");
    let read_only = flags & FILE_READ_ONLY_VOLUME != 0;
    Ok(FileSystem { dev: stat_handle(at)?.dev, kind, available, total, read_only, atomic_rename })
}

fn volume(at: &Handle, class: FS_INFORMATION_CLASS) -> io::Result<[u64; 64]> {
    let mut buffer = [0u64; 64];
    let mut block = IO_STATUS_BLOCK::default();
    let size = size_of_val(&buffer) as u32;
    // SAFETY: the buffer's size is told, and it lives until the call returns.
    checked(unsafe {
        let data = buffer.as_mut_ptr().cast();
        NtQueryVolumeInformationFile(at.as_raw_handle(), &mut block, data, size, class)
    })?;
    Ok(buffer)
}
