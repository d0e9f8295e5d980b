//! Windows: processes as a snapshot of the system lists them, of all sessions, 32-bit ones too.
#![expect(unsafe_code, reason = "the system's calls")]

use super::{Asked, Image, Process, Seen};
use backout_protocol::NameRule;
use std::{
    ffi::OsString,
    io,
    os::windows::{
        ffi::OsStringExt,
        io::{AsRawHandle, FromRawHandle, OwnedHandle},
    },
    path::{Path, PathBuf},
};
use windows_sys::Win32::{
    Foundation::{
        ERROR_INVALID_PARAMETER, ERROR_NO_MORE_FILES, FILETIME, INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
    },
    System::{
        Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
        },
        Threading::{
            GetProcessTimes, OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION,
            PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, QueryFullProcessImageNameW, TerminateProcess,
            WaitForSingleObject,
        },
    },
};

/// The longest path there is.
const LONGEST: usize = 32 * 1024;

/// Whether `path` lies below `folder`: without regard to case, and however the drive is written. A path that is gone
/// could not be brought into the one form that all others have.
pub(super) fn within(path: &Path, folder: &Path) -> bool {
    let names = |path: &Path| -> Vec<String> {
        let text = path.to_string_lossy();
        let plain = match text.strip_prefix(r"\\?\") {
            Some(rest) => match rest.strip_prefix(r"UNC\") {
                Some(share) => format!(r"\\{share}"),
                None => rest.to_owned(),
            },
            None => text.into_owned(),
        };
        Path::new(&plain).components().map(|c| NameRule::Folded.key(c.as_os_str())).collect()
    };
    names(path).starts_with(&names(folder))
}

/// All processes there are.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    // SAFETY: takes numbers; the handle is nobody else's.
    let snapshot = unsafe {
        let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
        if snapshot == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        OwnedHandle::from_raw_handle(snapshot)
    };
    let mut entry =
        PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..PROCESSENTRY32W::default() };
    let mut pids = Vec::new();
    // SAFETY: the entry says how long it is.
    let mut more = unsafe { Process32FirstW(snapshot.as_raw_handle(), &mut entry) };
    while more != 0 {
        pids.push(entry.th32ProcessID);
        // SAFETY: as before.
        more = unsafe { Process32NextW(snapshot.as_raw_handle(), &mut entry) };
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_NO_MORE_FILES) => Ok(pids),
        _ => Err(error),
    }
}

/// What is known of a process; `None` if it is gone or may not be looked at. Its path is the one it was started by,
/// even when its file was moved away since.
pub(super) fn look(pid: u32) -> Option<Seen> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE).ok()??;
    let started = living(&process)?;
    let path = path(&process)?;
    let path = path.canonicalize().unwrap_or(path);
    Some(Seen { started, images: vec![Image { path, started_as: None }] })
}

/// When a living process started; `None` if there is none.
pub(super) fn started(pid: u32) -> Option<u64> {
    living(&open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE).ok()??)
}

/// Takes hold of this very process; `None` if it is gone.
pub(super) fn hold(process: &Process) -> io::Result<Option<OwnedHandle>> {
    let access = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE | PROCESS_TERMINATE;
    let handle = open(process.pid, access)?;
    // A handle keeps its process's number from being given away.
    Ok(handle.filter(|handle| living(handle) == Some(process.started)))
}

/// Programs without a window hear no request to end, and services have none.
pub(super) fn ask(_: &OwnedHandle) -> io::Result<Asked> {
    Ok(Asked::Deaf)
}

/// Ends it.
pub(super) fn kill(handle: &OwnedHandle) -> io::Result<()> {
    // SAFETY: the handle is open.
    if unsafe { TerminateProcess(handle.as_raw_handle(), 1) } != 0 || living(handle).is_none() {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// A process by its number; `None`: there is none.
fn open(pid: u32, access: u32) -> io::Result<Option<OwnedHandle>> {
    // SAFETY: takes numbers; the handle is nobody else's.
    unsafe {
        let handle = OpenProcess(access, 0, pid);
        if !handle.is_null() {
            return Ok(Some(OwnedHandle::from_raw_handle(handle)));
        }
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_INVALID_PARAMETER) => Ok(None),
        _ => Err(error),
    }
}

/// When it started, unless it has ended: a process that somebody holds a handle of can be asked long after its end.
fn living(process: &OwnedHandle) -> Option<u64> {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the handle is open, each time has its place.
    let told = unsafe {
        WaitForSingleObject(process.as_raw_handle(), 0) != WAIT_OBJECT_0
            && GetProcessTimes(process.as_raw_handle(), created, exited, kernel, user) != 0
    };
    told.then(|| u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

fn path(process: &OwnedHandle) -> Option<PathBuf> {
    let mut buffer = vec![0u16; LONGEST];
    let mut len = buffer.len() as u32;
    // SAFETY: the buffer's length is told.
    let told = unsafe {
        let name = buffer.as_mut_ptr();
        QueryFullProcessImageNameW(process.as_raw_handle(), PROCESS_NAME_WIN32, name, &mut len)
    };
    (told != 0).then(|| OsString::from_wide(buffer.get(..len as usize).unwrap_or_default()).into())
}

/// A process that is waited for by a handle, which its number cannot change hands under.
pub(crate) struct Watched {
    handle: OwnedHandle,
    /// Who it is, for whoever ends it.
    pub(crate) process: Process,
}

impl Watched {
    pub(crate) fn open(pid: u32) -> Option<Self> {
        let handle = open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE).ok()??;
        let started = living(&handle)?;
        let path = path(&handle).unwrap_or_default();
        let image = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Some(Self { handle, process: Process { pid, started, image, path } })
    }

    pub(crate) fn is_gone(&self) -> bool {
        living(&self.handle).is_none()
    }

    /// Whether no living process has this number. One that may not be looked at lives.
    pub(crate) fn is_nobody(pid: u32) -> bool {
        match open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE) {
            Ok(process) => process.is_none_or(|process| living(&process).is_none()),
            Err(_) => false,
        }
    }
}
