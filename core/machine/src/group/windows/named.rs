//! Things of the system that have a name, the same in all sessions: the recovery at boot runs in another one than people do.

use std::{
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle},
    ptr,
};
use windows_sys::Win32::{
    Foundation::{ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, GetLastError, LocalFree, WAIT_OBJECT_0},
    Security::{
        Authorization::{ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1},
        PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES,
    },
    System::Threading::{
        CreateEventW, EVENT_MODIFY_STATE, OpenEventW, SYNCHRONIZATION_SYNCHRONIZE, SetEvent,
        WaitForSingleObject,
    },
};

/// The system, administrators and who made it may do everything with it, and nobody else anything.
const OURS_ALONE: &str = "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;S-1-3-4)";

/// What the thing of this sort is called that belongs to a run.
pub(super) fn name(sort: &str, run: &str) -> Vec<u16> {
    wide(&format!(r"Global\backout-{sort}-{run}"))
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Makes something by a call that takes attributes. One that somebody else has made by that name is none of ours.
pub(super) fn made(make: impl FnOnce(*const SECURITY_ATTRIBUTES) -> RawHandle) -> io::Result<OwnedHandle> {
    let text = wide(OURS_ALONE);
    let mut descriptor: PSECURITY_DESCRIPTOR = ptr::null_mut();
    // SAFETY: the text ends with a NUL; what is made is freed below.
    let done = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &mut descriptor,
            ptr::null_mut(),
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor,
        bInheritHandle: 0,
    };
    let handle = make(&raw const attributes);
    // SAFETY: takes nothing; asked before anything else is called.
    let error = unsafe { GetLastError() };
    // SAFETY: the call above made it, and it is freed once; the handle is nobody else's.
    let handle = unsafe {
        LocalFree(descriptor);
        (!handle.is_null()).then(|| OwnedHandle::from_raw_handle(handle))
    };
    match handle {
        Some(handle) if error != ERROR_ALREADY_EXISTS => Ok(handle),
        _ => Err(io::Error::from_raw_os_error(error.cast_signed())),
    }
}

/// Opens something; `None`: there is none.
pub(super) fn opened(open: impl FnOnce() -> RawHandle) -> io::Result<Option<OwnedHandle>> {
    let handle = open();
    if !handle.is_null() {
        // SAFETY: it is open and nobody else's.
        return Ok(Some(unsafe { OwnedHandle::from_raw_handle(handle) }));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_FILE_NOT_FOUND) => Ok(None),
        _ => Err(error),
    }
}

/// The word to a holder that it may go.
#[derive(Debug)]
pub(super) struct Event(OwnedHandle);

const OVER: &str = "over";

impl Event {
    pub(super) fn create(run: &str) -> io::Result<Self> {
        let name = name(OVER, run);
        // SAFETY: the attributes are whole and the name ends with a NUL.
        made(|attributes| unsafe { CreateEventW(attributes, 1, 0, name.as_ptr()) }).map(Self)
    }

    pub(super) fn open(run: &str) -> io::Result<Option<Self>> {
        let (name, access) = (name(OVER, run), EVENT_MODIFY_STATE | SYNCHRONIZATION_SYNCHRONIZE);
        // SAFETY: the name ends with a NUL.
        Ok(opened(|| unsafe { OpenEventW(access, 0, name.as_ptr()) })?.map(Self))
    }

    pub(super) fn set(&self) -> io::Result<()> {
        // SAFETY: it is open.
        match unsafe { SetEvent(self.0.as_raw_handle()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        // SAFETY: it is open.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), 0) == WAIT_OBJECT_0 }
    }
}
