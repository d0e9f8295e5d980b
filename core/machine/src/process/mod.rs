//! Processes that hold a product's files: which of them run, waiting until they are gone, ending them.
//!
//! A process is told by its number and the moment it started, so that a number given to another process meanwhile is
//! never mistaken for it.

mod image;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

#[cfg(windows)]
pub(crate) use os::Watched;
pub(crate) use os::pids;
#[cfg(unix)]
pub(crate) use os::started;

use crate::patience::{Look, Patience};
use image::Wanted;
use std::{io, path::PathBuf, time::Duration};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How long a process that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long a killed process is waited for at least.
const LAST: Duration = Duration::from_secs(2);

/// A process that runs one of the wanted images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, by the system's own count: told apart, never calculated with.
    pub started: u64,
    /// The base name of its program or script, as the process has it.
    pub image: String,
    /// Where the program or script lies, or lay.
    pub path: PathBuf,
}

/// Processes that could not be listed, ended or waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The system does not say which processes run.
    #[error("the running processes cannot be listed")]
    List(#[source] io::Error),
    /// The system does not let us end it.
    #[error("the process {pid} (`{image}`) cannot be ended")]
    End {
        /// Its number.
        pid: u32,
        /// Its program.
        image: String,
        /// Why.
        source: io::Error,
    },
    /// It was killed and is still there.
    #[error("the process {pid} (`{image}`) was killed and is still there, it hangs inside the system")]
    Stuck {
        /// Its number.
        pid: u32,
        /// Its program.
        image: String,
    },
    /// The wait was called off.
    #[error("called off while waiting for processes to be gone")]
    Cancelled,
}

/// Lists the processes of `images` (base names, compared without regard to case) that run from below the folders
/// `under`, by number. A script counts by its own name, not its interpreter's. Our own process does not count, nor do
/// those that have ended and only wait for their parent to ask, nor those of other users that we may not look at.
pub fn running(images: &[String], under: &[PathBuf]) -> Result<Vec<Process>, ProcessError> {
    list(&Wanted::new(images, under))
}

/// [`running`], whatever their images are called.
pub fn below(under: &[PathBuf]) -> Result<Vec<Process>, ProcessError> {
    list(&Wanted::any(under))
}

fn list(wanted: &Wanted) -> Result<Vec<Process>, ProcessError> {
    let mut found = Vec::new();
    for pid in os::pids().map_err(ProcessError::List)? {
        if pid != std::process::id()
            && let Some(seen) = os::look(pid)
            && let Some((image, path)) = wanted.find(&seen.images)
        {
            found.push(Process { pid, started: seen.started, image, path });
        }
    }
    found.sort_by_key(|p| p.pid);
    Ok(found)
}

/// Waits until no process of `images` runs from below `under`; at the limit returns those still there.
pub fn wait_gone(
    images: &[String],
    under: &[PathBuf],
    patience: &Patience<'_>,
) -> Result<Vec<Process>, ProcessError> {
    let mut wait = patience.begin(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let left = running(images, under)?;
        if left.is_empty() {
            return Ok(left);
        }
        match wait.pause() {
            Look::Again => {}
            Look::TimeUp => return Ok(left),
            Look::Cancelled => return Err(ProcessError::Cancelled),
        }
    }
}

/// Ends a process: asks it, kills it 5 s later or at the limit, and waits until it is gone. One that is gone already,
/// or whose number is another process's by now, is ended.
pub fn end(process: &Process, patience: &Patience<'_>) -> Result<(), ProcessError> {
    let failed = |source| ProcessError::End { pid: process.pid, image: process.image.clone(), source };
    let Some(handle) = os::hold(process).map_err(failed)? else { return Ok(()) };
    let wait = patience.begin(FIRST_PAUSE, LONGEST_PAUSE);
    log::info!("ending process {} ({})", process.pid, process.image);
    let grace = match os::ask(&handle).map_err(failed)? {
        Asked::Heard => GRACE.min(patience.limit),
        Asked::Deaf => Duration::ZERO,
    };
    if gone(process, Patience { limit: grace, ..*patience })? {
        return Ok(());
    }
    log::info!("killing process {} ({})", process.pid, process.image);
    os::kill(&handle).map_err(failed)?;
    if gone(process, wait.rest(LAST))? {
        return Ok(());
    }
    Err(ProcessError::Stuck { pid: process.pid, image: process.image.clone() })
}

/// Asks this very process to end, or kills it; one that is gone is left alone. Says whether it could be told so.
pub(crate) fn signal(process: &Process, kill: bool) -> Result<bool, ProcessError> {
    let failed = |source| ProcessError::End { pid: process.pid, image: process.image.clone(), source };
    let Some(handle) = os::hold(process).map_err(failed)? else { return Ok(true) };
    if kill {
        return os::kill(&handle).map(|()| true).map_err(failed);
    }
    os::ask(&handle).map(|asked| !matches!(asked, Asked::Deaf)).map_err(failed)
}

/// Whether this very process is still there.
pub fn is_there(process: &Process) -> bool {
    os::started(process.pid) == Some(process.started)
}

/// The base name of what a process runs; `None`: it is gone, or may not be looked at.
pub(crate) fn image_of(pid: u32) -> Option<String> {
    let image = os::look(pid)?.images.into_iter().next()?;
    Some(image.path.file_name()?.to_string_lossy().into_owned())
}

/// Whether a process can be asked to end.
enum Asked {
    /// It was.
    #[cfg_attr(windows, expect(dead_code, reason = "nobody hears it there"))]
    Heard,
    /// There is no way to.
    #[cfg_attr(unix, expect(dead_code, reason = "everybody hears it there"))]
    Deaf,
}

/// Whether this very process is gone before the limit.
fn gone(process: &Process, patience: Patience<'_>) -> Result<bool, ProcessError> {
    let mut wait = patience.begin(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        if !is_there(process) {
            return Ok(true);
        }
        match wait.pause() {
            Look::Again => {}
            Look::TimeUp => return Ok(false),
            Look::Cancelled => return Err(ProcessError::Cancelled),
        }
    }
}

/// What the system says of a living process.
struct Seen {
    started: u64,
    /// What it runs: its executable, and its script if it is an interpreter.
    images: Vec<Image>,
}

/// One thing a process runs.
struct Image {
    path: PathBuf,
    /// The base name it was started by, where that may differ from the path's.
    started_as: Option<String>,
}
