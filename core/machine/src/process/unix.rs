//! Linux: processes as `/proc` shows them.

use super::{Asked, Image, Process, Seen};
use crate::interpreter;
use rustix::{
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// What the kernel keeps of a program's name in `comm`.
const COMM: usize = 15;

/// Whether `path` lies below `folder`, both as they really lie.
pub(super) fn within(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder)
}

/// All processes there are.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.filter_map(|entry| Some(entry.ok()?.file_name()));
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// What is known of a process; `None` if it is gone or may not be looked at.
pub(super) fn look(pid: u32) -> Option<Seen> {
    let (folder, started) = living(pid)?;
    let executable = real(&fs::read_link(folder.join("exe")).ok()?);
    let arguments = arguments(&folder);
    let comm = fs::read(folder.join("comm")).unwrap_or_default();
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    let mut images = Vec::new();
    // The folder is asked last: most processes run no script.
    for script in scripts(&executable, &arguments, comm) {
        if let Ok(work) = fs::read_link(folder.join("cwd")) {
            let places = places(&real(&work).join(script));
            images.extend(places.into_iter().map(|path| Image { path, started_as: None }));
        }
    }
    let started_as =
        arguments.first().and_then(|a| Some(Path::new(a).file_name()?.to_string_lossy().into_owned()));
    images.push(Image { path: executable, started_as });
    Some(Seen { started, images })
}

/// When a living process started; `None` if there is none.
pub(crate) fn started(pid: u32) -> Option<u64> {
    living(pid).map(|(_, started)| started)
}

/// Takes hold of this very process; `None` if it is gone.
pub(super) fn hold(process: &Process) -> io::Result<Option<OwnedFd>> {
    let pid = Pid::from_raw(process.pid.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Looked at after the handle was taken: from here on the number may change hands, the handle cannot.
    Ok((started(process.pid) == Some(process.started)).then_some(handle))
}

/// Asks it to end.
pub(super) fn ask(handle: &OwnedFd) -> io::Result<Asked> {
    send(handle, Signal::TERM).map(|()| Asked::Heard)
}

/// Ends it.
pub(super) fn kill(handle: &OwnedFd) -> io::Result<()> {
    send(handle, Signal::KILL)
}

fn send(handle: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(handle, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The `/proc` folder that tells about a process, and when it started. Where the first thread has ended and others go
/// on, the kernel shows a zombie, and another thread's folder tells.
fn living(pid: u32) -> Option<(PathBuf, u64)> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let (alive, started) = stat(&folder)?;
    if alive {
        return Some((folder, started));
    }
    let threads = fs::read_dir(folder.join("task")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut living = threads.filter(|thread| stat(thread).is_some_and(|(alive, _)| alive));
    living.next().map(|thread| (thread, started))
}

/// Whether it lives, and when it started: the 1st and the 20th field behind the name, which may itself hold anything.
fn stat(folder: &Path) -> Option<(bool, u64)> {
    let text = fs::read(folder.join("stat")).ok()?;
    let name_end = text.iter().rposition(|b| *b == b')')?;
    let mut fields = text.get(name_end + 1..)?.split(|b| *b == b' ').filter(|f| !f.is_empty());
    let state = fields.next()?;
    let started = std::str::from_utf8(fields.nth(18)?).ok()?.trim().parse().ok()?;
    Some((!matches!(state, b"Z" | b"X" | b"x"), started))
}

fn arguments(folder: &Path) -> Vec<OsString> {
    let bytes = fs::read(folder.join("cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    bytes.split(|b| *b == 0).map(|a| OsString::from_vec(a.to_vec())).collect()
}

/// The scripts a process may be running: what its interpreter was told to, and, as any program may stand behind `#!`,
/// the argument that gave the process its name.
fn scripts<'a>(executable: &Path, arguments: &'a [OsString], comm: &[u8]) -> Vec<&'a OsStr> {
    let rest = arguments.get(1..).unwrap_or_default();
    // One program may be many interpreters (busybox); then its first argument says which.
    let told = executable.file_name().and_then(|name| interpreter::script_run_by(name, arguments));
    let told = told.or_else(|| interpreter::script_run_by(arguments.first()?, arguments));
    let named = rest.iter().map(OsString::as_os_str).find(|argument| {
        let name = Path::new(argument).file_name().unwrap_or_default().as_bytes();
        !name.is_empty() && &name[..name.len().min(COMM)] == comm
    });
    let mut scripts: Vec<_> = told.into_iter().chain(named).collect();
    scripts.dedup();
    scripts
}

/// Without what the kernel puts behind the name of a file that is gone.
fn real(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes)))
}

/// Where a script lies by its own name, in the folder as it really lies, and where it leads to as a link.
fn places(script: &Path) -> Vec<PathBuf> {
    let own = script
        .parent()
        .zip(script.file_name())
        .map(|(folder, name)| folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name));
    let mut places: Vec<_> = own.into_iter().chain(script.canonicalize()).collect();
    places.dedup();
    places
}
