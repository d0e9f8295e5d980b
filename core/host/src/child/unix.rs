//! Unix: a group of processes of its own; on Linux nothing can be written from the moment before the plugin is loaded.

use crate::Leave;
use rustix::{
    io::dup,
    process::{
        Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getppid, kill_process_group, setrlimit, waitid,
    },
    stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout},
};
use std::{
    fs::File,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus},
};

/// No plugin needs more memory: libraries, lists of files, an answer of [`crate::call::LIMIT`].
const MEMORY: u64 = 2 << 30;

/// What a child has started with it.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// Ends all of them. The child has not been reaped yet.
    pub(super) fn kill(&self, child: &mut Child) {
        if let Some(group) = self.0 {
            // It is gone already: then there is nothing to end.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.kill();
    }
}

pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
    // The terminal's keys are for those who can go back.
    let child = command.process_group(0).spawn()?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok((child, Group(group)))
}

/// Whether it has ended; it is not reaped.
pub(super) fn has_ended(child: &mut Child) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return true };
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), look), Ok(None))
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

/// Takes from this process what its plugin does not need.
pub(super) fn confine(parent: u32, leave: Leave) -> io::Result<()> {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::As, MEMORY)?;
    limit(Resource::Core, 0)?;
    ends_with(parent)?;
    match leave {
        Leave::ReadOnly => writes_nothing(),
        Leave::Change => Ok(()),
    }
}

/// The system ends this process when its parent ends, which may have happened already.
fn ends_with(parent: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    if now == Some(parent) { Ok(()) } else { Err(io::Error::other("its host is gone")) }
}

/// Nothing is written, made, moved or removed from now on, by this process or what it starts, where the kernel can see to
/// that (Linux 5.13 and later with Landlock).
#[cfg(target_os = "linux")]
fn writes_nothing() -> io::Result<()> {
    use landlock::{
        ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetStatus,
    };
    fn refused(e: impl std::error::Error + Send + Sync + 'static) -> io::Error {
        io::Error::other(e)
    }
    let writing = AccessFs::from_write(ABI::V5);
    let sink = PathFd::new("/dev/null").map_err(refused)?;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writing)
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rule(PathBeneath::new(sink, AccessFs::WriteFile)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(refused)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        log::info!("this kernel keeps no plugin from writing while it plans");
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn writes_nothing() -> io::Result<()> {
    Ok(())
}
