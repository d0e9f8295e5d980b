//! Unix: a keeper and the plugin's own process. The keeper is what the host has started; it holds whatever the plugin
//! starts, and ends it all when the host wants no more or is gone.

mod confine;
mod keeper;
#[cfg(target_os = "linux")]
mod linux;

pub(super) use confine::confine;
pub(super) use keeper::isolate;

use backout_machine::open_files;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::dup,
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid},
    stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout},
};
use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, ChildStdin, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

/// How long a keeper may take to end what it keeps.
const KEEPING: Duration = Duration::from_secs(10);
/// How often it is looked where the system cannot wake us (before Linux 5.3).
const LOOK: Duration = Duration::from_millis(5);

/// The keeper's group.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// Ends all of them. The child, which is the keeper, has not been reaped yet. `leash`: the end of its orders tells it
    /// to end what it keeps; without, it keeps nothing yet.
    pub(super) fn end(&self, child: &mut Child, leash: Option<ChildStdin>) {
        if leash.is_some() {
            drop(leash);
            if has_ended(child, KEEPING) {
                return;
            }
        }
        if let Some(group) = self.0 {
            // It is gone already: then there is nothing to end. The plugin's own process ends with its keeper.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.kill();
    }
}

pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
    // The terminal's keys are for those who can go back.
    let child = open_files::spawn(command.process_group(0))?;
    let group = Pid::from_child(&child);
    Ok((child, Group(Some(group))))
}

/// The same file once more, which whoever is started meanwhile inherits.
pub(super) fn heirloom(held: &File) -> io::Result<File> {
    Ok(dup(held)?.into())
}

/// What its keeper has to know it by, which closes what else it finds open.
pub(super) fn number(heirloom: &File) -> Option<i32> {
    Some(heirloom.as_raw_fd())
}

/// Whether it ends within this time; it is not reaped.
pub(super) fn has_ended(child: &mut Child, within: Duration) -> bool {
    let pid = Pid::from_child(child);
    let until = Instant::now() + within;
    let wakes = pidfd_open(pid, PidfdFlags::empty()).ok();
    loop {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !matches!(waitid(WaitId::Pid(pid), look), Ok(None)) {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        match (&wakes, Timespec::try_from(left)) {
            // Interrupted or over: looked at again.
            (Some(wakes), Ok(left)) => {
                let _ = poll(&mut [PollFd::new(wakes, PollFlags::IN)], Some(&left));
            }
            _ => thread::park_timeout(LOOK.min(left)),
        }
    }
}

/// How a process ended.
pub(super) fn how(ended: ExitStatus) -> String {
    match (ended.code(), ended.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => match name(signal) {
            Some(name) => format!("was ended by {name}"),
            None => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

fn name(signal: i32) -> Option<&'static str> {
    let known = [
        (Signal::SEGV, "SIGSEGV"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::ILL, "SIGILL"),
        (Signal::KILL, "SIGKILL"),
        (Signal::TERM, "SIGTERM"),
    ];
    known.iter().find(|(s, _)| s.as_raw() == signal).map(|(_, name)| *name)
}

/// Where orders come from and replies go to. What is read and printed from now on goes nowhere and to standard error.
pub(super) fn take_channel() -> io::Result<(File, File)> {
    let (orders, replies) = (dup(stdin())?, dup(stdout())?);
    for channel in [&orders, &replies] {
        rustix::io::fcntl_setfd(channel, rustix::io::FdFlags::CLOEXEC)?;
    }
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(stderr())?;
    Ok((orders.into(), replies.into()))
}
