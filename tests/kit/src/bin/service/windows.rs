//! The service's end of the manager's calls.
#![expect(unsafe_code, reason = "the system's calls")]
#![expect(clippy::disallowed_methods, reason = "what it is to do once lies in a file that it takes away")]

use std::{
    env, fs,
    os::windows::ffi::OsStrExt,
    path::PathBuf,
    process::ExitCode,
    ptr,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
    time::Duration,
};
use windows_sys::Win32::System::{
    LibraryLoader::LoadLibraryW,
    Services::{
        RegisterServiceCtrlHandlerExW, SERVICE_ACCEPT_STOP, SERVICE_CONTROL_STOP, SERVICE_RUNNING,
        SERVICE_START_PENDING, SERVICE_STATUS, SERVICE_STOP_PENDING, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW,
        SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
    },
};

const ACCESS_DENIED: u32 = 5;
const NO_SUCH_MODULE: u32 = 126;

static HOW: Mutex<String> = Mutex::new(String::new());
static HANDLE: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(ptr::null_mut());
static TOLD: AtomicBool = AtomicBool::new(false);
static LIBRARIES: OnceLock<Vec<PathBuf>> = OnceLock::new();

pub(crate) fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let Some(file) = arguments.next() else { return ExitCode::FAILURE };
    let how = fs::read_to_string(&file).unwrap_or_default();
    if how == "fails-once" {
        let _ = fs::remove_file(&file);
    }
    set_how(how);
    let _ = LIBRARIES.set(arguments.collect());
    let name = [0u16];
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: name.as_ptr().cast_mut(), lpServiceProc: Some(serve) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry and lives until the call returns.
    unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
    while how_is("lingers") {
        std::thread::park();
    }
    ExitCode::SUCCESS
}

fn set_how(how: String) {
    if let Ok(mut is) = HOW.lock() {
        *is = how;
    }
}

fn how_is(how: &str) -> bool {
    HOW.lock().is_ok_and(|is| is.as_str() == how)
}

fn say(state: u32, exit: u32, hint: u32) {
    let accepts = state == SERVICE_RUNNING && !how_is("refuses");
    let status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: state,
        dwControlsAccepted: if accepts { SERVICE_ACCEPT_STOP } else { 0 },
        dwWin32ExitCode: exit,
        dwServiceSpecificExitCode: 0,
        dwCheckPoint: hint.min(1),
        dwWaitHint: hint,
    };
    // SAFETY: the handle is the manager's own.
    unsafe { SetServiceStatus(HANDLE.load(Ordering::SeqCst), &status) };
}

/// Whether every library is loaded. They stay so until the process ends.
fn load() -> bool {
    LIBRARIES.get().into_iter().flatten().all(|library| {
        let name: Vec<u16> = library.as_os_str().encode_wide().chain([0]).collect();
        // SAFETY: the name ends with a NUL. The tests' libraries hold no code.
        !unsafe { LoadLibraryW(name.as_ptr()) }.is_null()
    })
}

unsafe extern "system" fn serve(_: u32, _: *mut *mut u16) {
    let name = [0u16];
    // SAFETY: the name of the only service of a process is not looked at.
    let handle = unsafe { RegisterServiceCtrlHandlerExW(name.as_ptr(), Some(told), ptr::null()) };
    HANDLE.store(handle, Ordering::SeqCst);
    say(SERVICE_START_PENDING, 0, 5000);
    if how_is("fails") || how_is("fails-once") {
        return say(SERVICE_STOPPED, ACCESS_DENIED, 0);
    }
    if !load() {
        return say(SERVICE_STOPPED, NO_SUCH_MODULE, 0);
    }
    say(SERVICE_RUNNING, 0, 0);
    while !TOLD.load(Ordering::SeqCst) || how_is("hangs") {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    say(SERVICE_STOPPED, 0, 0);
}

unsafe extern "system" fn told(
    control: u32,
    _: u32,
    _: *mut std::ffi::c_void,
    _: *mut std::ffi::c_void,
) -> u32 {
    if control == SERVICE_CONTROL_STOP {
        // Its hint is over long before a run's patience is.
        say(SERVICE_STOP_PENDING, 0, 500);
        TOLD.store(true, Ordering::SeqCst);
    }
    0
}
