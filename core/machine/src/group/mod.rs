//! The processes of one installer: a holder that outlives whoever started it, everything below it, and everything that
//! carries its mark.
//!
//! On Linux the holder leads a session of its own and is the one that orphans below it come to, and a control group holds them
//! where there is one to be had; on Windows a job does. Both go on without the holder. All of them have its mark in their
//! environment, too, so that they are found where there is no group.

#[cfg_attr(unix, path = "unix/mod.rs")]
#[cfg_attr(windows, path = "windows/mod.rs")]
mod os;

pub use os::{Lead, can_run, detach, meant, run_by};

use crate::{
    patience::{Look, Patience},
    process::{Process, ProcessError},
};
use std::{
    ffi::OsString,
    fs::File,
    io,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The environment's name for the run whose installer a process belongs to.
const MARK: &str = "BACKOUT_GUARD";
/// How long processes that were asked to end may take before they are killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long killed processes are waited for.
const LAST: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A process of an installer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// It.
    pub process: Process,
    /// Whether it has made itself a session of its own, as what is to stay does. Nothing on Windows does.
    pub detached: bool,
}

/// What a child of ours came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// This one ended with a code.
    Exited(u32, i32),
    /// This one was ended by a signal.
    Signalled(u32, i32),
    /// There are children, and none has ended.
    None,
    /// There are none.
    Childless,
}

/// Starts the holder of the group of `run`: `program` with `arguments`, waiting for a word on its input. What it and the
/// installer print goes to `output`.
///
/// # Errors
/// The system's.
pub fn start_holder(program: &Path, arguments: &[OsString], run: &str, output: &File) -> io::Result<Child> {
    let dress = |holder: &mut Command| {
        holder.env(MARK, run);
        holder.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        Ok(())
    };
    os::start_holder(&Start { program, arguments, run, dress: &dress })
}

/// Starts a process that belongs to no installer and to no terminal, on behalf of `run`: `program` with `arguments`, without
/// input and output.
///
/// # Errors
/// The system's.
pub fn start_apart(program: &Path, arguments: &[OsString], run: &str) -> io::Result<Child> {
    let dress = |apart: &mut Command| {
        apart.env_remove(MARK);
        apart.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(())
    };
    os::start_apart(&Start { program, arguments, run, dress: &dress })
}

/// What is to be started on behalf of a run.
struct Start<'a> {
    program: &'a Path,
    arguments: &'a [OsString],
    run: &'a str,
    /// Gives a command its environment, its input and its output, whatever comes to run the program.
    dress: &'a dyn Fn(&mut Command) -> io::Result<()>,
}

impl Start<'_> {
    /// The command that runs the program itself.
    fn plain(&self) -> io::Result<Command> {
        let mut command = Command::new(self.program);
        (self.dress)(command.args(self.arguments))?;
        Ok(command)
    }
}

impl Lead {
    /// Starts the installer, below the holder that calls this, with its output and its folder and no input. Gives its number.
    ///
    /// # Errors
    /// The system's: nothing of it runs.
    pub fn start_installer(&mut self, argv: &[OsString]) -> io::Result<u32> {
        let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut wait = Patience::firm(LAST).begin(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let mut installer = Command::new(program);
            installer.args(arguments).stdin(Stdio::null());
            match self.spawn(&mut installer) {
                // Somebody, perhaps a child just forked, still has the program open for writing.
                Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && wait.pause() == Look::Again => {}
                started => return started,
            }
        }
    }
}

/// The processes of the installer of `run` that live, without the holder, whose number was `holder`.
///
/// # Errors
/// [`ProcessError::List`].
pub fn members(run: &str, holder: u32) -> Result<Vec<Member>, ProcessError> {
    os::members(run, &format!("{MARK}={run}"), holder).map_err(ProcessError::List)
}

/// Tells the holder of the group of `run` that nothing is to be held together any more: it goes, and what still lives below
/// it goes on. One that is gone is left alone.
pub fn dissolve(run: &str, holder: u32) {
    if let Err(e) = os::dissolve(run, &format!("{MARK}={run}"), holder) {
        log::debug!("process {holder} cannot be told to go: {e}");
    }
}

/// Lets go of what the system keeps for the group of `run`, once nothing is in it any more.
pub fn forget(run: &str) {
    os::forget(run);
}

/// Ends every process of the installer of `run`, and those that come to it meanwhile: asks all, kills what is left 5 s later,
/// or at once what cannot be asked, and waits until they are gone.
///
/// # Errors
/// [`ProcessError::Stuck`]: one of them was killed and is still there; [`ProcessError::List`], [`ProcessError::End`].
pub fn end(run: &str, holder: u32) -> Result<(), ProcessError> {
    os::end(run).map_err(ProcessError::List)?;
    end_all(|| Ok(members(run, holder)?.into_iter().map(|member| member.process).collect()))
}

fn end_all(list: impl Fn() -> Result<Vec<Process>, ProcessError>) -> Result<(), ProcessError> {
    let mut asked: Vec<Process> = Vec::new();
    let mut grace = Patience::firm(GRACE).begin(FIRST_PAUSE, LONGEST_PAUSE);
    let mut last = Patience::firm(GRACE + LAST).begin(FIRST_PAUSE, LONGEST_PAUSE);
    let mut kill = false;
    loop {
        let left = list()?;
        let Some(first) = left.first() else { return Ok(()) };
        let mut deaf = false;
        for process in &left {
            if kill || !asked.contains(process) {
                deaf |= !crate::process::signal(process, kill)?;
                asked.push(process.clone());
            }
        }
        kill = kill || deaf || grace.pause() != Look::Again;
        if kill && last.pause() != Look::Again {
            return Err(ProcessError::Stuck { pid: first.pid, image: first.image.clone() });
        }
    }
}
