#![expect(unsafe_code, reason = "the system's calls")]

use std::{io, ptr};
use windows_sys::Win32::System::Threading::CreateMutexW;

/// Makes the mutex and has it until this process ends.
pub(crate) fn hold(name: &str) -> io::Result<()> {
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a NUL. The handle is left open.
    let mutex = unsafe { CreateMutexW(ptr::null(), 1, name.as_ptr()) };
    if mutex.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
}
