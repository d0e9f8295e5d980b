//! A service that is a real process, and what starts it, stops it and asks for it. Works on every platform.
//!
//! Its folder holds `lock`, which the running service has locked: the system takes the lock away when the process
//! ends, however it ends, so who holds it runs. `pid` says which process that is, `stop` tells it to end. Each start
//! and stop is a line in [`LOG`] beside the folder, so that services of one product share one log.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The log beside the services' folders: one line `start NAME` or `stop NAME` for each time one was told to.
pub const LOG: &str = "services.log";
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It does not.
    Stopped,
}

impl Status {
    /// The exit code of a status command, as init scripts have it.
    pub fn exit_code(self) -> u8 {
        match self {
            Status::Running => 0,
            Status::Stopped => 3,
        }
    }
}

/// Is the service: holds the files `hold` open, as a server holds its libraries, until it is told to stop or its folder
/// is gone. A signal ends it as well.
///
/// Fails if a file cannot be opened or the service runs already.
pub fn run(folder: &Path, hold: &[PathBuf]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let _held = hold.iter().map(File::open).collect::<io::Result<Vec<_>>>()?;
    let lock = lock_file(folder)?;
    // Whoever asks for the status has the lock for a moment.
    within_limit("the service runs already", || match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })?;
    remove(&folder.join("stop"))?;
    fs::write(folder.join("pid"), format!("{}\n", std::process::id()))?;
    while folder.exists() && !folder.join("stop").exists() {
        std::thread::sleep(PAUSE);
    }
    remove(&folder.join("pid"))
}

/// Starts the service by running `program` (with its arguments), which must end up in [`run`] for the same folder.
/// Returns once it runs; at once if it runs already.
pub fn start(folder: &Path, program: &[OsString]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    note(folder, "start")?;
    if status(folder)? == Status::Running {
        return Ok(());
    }
    // What a killed service left: until the new one has written its own, it does not run.
    remove(&folder.join("pid"))?;
    let (program, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    within_limit("the service did not come up", || match child.try_wait()? {
        Some(ended) => Err(io::Error::other(format!("the service ended at once: {ended}"))),
        None => Ok(status(folder)? == Status::Running),
    })
}

/// Tells the service to stop and returns once it has ended; at once if it does not run.
pub fn stop(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    note(folder, "stop")?;
    within_limit("the service did not stop", || {
        let stopped = !locked(folder)?;
        if !stopped {
            // Told at each look: a service that is just coming up clears away what an earlier one was told.
            fs::write(folder.join("stop"), b"")?;
        }
        Ok(stopped)
    })
}

/// Says whether the service runs.
pub fn status(folder: &Path) -> io::Result<Status> {
    let running = folder.join("pid").exists() && locked(folder)?;
    Ok(if running { Status::Running } else { Status::Stopped })
}

/// The lines of the log in `folder`, oldest first.
pub fn log(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_to_string(folder.join(LOG)) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn lock_file(folder: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(folder.join("lock"))
}

/// Whether a service holds the lock. Those who only ask share it, and so never take each other for a service.
fn locked(folder: &Path) -> io::Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    match lock_file(folder)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn within_limit(failure: &str, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let begun = Instant::now();
    while !done()? {
        if begun.elapsed() > LIMIT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, failure.to_owned()));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn note(folder: &Path, verb: &str) -> io::Result<()> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut log = File::options().append(true).create(true).open(parent.join(LOG))?;
    // One write, so that lines of services told at the same time do not mix.
    log.write_all(format!("{verb} {}\n", name.to_string_lossy()).as_bytes())
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
