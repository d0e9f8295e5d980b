//! The manager's calls.
#![expect(unsafe_code, reason = "the system's calls")]

use crate::process::Watched;
use backout_protocol::ServiceName;
use std::{io, ptr, time::Duration};
use windows_sys::Win32::{
    Foundation::{ERROR_MORE_DATA, ERROR_SERVICE_DOES_NOT_EXIST},
    System::Services::{
        CloseServiceHandle, ControlService, ENUM_SERVICE_STATUSW, EnumDependentServicesW, GetServiceKeyNameW,
        OpenSCManagerW, OpenServiceW, QueryServiceStatusEx, SC_HANDLE, SC_MANAGER_CONNECT,
        SC_STATUS_PROCESS_INFO, SERVICE_ACTIVE, SERVICE_CONTINUE_PENDING, SERVICE_CONTROL_STOP,
        SERVICE_PAUSE_PENDING, SERVICE_PAUSED, SERVICE_RUNNING, SERVICE_START_PENDING, SERVICE_STATUS,
        SERVICE_STATUS_PROCESS, SERVICE_STOP_PENDING, SERVICE_STOPPED, SERVICE_WIN32_OWN_PROCESS,
        StartServiceW,
    },
};

/// A handle of the manager's.
pub(super) struct Handle(pub(super) SC_HANDLE);

impl Handle {
    pub(super) fn new(handle: SC_HANDLE) -> io::Result<Self> {
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it is open and nobody else's.
        unsafe { CloseServiceHandle(self.0) };
    }
}

pub(super) fn done(answer: i32) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The manager of services.
pub(crate) struct Manager(pub(super) Handle);

impl Manager {
    pub(crate) fn open() -> io::Result<Self> {
        Self::open_for(SC_MANAGER_CONNECT)
    }

    pub(crate) fn open_for(access: u32) -> io::Result<Self> {
        // SAFETY: this machine's manager, its active database.
        Handle::new(unsafe { OpenSCManagerW(ptr::null(), ptr::null(), access) }).map(Self)
    }

    /// Opens a service by its display name; `None`: there is none.
    pub(super) fn service(&self, name: &ServiceName, access: u32) -> io::Result<Option<Service>> {
        let shown = wide(&name.to_string());
        // A key name has at most 256 characters.
        let mut key = [0u16; 260];
        let mut len = key.len() as u32;
        // SAFETY: the name ends with a NUL, the buffer's length is told.
        let found = done(unsafe { GetServiceKeyNameW(self.0.0, shown.as_ptr(), key.as_mut_ptr(), &mut len) });
        existing(found).and_then(|found| match found {
            Some(()) => self.opened(&key, access),
            None => Ok(None),
        })
    }

    /// Opens a service by the name of its key; `None`: there is none.
    pub(crate) fn by_key(&self, key: &str, access: u32) -> io::Result<Option<Service>> {
        self.opened(&wide(key), access)
    }

    fn opened(&self, key: &[u16], access: u32) -> io::Result<Option<Service>> {
        // SAFETY: the key ends with a NUL.
        let opened = Handle::new(unsafe { OpenServiceW(self.0.0, key.as_ptr(), access) });
        let name = key.split(|unit| *unit == 0).next().unwrap_or_default();
        existing(opened.map(|handle| Service { handle, key: String::from_utf16_lossy(name) }))
    }
}

/// What is there: that a service is not is no error.
fn existing<T>(asked: io::Result<T>) -> io::Result<Option<T>> {
    match asked {
        Ok(it) => Ok(Some(it)),
        Err(e) if e.raw_os_error() == Some(ERROR_SERVICE_DOES_NOT_EXIST.cast_signed()) => Ok(None),
        Err(e) => Err(e),
    }
}

/// With the NUL that the manager wants.
pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// An open service.
pub(crate) struct Service {
    pub(super) handle: Handle,
    /// The name of its key.
    pub(super) key: String,
}

