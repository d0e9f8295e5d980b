//! Windows: a job holds an installer's processes together. Whatever they start is in it too, and none may leave it.
//!
//! Its name is the run's, so whoever knows the run can ask who is in it. A name goes with the last handle of its job, even
//! while processes are in it: so the guard, its holder and the installer's first process have one each, and whoever has
//! looked keeps one. Where all of them are gone, what carries the mark in its environment is found all the same.
//!
//! Not in the job: what other processes start on the installer's behalf, as the service manager, Windows Installer's
//! service, the task scheduler, WMI and servers of COM do.
#![expect(unsafe_code, reason = "the system's calls")]

mod job;
mod mark;
mod named;

use super::{Member, Reaped, Start};
use crate::process::{self, Process, Watched};
use job::Job;
use named::Event;
use std::{
    io,
    os::windows::{
        io::{AsRawHandle, RawHandle},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command},
};
use windows_sys::Win32::{
    Foundation::{ERROR_ACCESS_DENIED, NTSTATUS, RtlNtStatusToDosError},
    System::Threading::{
        CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED,
    },
};

#[link(name = "ntdll")]
unsafe extern "system" {
    /// Lets every thread of a process go on. In every Windows since XP, and in no header.
    fn NtResumeProcess(process: RawHandle) -> NTSTATUS;
}

/// What the system starts by its path, in the order in which a bare name is completed.
const PROGRAMS: [&str; 4] = ["com", "exe", "bat", "cmd"];
/// What Windows Installer runs, and how it is told to.
const PACKAGES: [(&str, &str); 2] = [("msi", "/i"), ("msp", "/p")];

/// Whether the system would run this file as a program.
pub fn can_run(file: &Path) -> bool {
    has_kind(file, |kind| PROGRAMS.contains(&kind))
}

/// The files that may be meant by a program's path.
pub fn meant(file: &Path) -> Vec<PathBuf> {
    let completed = PROGRAMS.iter().map(|kind| {
        let mut name = file.as_os_str().to_owned();
        name.push(".");
        name.push(kind);
        PathBuf::from(name)
    });
    std::iter::once(file.to_owned()).chain(completed).collect()
}

/// The program that runs a file which is none itself, with its arguments, where that is known.
pub fn run_by(file: &Path) -> Option<String> {
    let (_, how) = PACKAGES.iter().find(|(kind, _)| has_kind(file, |own| own == *kind))?;
    Some(format!("msiexec {how} \"{}\" /qn /norestart", file.display()))
}

fn has_kind(file: &Path, is: impl Fn(&str) -> bool) -> bool {
    file.extension().and_then(|e| e.to_str()).is_some_and(|kind| is(&kind.to_ascii_lowercase()))
}

/// Starts the holder. The job is made first, and kept until this process ends.
pub(super) fn start_holder(start: &Start<'_>) -> io::Result<Child> {
    job::keep(start.run, Job::create(start.run)?);
    start_apart(start)
}

/// With a console of its own, which nobody sees and which no key reaches; outside of whatever job we are in, if that lets
/// anybody out, so that what ends us does not end it.
pub(super) fn start_apart(start: &Start<'_>) -> io::Result<Child> {
    let mut apart = start.plain()?;
    let alone = CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW;
    match apart.creation_flags(alone | CREATE_BREAKAWAY_FROM_JOB).spawn() {
        Err(e) if e.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()) => {
            apart.creation_flags(alone).spawn()
        }
        started => started,
    }
}

/// The job goes with its last process and handle.
pub(super) fn forget(_run: &str) {}

/// No terminal reaches a process that was started apart.
///
/// # Errors
/// None.
pub fn detach() -> io::Result<()> {
    Ok(())
}

/// The holder's hold of its installer.
#[derive(Debug)]
pub struct Lead {
    job: Job,
    over: Event,
    installer: Option<Child>,
}

impl Lead {
    /// Takes hold of the job of `run`.
    ///
    /// # Errors
    /// The system's.
    pub fn of(run: &str) -> io::Result<Self> {
        let job = Job::open(run)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { job, over: Event::create(run)?, installer: None })
    }

    /// Held until it is in its job: what it starts before that would be outside. If we die in between, it has done
    /// nothing, and waits as one of the installer's processes to be ended.
    pub(super) fn spawn(&mut self, installer: &mut Command) -> io::Result<u32> {
        // It inherits this one, and keeps the job's name from going.
        let heirloom = self.job.heirloom()?;
        let mut child = installer.creation_flags(CREATE_SUSPENDED).spawn()?;
        drop(heirloom);
        let begun = self.job.assign(child.as_raw_handle()).and_then(|()| resume(&child));
        if let Err(e) = begun {
            let _ = child.kill().and_then(|()| child.wait().map(drop));
            return Err(e);
        }
        let pid = child.id();
        self.installer = Some(child);
        Ok(pid)
    }

    /// Looks, without waiting, whether the installer's process has ended; then, whether all of the job have.
    ///
    /// # Errors
    /// The system's.
    pub fn reap(&mut self) -> io::Result<Reaped> {
        if let Some(child) = &mut self.installer {
            let Some(status) = child.try_wait()? else { return Ok(Reaped::None) };
            let pid = child.id();
            self.installer = None;
            return Ok(Reaped::Exited(pid, status.code().unwrap_or(1)));
        }
        Ok(if self.job.members()?.is_empty() { Reaped::Childless } else { Reaped::None })
    }

    /// Whether somebody has said that nothing is to be held together any more.
    pub fn is_dissolved(&self) -> bool {
        self.over.is_set()
    }
}

fn resume(child: &Child) -> io::Result<()> {
    // SAFETY: the child's handle is open.
    let status = unsafe { NtResumeProcess(child.as_raw_handle()) };
    if status >= 0 {
        return Ok(());
    }
    // SAFETY: takes and gives a number.
    Err(io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) }.cast_signed()))
}

pub(super) fn members(run: &str, mark: &str, holder: u32) -> io::Result<Vec<Member>> {
    let pids = match job::kept(run)? {
        Some(job) => job.members()?,
        None => process::pids()?.into_iter().filter(|pid| mark::carries(*pid, mark)).collect(),
    };
    let others = pids.into_iter().filter(|pid| *pid != holder && *pid != std::process::id());
    Ok(others.filter_map(member).collect())
}

/// A service is none of them, as the manager starts it; so nothing tells what is left running for good.
fn member(pid: u32) -> Option<Member> {
    let process = match Watched::open(pid) {
        Some(watched) => watched.process,
        None if Watched::is_nobody(pid) => return None,
        // It may not be looked at, and is there.
        None => Process { pid, started: 0, image: String::new(), path: PathBuf::new() },
    };
    Some(Member { process, detached: false })
}

/// Ends all that are in the job at once; those that are found without it, and those that take their time, are left.
pub(super) fn end(run: &str) -> io::Result<()> {
    match job::kept(run)? {
        Some(job) => job.end(),
        None => Ok(()),
    }
}

pub(super) fn dissolve(run: &str, _mark: &str, _holder: u32) -> io::Result<()> {
    match Event::open(run)? {
        Some(over) => over.set(),
        None => Ok(()),
    }
}
