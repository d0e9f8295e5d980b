//! A file's named streams, beside its bytes.

use super::{
    kind_of,
    look::{bytes_of, number, text},
    nt::{Ask, open, utf16},
};
use crate::error::ErrorKind;
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
    mem::offset_of,
    os::windows::io::{AsHandle, AsRawHandle},
};
use windows_sys::{
    Wdk::Storage::FileSystem::{FILE_OPEN, FILE_OVERWRITE_IF},
    Win32::{
        Foundation::{ERROR_HANDLE_EOF, ERROR_INVALID_PARAMETER, ERROR_MORE_DATA},
        Storage::FileSystem::{
            FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_STREAM_INFO, FileStreamInfo,
            GetFileInformationByHandleEx,
        },
    },
};

/// The bytes of the file itself.
const MAIN: &str = "::$DATA";
/// A longer list is not read.
const MOST: usize = 1 << 20;

/// The names of a file's streams, as `:name:$DATA`; none where the volume has no streams.
pub(crate) fn list(file: &File) -> io::Result<Vec<OsString>> {
    let mut buffer = vec![0u64; 512];
    loop {
        let size = size_of_val(&buffer[..]);
        buffer.fill(0);
        // SAFETY: the buffer's size is told.
        let done = unsafe {
            let data = buffer.as_mut_ptr().cast();
            GetFileInformationByHandleEx(file.as_raw_handle(), FileStreamInfo, data, size as u32)
        };
        if done != 0 {
            return Ok(names(bytes_of(&buffer, size)));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_MORE_DATA) if size < MOST => buffer.resize(buffer.len() * 4, 0),
            Some(ERROR_HANDLE_EOF | ERROR_INVALID_PARAMETER) => return Ok(Vec::new()),
            _ if kind_of(&error) == ErrorKind::Unsupported => return Ok(Vec::new()),
            _ => return Err(error),
        }
    }
}

fn names(records: &[u8]) -> Vec<OsString> {
    let mut names = Vec::new();
    let mut at = 0;
    loop {
        let record = records.get(at..).unwrap_or_default();
        let len = number(record, offset_of!(FILE_STREAM_INFO, StreamNameLength)).unwrap_or(0);
        let name = text(record, offset_of!(FILE_STREAM_INFO, StreamName), len);
        if len > 0 && name != MAIN {
            names.push(name);
        }
        match number(record, offset_of!(FILE_STREAM_INFO, NextEntryOffset)) {
            None | Some(0) => return names,
            Some(next) => at += next as usize,
        }
    }
}

/// One stream, for reading.
pub(crate) fn open_one(file: &File, name: &OsStr) -> io::Result<File> {
    of(file, name, FILE_GENERIC_READ, FILE_OPEN)
}

/// Makes or replaces one stream, durably.
pub(crate) fn write(file: &File, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let mut stream = of(file, name, FILE_GENERIC_WRITE, FILE_OVERWRITE_IF)?;
    stream.write_all(bytes)?;
    stream.sync_all()
}

fn of(file: &File, name: &OsStr, access: u32, disposition: u32) -> io::Result<File> {
    let name = utf16(name);
    let at = Some(file.as_handle());
    Ok(File::from(open(&Ask { at, name: &name, access, disposition, options: 0, security: None })?))
}
