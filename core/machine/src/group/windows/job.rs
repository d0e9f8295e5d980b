//! The job of a run's installer.

use super::named::{made, name, opened};
use std::{
    io,
    os::windows::io::{AsRawHandle, OwnedHandle, RawHandle},
    ptr,
    sync::{Arc, Mutex, PoisonError},
};
use windows_sys::Win32::{
    Foundation::{ERROR_MORE_DATA, HANDLE_FLAG_INHERIT, SetHandleInformation},
    System::JobObjects::{
        AssignProcessToJobObject, CreateJobObjectW, JOBOBJECT_BASIC_PROCESS_ID_LIST,
        JobObjectBasicProcessIdList, OpenJobObjectW, QueryInformationJobObject, TerminateJobObject,
    },
};

const JOB: &str = "guard";
/// `JOB_OBJECT_ASSIGN_PROCESS`, `_QUERY`, `_TERMINATE`.
const ACCESS: u32 = 0x1 | 0x4 | 0x8;
/// How many processes are asked for at first, and by how many more.
const SOME: usize = 64;
/// The list begins with two numbers of 32 bits.
const HEAD: usize = 8 / size_of::<usize>();

/// It ends nobody when its handles are closed: the installer goes on.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    pub(super) fn create(run: &str) -> io::Result<Self> {
        let name = name(JOB, run);
        // SAFETY: the attributes are whole and the name ends with a NUL.
        made(|attributes| unsafe { CreateJobObjectW(attributes, name.as_ptr()) }).map(Self)
    }

    pub(super) fn open(run: &str) -> io::Result<Option<Self>> {
        let name = name(JOB, run);
        // SAFETY: the name ends with a NUL.
        Ok(opened(|| unsafe { OpenJobObjectW(ACCESS, 0, name.as_ptr()) })?.map(Self))
    }

    /// A handle that whoever is started meanwhile inherits.
    pub(super) fn heirloom(&self) -> io::Result<OwnedHandle> {
        let copy = self.0.try_clone()?;
        // SAFETY: the handle is open.
        match unsafe { SetHandleInformation(copy.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) }
        {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(copy),
        }
    }

    pub(super) fn assign(&self, process: RawHandle) -> io::Result<()> {
        // SAFETY: both handles are open.
        match unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// The numbers of the processes in it.
    pub(super) fn members(&self) -> io::Result<Vec<u32>> {
        let mut list = vec![0usize; HEAD + SOME];
        loop {
            let size = size_of_val(&list[..]) as u32;
            // SAFETY: the list's length is told, and it lies as the structure asks for.
            let told = unsafe {
                let (job, into) = (self.0.as_raw_handle(), list.as_mut_ptr().cast());
                QueryInformationJobObject(job, JobObjectBasicProcessIdList, into, size, ptr::null_mut())
            };
            let error = io::Error::last_os_error();
            if told == 0 && error.raw_os_error() != Some(ERROR_MORE_DATA.cast_signed()) {
                return Err(error);
            }
            // SAFETY: two numbers of 32 bits, which any bits are, at the beginning of a longer list.
            let [all, listed] = unsafe { list.as_ptr().cast::<[u32; 2]>().read() };
            if told != 0 && listed >= all {
                return Ok(list.iter().skip(HEAD).take(listed as usize).map(|pid| *pid as u32).collect());
            }
            list.resize(list.len().max(HEAD + all as usize) + SOME, 0);
        }
    }

    /// Ends all of them.
    pub(super) fn end(&self) -> io::Result<()> {
        // SAFETY: it is open.
        match unsafe { TerminateJobObject(self.0.as_raw_handle(), 1) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

const _: () = assert!(
    std::mem::offset_of!(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList) == HEAD * size_of::<usize>()
);

/// The jobs that this process has looked at: their names stay as long as it does.
static KEPT: Mutex<Vec<(String, Arc<Job>)>> = Mutex::new(Vec::new());

pub(super) fn keep(run: &str, job: Job) -> Arc<Job> {
    let job = Arc::new(job);
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push((run.to_owned(), Arc::clone(&job)));
    job
}

/// The job of `run`; `None`: nobody has it open any more.
pub(super) fn kept(run: &str) -> io::Result<Option<Arc<Job>>> {
    let known = {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(of, _)| of == run).map(|(_, job)| Arc::clone(job))
    };
    match known {
        Some(job) => Ok(Some(job)),
        None => Ok(Job::open(run)?.map(|job| keep(run, job))),
    }
}
