//! The service's end of the manager's calls.
//!
//! It takes no orders: a recovery is not called off half-way. At a shutdown the system ends its process, and the next
//! boot recovers again.
#![expect(unsafe_code, reason = "the system's calls")]

use super::{SERVICE, failed};
use crate::startup::{Recovery, StartupError};
use std::{
    ffi::c_void,
    io, ptr,
    sync::{
        Mutex, OnceLock, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};
use windows_sys::Win32::{
    Foundation::{ERROR_CALL_NOT_IMPLEMENTED, ERROR_SERVICE_SPECIFIC_ERROR, NO_ERROR},
    System::Services::{
        RegisterServiceCtrlHandlerExW, SERVICE_CONTROL_INTERROGATE, SERVICE_RUNNING, SERVICE_START_PENDING,
        SERVICE_STATUS, SERVICE_STATUS_HANDLE, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW,
        SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
    },
};

/// How often a recovery that goes on says so, and how long the manager is told to wait for the next word.
const WORD: Duration = Duration::from_secs(2);
const HINT: u32 = 60_000;

/// What the manager's thread carries out.
static RECOVERY: OnceLock<Box<dyn Recovery>> = OnceLock::new();
/// Why the service could not speak to the manager.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Is the service until the recovery is over. The manager has started this process.
///
/// # Errors
/// [`StartupError`]: it has not, or does not answer. The recovery's own failure is what the service ends with.
pub fn serve(recovery: Box<dyn Recovery>) -> Result<(), StartupError> {
    let _ = RECOVERY.set(recovery);
    let name: Vec<u16> = SERVICE.encode_utf16().chain([0]).collect();
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: name.as_ptr().cast_mut(), lpServiceProc: Some(main) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry; it and the name live until the call returns, which is when the
    // service has ended.
    let served = unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
    let error = match served {
        0 => Some(io::Error::last_os_error()),
        _ => FAILED.lock().unwrap_or_else(PoisonError::into_inner).take(),
    };
    error.map_or(Ok(()), |e| Err(failed("start", &e)))
}

/// The manager's handle of this service. It may be used from every thread, and is never closed.
#[derive(Clone, Copy)]
struct Told(SERVICE_STATUS_HANDLE);

// SAFETY: the manager takes words from every thread.
unsafe impl Send for Told {}

impl Told {
    fn say(self, state: u32, code: u8, checkpoint: u32) {
        let exit = if code == 0 { NO_ERROR } else { ERROR_SERVICE_SPECIFIC_ERROR };
        let status = SERVICE_STATUS {
            dwServiceType: SERVICE_WIN32_OWN_PROCESS,
            dwCurrentState: state,
            dwControlsAccepted: 0,
            dwWin32ExitCode: exit,
            dwServiceSpecificExitCode: code.into(),
            dwCheckPoint: checkpoint,
            dwWaitHint: if checkpoint == 0 { 0 } else { HINT },
        };
        // SAFETY: the manager's own handle.
        if unsafe { SetServiceStatus(self.0, &status) } == 0 {
            *FAILED.lock().unwrap_or_else(PoisonError::into_inner) = Some(io::Error::last_os_error());
        }
    }

    /// Carries something out and says all the while that it goes on: how long a recovery takes nobody knows.
    fn starting<T>(self, work: impl FnOnce() -> T) -> T {
        self.say(SERVICE_START_PENDING, 0, 1);
        let (over, ended) = mpsc::channel::<()>();
        let words = std::thread::spawn(move || {
            let told = self;
            let mut checkpoint = 1;
            while ended.recv_timeout(WORD) == Err(RecvTimeoutError::Timeout) {
                checkpoint += 1;
                told.say(SERVICE_START_PENDING, 0, checkpoint);
            }
        });
        let done = work();
        drop(over);
        // No word may come behind the next state.
        let _ = words.join();
        done
    }
}

unsafe extern "system" fn main(_: u32, _: *mut *mut u16) {
    let name: Vec<u16> = SERVICE.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a NUL; the handler needs no context.
    let handle = unsafe { RegisterServiceCtrlHandlerExW(name.as_ptr(), Some(asked), ptr::null()) };
    if handle.is_null() {
        *FAILED.lock().unwrap_or_else(PoisonError::into_inner) = Some(io::Error::last_os_error());
        return;
    }
    let told = Told(handle);
    let Some(recovery) = RECOVERY.get() else { return told.say(SERVICE_STOPPED, 70, 0) };
    // Ending with an error keeps what depends on it from starting.
    if let Err(code) = told.starting(|| recovery.files()) {
        return told.say(SERVICE_STOPPED, code, 0);
    }
    told.say(SERVICE_RUNNING, 0, 0);
    told.say(SERVICE_STOPPED, recovery.services().err().unwrap_or(0), 0);
}

unsafe extern "system" fn asked(control: u32, _: u32, _: *mut c_void, _: *mut c_void) -> u32 {
    if control == SERVICE_CONTROL_INTERROGATE { NO_ERROR } else { ERROR_CALL_NOT_IMPLEMENTED }
}
