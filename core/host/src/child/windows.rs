//! Windows: a job that ends its processes when its last handle is closed, so with us, and lets them have so much memory.
#![expect(unsafe_code, reason = "the system's calls")]

use crate::Leave;
use std::{
    convert::Infallible,
    fs::File,
    io,
    os::windows::{
        io::{AsHandle, AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle},
        process::CommandExt,
    },
    process::{Child, ChildStdin, Command, ExitStatus},
    ptr,
    time::Duration,
};
use windows_sys::Win32::{
    Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_OBJECT_0},
    System::{
        Console::{STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle},
        JobObjects::{
            AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_JOB_MEMORY,
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
            JobObjectExtendedLimitInformation, SetInformationJobObject, TerminateJobObject,
        },
        Threading::{
            CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetCurrentProcess, TerminateProcess,
            WaitForSingleObject,
        },
    },
};

/// No plugin needs more memory: libraries, lists of files, an answer.
const MEMORY: usize = 1 << 30;

/// What a child has started with it; `None` where we are in a job ourselves that lets nobody out (before Windows 8).
pub(super) struct Group(Option<OwnedHandle>);

impl Group {
    /// Ends all of them.
    pub(super) fn end(&self, child: &mut Child, leash: Option<ChildStdin>) {
        if let Some(job) = &self.0 {
            // SAFETY: the job's handle is open.
            unsafe { TerminateJobObject(job.as_raw_handle(), 1) };
        }
        let _ = child.kill();
        drop(leash);
    }
}

/// The child does nothing of a plugin's before it has its order, which comes when it is in its job.
pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
    let child = command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW).spawn()?;
    let job = job(child.as_raw_handle())
        .inspect_err(|e| log::warn!("process {} is in no job: {e}", child.id()))
        .ok();
    Ok((child, Group(job)))
}

fn job(process: RawHandle) -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name; the handle is nobody else's.
    let job = unsafe {
        let job = CreateJobObjectW(ptr::null(), ptr::null());
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        OwnedHandle::from_raw_handle(job)
    };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_JOB_MEMORY;
    limits.JobMemoryLimit = MEMORY;
    // SAFETY: the structure has the length that is said; both handles are open.
    let done = unsafe {
        let (what, length) = (JobObjectExtendedLimitInformation, size_of_val(&limits) as u32);
        SetInformationJobObject(job.as_raw_handle(), what, (&raw const limits).cast(), length) != 0
            && AssignProcessToJobObject(job.as_raw_handle(), process) != 0
    };
    if done { Ok(job) } else { Err(io::Error::last_os_error()) }
}

/// The same file once more, which whoever is started meanwhile inherits.
pub(super) fn heirloom(held: &File) -> io::Result<File> {
    let copy = held.try_clone()?;
    // SAFETY: the handle is open.
    match unsafe { SetHandleInformation(copy.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(copy),
    }
}

/// What its keeper has to know it by: here nobody closes it.
pub(super) fn number(_heirloom: &File) -> Option<i32> {
    None
}

/// Whether it ends within this time.
pub(super) fn has_ended(child: &mut Child, within: Duration) -> bool {
    let limit = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: the process's handle is open.
    unsafe { WaitForSingleObject(child.as_raw_handle(), limit) == WAIT_OBJECT_0 }
}

/// How a process ended: the system's numbers for faults are known by their hexadecimal digits.
pub(super) fn how(ended: ExitStatus) -> String {
    match ended.code() {
        Some(fault) if fault < 0 => format!("was ended by the fault {:#010x}", fault.cast_unsigned()),
        Some(code) => format!("ended with exit code {code}"),
        None => "ended".to_owned(),
    }
}

/// Where orders come from and replies go to. What is read and printed from now on goes nowhere and to standard error.
pub(super) fn take_channel() -> io::Result<(File, File)> {
    let (input, output) = (io::stdin().as_handle().as_raw_handle(), io::stdout().as_handle().as_raw_handle());
    let orders = io::stdin().as_handle().try_clone_to_owned()?;
    let replies = io::stdout().as_handle().try_clone_to_owned()?;
    let nothing = OwnedHandle::from(File::open("NUL")?).into_raw_handle();
    let prints = io::stderr().as_handle().try_clone_to_owned()?.into_raw_handle();
    // SAFETY: all of them are open, and stay so for the life of this process.
    unsafe {
        for kept in [input, output] {
            SetHandleInformation(kept, HANDLE_FLAG_INHERIT, 0);
        }
        SetStdHandle(STD_INPUT_HANDLE, nothing);
        SetStdHandle(STD_OUTPUT_HANDLE, prints);
    }
    Ok((orders.into(), replies.into()))
}

/// Does `work`, which replies, in this process: the host's job holds what it starts. Ends it without what the plugin has
/// registered for the end of a process.
///
/// # Errors
/// The work's.
pub(super) fn isolate(
    orders: File,
    mut replies: File,
    _keeps: Option<i32>,
    work: impl FnOnce(u32, &mut File) -> io::Result<()>,
) -> io::Result<Infallible> {
    work(0, &mut replies)?;
    drop((orders, replies));
    // SAFETY: ends this process; nothing of it is needed any more.
    unsafe { TerminateProcess(GetCurrentProcess(), 0) };
    Err(io::Error::last_os_error())
}

/// The job holds this process already.
pub(super) fn confine(_keeper: u32, _leave: Leave) -> io::Result<()> {
    Ok(())
}
