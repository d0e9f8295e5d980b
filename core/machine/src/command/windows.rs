//! Windows: a job holds what a command starts, and a console of its own keeps our Ctrl-C away from it.
#![expect(unsafe_code, reason = "the system's calls")]

use super::Reach;
use std::{
    ffi::OsString,
    fs::File,
    io,
    os::windows::{
        ffi::OsStringExt,
        fs::FileExt,
        io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command},
    ptr,
};
use windows_sys::Win32::{
    Foundation::{NTSTATUS, RtlNtStatusToDosError},
    Globalization::{CP_OEMCP, MultiByteToWideChar},
    System::{
        JobObjects::{AssignProcessToJobObject, CreateJobObjectW, TerminateJobObject},
        SystemInformation::GetSystemWindowsDirectoryW,
        Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED},
    },
};

#[link(name = "ntdll")]
unsafe extern "system" {
    /// Lets every thread of a process go on. In every Windows since XP, and in no header.
    fn NtResumeProcess(process: RawHandle) -> NTSTATUS;
}

/// The job of a command; `None` where we are in a job ourselves that lets nobody out (before Windows 8).
pub(super) struct Group(Option<OwnedHandle>);

/// What `cmd.exe` leaves as it is, besides letters and digits.
pub(super) const PLAIN: &[u8] = b"+-./:@_\\";

/// A word that may hold anything but a quote, which no path holds, for `cmd.exe`.
pub(super) fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

/// The root of the system's own drive: the current one may be taken away meanwhile.
pub(super) fn root() -> PathBuf {
    let mut buffer = [0u16; 260];
    // SAFETY: the buffer's length is told.
    let len = unsafe { GetSystemWindowsDirectoryW(buffer.as_mut_ptr(), buffer.len() as u32) } as usize;
    let windows = OsString::from_wide(buffer.get(..len).unwrap_or_default());
    let root = Path::new(&windows).ancestors().last().filter(|root| root.has_root());
    root.map_or_else(|| PathBuf::from(r"C:\"), Path::to_owned)
}

pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
    // Held until it is in its job: what it starts before that would be outside. If we die in between, it has done
    // nothing and waits for a person to end it.
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW | CREATE_SUSPENDED);
    let mut child = command.spawn()?;
    let job = job(child.as_raw_handle())
        .inspect_err(|e| log::warn!("process {} is in no job: {e}", child.id()))
        .ok();
    // SAFETY: the child's handle is open.
    let status = unsafe { NtResumeProcess(child.as_raw_handle()) };
    if status < 0 {
        let _ = child.kill();
        // SAFETY: takes and gives a number.
        return Err(io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) }.cast_signed()));
    }
    Ok((child, Group(job)))
}

/// A job with this process in it. Closing its handle ends nobody: a service that was started stays.
fn job(process: RawHandle) -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name; the handle is nobody else's.
    let job = unsafe {
        let job = CreateJobObjectW(ptr::null(), ptr::null());
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        OwnedHandle::from_raw_handle(job)
    };
    // SAFETY: both handles are open.
    match unsafe { AssignProcessToJobObject(job.as_raw_handle(), process) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(job),
    }
}

pub(super) fn kill(child: &mut Child, group: &Group, reach: Reach) -> io::Result<()> {
    let Some(job) = group.0.as_ref().filter(|_| reach == Reach::Group) else { return child.kill() };
    // SAFETY: the job's handle is open.
    match unsafe { TerminateJobObject(job.as_raw_handle(), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Moves the position, unlike its twin; what is read ends where the next write begins all the same.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}

/// What programs print is UTF-8, or in the console's code page.
pub(super) fn text(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    // A character is never more units of UTF-16 than it is bytes.
    let mut wide = vec![0u16; bytes.len()];
    let (from, to) = (bytes.len() as i32, wide.len() as i32);
    // SAFETY: both lengths are told.
    let len = unsafe { MultiByteToWideChar(CP_OEMCP, 0, bytes.as_ptr(), from, wide.as_mut_ptr(), to) };
    String::from_utf16_lossy(wide.get(..len.cast_unsigned() as usize).unwrap_or_default())
}
