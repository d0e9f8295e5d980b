//! Windows: the moment of the boot names it.
#![expect(unsafe_code, reason = "the system's calls")]

use std::{ffi::c_void, io, ptr};
use windows_sys::{
    Wdk::System::SystemInformation::NtQuerySystemInformation,
    Win32::{
        Foundation::RtlNtStatusToDosError,
        Security::{
            CheckTokenMembership, CreateWellKnownSid, SECURITY_MAX_SID_SIZE, WinBuiltinAdministratorsSid,
        },
        System::SystemInformation::GetTickCount64,
    },
};

/// `SystemTimeOfDayInformation`.
const TIME_OF_DAY: i32 = 3;

/// What that class answers, up to what is needed.
#[repr(C)]
#[derive(Default)]
struct TimeOfDay {
    boot: i64,
    now: i64,
    zone_bias: i64,
    zone_id: u32,
    reserved: u32,
    /// By how much the clock was set since the boot; the moment of the boot was moved along.
    boot_bias: i64,
    sleep_bias: i64,
}

pub(super) fn boot_id() -> io::Result<String> {
    let mut answer = TimeOfDay::default();
    let buffer: *mut c_void = (&raw mut answer).cast();
    let size = size_of::<TimeOfDay>() as u32;
    // SAFETY: the buffer's size is told; shorter answers leave zeros.
    let status = unsafe { NtQuerySystemInformation(TIME_OF_DAY, buffer, size, ptr::null_mut()) };
    if status < 0 {
        // SAFETY: takes and gives a number.
        return Err(io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) }.cast_signed()));
    }
    Ok(format!("{:016x}", answer.boot.wrapping_sub(answer.boot_bias)))
}

pub(super) fn since_boot() -> io::Result<std::time::Duration> {
    // SAFETY: takes nothing and gives a number.
    Ok(std::time::Duration::from_millis(unsafe { GetTickCount64() }))
}

pub(super) fn effective_uid() -> Option<u32> {
    None
}

/// An administrator whose rights are in force, or the system itself.
pub(super) fn is_root() -> bool {
    let mut sid = [0u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(8)];
    let mut size = size_of_val(&sid) as u32;
    let mut member = 0;
    // SAFETY: the buffer holds any identifier, and its size is told.
    unsafe {
        let sid: *mut c_void = sid.as_mut_ptr().cast();
        CreateWellKnownSid(WinBuiltinAdministratorsSid, ptr::null_mut(), sid, &mut size) != 0
            && CheckTokenMembership(ptr::null_mut(), sid, &mut member) != 0
            && member != 0
    }
}
