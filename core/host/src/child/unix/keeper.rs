//! The keeper: the plugin's process is its child, and whatever that starts and leaves behind becomes its child too. It runs
//! no plugin code and does nothing but wait, so nothing that is left behind outlives a question.
#![expect(unsafe_code, reason = "a process is split in two, and ended without its exit handlers")]

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpid,
        kill_process, kill_process_group, pidfd_open, setpgid, setrlimit, wait, waitid, waitpid,
    },
};
use std::{
    convert::Infallible,
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How often it is looked where the system cannot wake us (before Linux 5.3): 5 ms.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Does `work`, which replies, in a child of this process; this process keeps it. Neither returns: the child ends when its
/// work is done, this process as the child ended, once nothing is left of it. `parent`, as the work is given it, is this
/// process. `keeps`: a file that is open from the start and stays so until nothing is left.
///
/// # Errors
/// There is no child.
pub(in crate::child) fn isolate(
    orders: File,
    mut replies: File,
    keeps: Option<i32>,
    work: impl FnOnce(u32, &mut File) -> io::Result<()>,
) -> io::Result<Infallible> {
    alone()?;
    close_others(&[&orders, &replies], keeps)?;
    // As the child ends, so does this process, and neither leaves an image of its memory.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let keeper = getpid();
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(keeper))?;
    // SAFETY: this process has one thread, so that the child finds no lock that is held by another.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(orders);
            let keeper = keeper.as_raw_nonzero().get().cast_unsigned();
            let grouped = setpgid(None, None).map_err(io::Error::from);
            let done = grouped.and_then(|()| {
                let worked = catch_unwind(AssertUnwindSafe(|| work(keeper, &mut replies)));
                worked.unwrap_or_else(|_| Err(io::Error::other("a panic")))
            });
            // What the plugin has registered for the end of a process is not run.
            exit(i32::from(done.is_err()))
        }
        child => {
            // Only the child writes there: when it is gone, that has an end.
            drop(replies);
            let child = Pid::from_raw(child).ok_or(io::ErrorKind::InvalidData)?;
            end_as(keep(&orders, child))
        }
    }
}

/// Waits until the host wants no more, is gone, or the child has ended. Ends all that is left. Says how the child ended.
fn keep(orders: &File, child: Pid) -> Option<WaitStatus> {
    let wakes = pidfd_open(child, PidfdFlags::empty()).ok();
    loop {
        let mut fds = vec![PollFd::new(orders, PollFlags::IN)];
        fds.extend(wakes.iter().map(|wakes| PollFd::new(wakes, PollFlags::IN)));
        let woken = poll(&mut fds, wakes.is_none().then_some(&LOOK));
        let host_is_done = woken.is_ok_and(|n| n > 0) && !fds[0].revents().is_empty();
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if host_is_done || !matches!(waitid(WaitId::Pid(child), look), Ok(None)) {
            break;
        }
    }
    // Not reaped yet: its number, and its group's, are its own. The group at once: whoever multiplies is faster than one by
    // one.
    let _ = kill_process_group(child, Signal::KILL);
    let _ = kill_process(child, Signal::KILL);
    let ended = retry(|| waitpid(Some(child), WaitOptions::empty())).ok().flatten();
    while !matches!(retry(|| wait(WaitOptions::NOHANG)), Err(rustix::io::Errno::CHILD)) {
        // They are our children now, or become it when their parent is ended here.
        for orphan in children() {
            let _ = kill_process(orphan, Signal::KILL);
        }
        let _ = retry(|| wait(WaitOptions::empty()));
    }
    ended.map(|(_, status)| status)
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Processes whose parent is this one.
fn children() -> Vec<Pid> {
    let us = getpid().as_raw_nonzero().get().to_string();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = |entry: &fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the name, which may hold anything: the state and the parent.
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(us.as_str())
    };
    all.filter(ours).filter_map(|e| Pid::from_raw(e.file_name().to_str()?.parse().ok()?)).collect()
}

/// Ends this process as the child ended: the host reads it from this one.
fn end_as(status: Option<WaitStatus>) -> ! {
    if let Some(signal) = status.and_then(|s| s.terminating_signal()) {
        // SAFETY: the default is put back, so that the signal ends this process.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    exit(status.and_then(|s| s.exit_status()).unwrap_or(1))
}

fn exit(code: i32) -> ! {
    // SAFETY: ends this process; nothing of it is needed any more.
    unsafe { libc::_exit(code) }
}

/// Other threads would not be in the child, and their locks would.
fn alone() -> io::Result<()> {
    match fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(2..) => Err(io::Error::other("its process has more than one thread")),
        _ => Ok(()),
    }
}

/// Closes what whoever started backout has left open: a plugin has no business with it.
fn close_others(ours: &[&File], keeps: Option<i32>) -> io::Result<()> {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return Ok(()) };
    let open: Vec<i32> = open.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    let kept = |fd: i32| keeps == Some(fd) || ours.iter().any(|f| f.as_raw_fd() == fd);
    for fd in open.into_iter().filter(|fd| *fd > 2 && !kept(*fd)) {
        // SAFETY: nobody in this process uses it: it has only begun, and the two that it opened are kept.
        unsafe { libc::close(fd) };
    }
    Ok(())
}
