//! The manager's calls.
#![expect(unsafe_code, reason = "the system's calls")]

use std::{io, path::Path, ptr};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ControlService, CreateServiceW, DeleteService, GetServiceKeyNameW, OpenSCManagerW,
    OpenServiceW, QueryServiceStatusEx, SC_HANDLE, SC_MANAGER_ALL_ACCESS, SC_STATUS_PROCESS_INFO,
    SERVICE_ALL_ACCESS, SERVICE_CONTROL_STOP, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, SERVICE_STATUS,
    SERVICE_STATUS_PROCESS, SERVICE_WIN32_OWN_PROCESS, StartServiceW,
};

/// A handle of the manager's.
struct Handle(SC_HANDLE);

impl Handle {
    fn new(handle: SC_HANDLE) -> io::Result<Self> {
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it is open and nobody else's.
        unsafe { CloseServiceHandle(self.0) };
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn done(answer: i32) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn manager() -> io::Result<Handle> {
    // SAFETY: this machine's manager, its active database.
    Handle::new(unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_ALL_ACCESS) })
}

fn service(key: &str) -> io::Result<Handle> {
    let manager = manager()?;
    // SAFETY: the name ends with a NUL.
    Handle::new(unsafe { OpenServiceW(manager.0, wide(key).as_ptr(), SERVICE_ALL_ACCESS) })
}

/// The key of the service that is shown by this name, if there is one.
pub(super) fn key_of(shown: &str) -> Option<String> {
    let (manager, mut key, mut length) = (manager().ok()?, [0u16; 257], 257);
    // SAFETY: the buffer is as long as is said.
    let found = unsafe { GetServiceKeyNameW(manager.0, wide(shown).as_ptr(), key.as_mut_ptr(), &mut length) };
    (found != 0).then(|| String::from_utf16_lossy(&key[..length as usize]))
}

pub(super) fn create(key: &str, shown: &str, line: &str) -> io::Result<()> {
    let manager = manager()?;
    let (key, shown, line, none) = (wide(key), wide(shown), wide(line), ptr::null());
    // SAFETY: every text ends with a NUL; what is absent is not set.
    Handle::new(unsafe {
        CreateServiceW(
            manager.0,
            key.as_ptr(),
            shown.as_ptr(),
            SERVICE_ALL_ACCESS,
            SERVICE_WIN32_OWN_PROCESS,
            SERVICE_DEMAND_START,
            SERVICE_ERROR_NORMAL,
            line.as_ptr(),
            none,
            ptr::null_mut(),
            none,
            none,
            none,
        )
    })
    .map(drop)
}

pub(super) fn delete(key: &str) -> io::Result<()> {
    let service = service(key)?;
    // SAFETY: the handle is open.
    done(unsafe { DeleteService(service.0) })
}

pub(super) fn start(key: &str) -> io::Result<()> {
    let service = service(key)?;
    // SAFETY: the handle is open; there are no arguments.
    done(unsafe { StartServiceW(service.0, 0, ptr::null()) })
}

pub(super) fn stop(key: &str) -> io::Result<()> {
    let (service, mut status) = (service(key)?, SERVICE_STATUS::default());
    // SAFETY: the handle is open; the structure is written whole or not at all.
    done(unsafe { ControlService(service.0, SERVICE_CONTROL_STOP, &mut status) })
}

/// State and process; the process is 0 once it is stopped.
pub(super) fn status(key: &str) -> io::Result<(u32, u32)> {
    let service = service(key)?;
    let mut status = SERVICE_STATUS_PROCESS::default();
    let (length, mut needed) = (size_of_val(&status) as u32, 0);
    // SAFETY: the structure has the length that is said.
    done(unsafe {
        let bytes = (&raw mut status).cast();
        QueryServiceStatusEx(service.0, SC_STATUS_PROCESS_INFO, bytes, length, &mut needed)
    })?;
    Ok((status.dwCurrentState, status.dwProcessId))
}

/// A command line of a program and its arguments.
pub(super) fn line(parts: &[&Path]) -> String {
    parts.iter().map(|part| format!("\"{}\"", part.display())).collect::<Vec<_>>().join(" ")
}