impl Service {
    pub(super) fn status(&self) -> io::Result<Status> {
        let mut raw = SERVICE_STATUS_PROCESS::default();
        let (size, mut needed) = (size_of_val(&raw) as u32, 0);
        // SAFETY: the buffer is the structure this class asks for, and its size is told.
        done(unsafe {
            let buffer = (&raw mut raw).cast();
            QueryServiceStatusEx(self.handle.0, SC_STATUS_PROCESS_INFO, buffer, size, &mut needed)
        })?;
        Ok(Status {
            state: raw.dwCurrentState,
            checkpoint: raw.dwCheckPoint,
            hint: Duration::from_millis(raw.dwWaitHint.into()),
            exit: raw.dwWin32ExitCode,
            own_exit: raw.dwServiceSpecificExitCode,
            kind: raw.dwServiceType,
            pid: raw.dwProcessId,
        })
    }

    /// May take as long as the manager waits for the service's answer, 30 s.
    pub(super) fn send_stop(&self) -> io::Result<()> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the structure is written whole or not at all.
        done(unsafe { ControlService(self.handle.0, SERVICE_CONTROL_STOP, &mut status) })
    }

    pub(super) fn send_start(&self) -> io::Result<()> {
        // SAFETY: no arguments.
        done(unsafe { StartServiceW(self.handle.0, 0, ptr::null()) })
    }

    /// Those that run and need this one, by display name. The manager gives them in the order to stop them.
    pub(super) fn active_dependents(&self) -> io::Result<Vec<ServiceName>> {
        let mut buffer = vec![0u64; 512];
        loop {
            let size = size_of_val(&buffer[..]) as u32;
            let (mut needed, mut count) = (0, 0);
            // SAFETY: the buffer's size is told.
            let asked = done(unsafe {
                let list = buffer.as_mut_ptr().cast();
                EnumDependentServicesW(self.handle.0, SERVICE_ACTIVE, list, size, &mut needed, &mut count)
            });
            match asked {
                // SAFETY: on success the buffer begins with `count` structures, whose names lie behind them.
                Ok(()) => return unsafe { names(buffer.as_ptr().cast(), count) },
                Err(e) if e.raw_os_error() == Some(ERROR_MORE_DATA.cast_signed()) && needed > size => {
                    buffer.resize((needed as usize).div_ceil(8), 0);
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// # Safety
/// `list` must point to `count` entries whose display names end with a NUL.
unsafe fn names(list: *const ENUM_SERVICE_STATUSW, count: u32) -> io::Result<Vec<ServiceName>> {
    let text = |at: usize| {
        // SAFETY: the caller's promise.
        unsafe {
            let name = (*list.add(at)).lpDisplayName;
            let len = (0..).take_while(|n| *name.add(*n) != 0).count();
            String::from_utf16_lossy(std::slice::from_raw_parts(name, len))
        }
    };
    (0..count as usize).map(|at| text(at).parse().map_err(io::Error::other)).collect()
}

/// What the manager says of a service.
pub(super) struct Status {
    pub(super) state: u32,
    pub(super) checkpoint: u32,
    /// How long it says it takes to its next move.
    pub(super) hint: Duration,
    pub(super) exit: u32,
    pub(super) own_exit: u32,
    kind: u32,
    /// 0 once it is stopped.
    pid: u32,
}

impl Status {
    /// The process it runs in, as long as there is one.
    pub(super) fn process(&self) -> Option<Watched> {
        if self.pid == 0 { None } else { Watched::open(self.pid) }
    }

    /// Whether the manager calls it alive and its process is dead. A process that may not be looked at is alive.
    pub(super) fn is_dead(&self) -> bool {
        self.state != SERVICE_STOPPED && self.pid != 0 && Watched::is_nobody(self.pid)
    }

    /// Whether the manager is about to start it and has not begun: it waits for what it needs.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == SERVICE_START_PENDING && self.pid == 0
    }

    pub(super) fn own_process(&self) -> bool {
        self.kind & SERVICE_WIN32_OWN_PROCESS != 0
    }

    /// Its state in words.
    pub(super) fn words(&self) -> &'static str {
        match self.state {
            SERVICE_STOPPED => "stopped",
            SERVICE_START_PENDING => "starting",
            SERVICE_STOP_PENDING => "stopping",
            SERVICE_RUNNING => "running",
            SERVICE_CONTINUE_PENDING => "about to continue",
            SERVICE_PAUSE_PENDING => "about to pause",
            SERVICE_PAUSED => "paused",
            _ => "something unknown",
        }
    }
}
