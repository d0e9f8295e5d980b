//! Windows: its service has a mutex as long as it changes anything. The mutex is there before and after too; so it is asked
//! whether somebody has it, without taking it: an installation that begins at this moment is not to find it taken.
#![expect(unsafe_code, reason = "the system's calls")]

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use windows_sys::Win32::{
    Foundation::NTSTATUS,
    System::Threading::{MUTEX_MODIFY_STATE, OpenMutexW},
};

#[link(name = "ntdll")]
unsafe extern "system" {
    /// Says of a mutex what state it is in. In every Windows since NT, and in no header.
    fn NtQueryMutant(
        mutex: RawHandle,
        class: i32,
        state: *mut State,
        length: u32,
        written: *mut u32,
    ) -> NTSTATUS;
}

/// `MutantBasicInformation`.
const BASIC: i32 = 0;

#[repr(C)]
#[derive(Default)]
struct State {
    /// 1 where nobody has it.
    count: i32,
    ours: u8,
    abandoned: u8,
}

const NAME: &str = r"Global\_MSIExecute";

pub(super) fn is_at_work() -> bool {
    let name: Vec<u16> = NAME.encode_utf16().chain([0]).collect();
    // The right to ask, which has no name of its own in Win32.
    let access = MUTEX_MODIFY_STATE;
    // SAFETY: the name ends with a NUL; the handle is nobody else's.
    let mutex = unsafe {
        let handle = OpenMutexW(access, 0, name.as_ptr());
        if handle.is_null() {
            return false;
        }
        OwnedHandle::from_raw_handle(handle)
    };
    let mut state = State::default();
    // SAFETY: the mutex is open; the structure has the length that is told.
    let told = unsafe {
        let length = size_of::<State>() as u32;
        NtQueryMutant(mutex.as_raw_handle(), BASIC, &mut state, length, std::ptr::null_mut())
    };
    told < 0 || state.count < 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{ptr, sync::mpsc::channel, thread};
    use windows_sys::Win32::System::Threading::{CreateMutexW, ReleaseMutex};

    #[test]
    fn the_mutex_tells_while_somebody_has_it_and_not_while_it_is_only_there() {
        assert!(!is_at_work(), "nothing is installed here");
        let (told, tell) = (channel(), channel());
        let other = thread::spawn(move || {
            let name: Vec<u16> = NAME.encode_utf16().chain([0]).collect();
            // SAFETY: the name ends with a NUL; it is released by the thread that has it, and closed.
            unsafe {
                let mutex = CreateMutexW(ptr::null(), 1, name.as_ptr());
                told.0.send(()).unwrap();
                tell.1.recv().unwrap();
                ReleaseMutex(mutex);
                told.0.send(()).unwrap();
                tell.1.recv().unwrap();
                drop(OwnedHandle::from_raw_handle(mutex));
            }
        });
        for is in [true, false] {
            told.1.recv().unwrap();
            assert_eq!(is_at_work(), is);
            assert_eq!(is_at_work(), is, "asking does not take it");
            tell.0.send(()).unwrap();
        }
        other.join().unwrap();
        assert!(!is_at_work());
    }
}
