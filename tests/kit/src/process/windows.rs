#![expect(unsafe_code, reason = "the system's calls")]

use std::process;
use windows_sys::Win32::{
    Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0},
    System::{
        Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
        },
        Threading::{
            INFINITE, OpenProcess, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess,
            WaitForSingleObject,
        },
    },
};

/// Ends a process and returns once it is gone.
pub fn kill(pid: u32) {
    with(pid, |process| {
        // SAFETY: the handle is open.
        unsafe {
            TerminateProcess(process, 1);
            WaitForSingleObject(process, INFINITE);
        }
    });
}

/// Whether a process runs.
pub fn is_there(pid: u32) -> bool {
    with(pid, |process| {
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(process, 0) != WAIT_OBJECT_0 }
    })
    .unwrap_or(false)
}

/// Who started this process.
pub fn parent() -> Option<u32> {
    // SAFETY: a list of processes; it is closed below.
    let list = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if list == INVALID_HANDLE_VALUE {
        return None;
    }
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    // SAFETY: the entry has the size that is said.
    let mut more = unsafe { Process32FirstW(list, &mut entry) } != 0;
    while more && entry.th32ProcessID != process::id() {
        // SAFETY: as above.
        more = unsafe { Process32NextW(list, &mut entry) } != 0;
    }
    // SAFETY: it is open and nobody else's.
    unsafe { CloseHandle(list) };
    more.then_some(entry.th32ParentProcessID)
}

fn with<T>(pid: u32, work: impl FnOnce(HANDLE) -> T) -> Option<T> {
    // SAFETY: the handle is closed below.
    let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_TERMINATE, 0, pid) };
    if process.is_null() {
        return None;
    }
    let result = work(process);
    // SAFETY: it is open and nobody else's.
    unsafe { CloseHandle(process) };
    Some(result)
}
