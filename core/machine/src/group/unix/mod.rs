//! Linux: a session, a subreaper and a control group; the processes below it by `/proc`.

mod scope;

use super::{Member, Reaped, Start};
use crate::{
    open_files,
    process::{self, Process},
};
use rustix::{
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper,
        setsid, wait,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// Whether the system would run this file as a program, for us.
pub fn can_run(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The files that may be meant by a program's path: that one.
pub fn meant(file: &Path) -> Vec<PathBuf> {
    vec![file.to_owned()]
}

/// The program that runs a file which is none itself, where that is known: nobody can know here.
pub fn run_by(_file: &Path) -> Option<String> {
    None
}

pub(super) fn start_holder(start: &Start<'_>) -> io::Result<Child> {
    let group = group(start.run);
    if let Some(holder) = scope::start(&group, start)? {
        return Ok(holder);
    }
    let holder = open_files::spawn(&mut start.plain()?)?;
    // It is told nothing before: all that it starts is in the group.
    scope::adopt(&group, holder.id());
    Ok(holder)
}

/// In a scope of its own, where that can be had: the end of the session that we are in does not end it.
pub(super) fn start_apart(start: &Start<'_>) -> io::Result<Child> {
    match scope::start(&format!("backout-waiter-{}", start.run), start)? {
        Some(apart) => Ok(apart),
        None => open_files::spawn(&mut start.plain()?),
    }
}

/// The name of the control group of `run`.
fn group(run: &str) -> String {
    format!("{}{run}", scope::PREFIX)
}

/// Makes this process the leader of a session of its own: no terminal reaches it any more.
///
/// # Errors
/// The system's.
pub fn detach() -> io::Result<()> {
    Ok(setsid().map(drop)?)
}

/// The holder's hold of its installer.
#[derive(Debug)]
pub struct Lead;

impl Lead {
    /// Makes this process the leader of a session of its own, and the one that orphans below it come to.
    ///
    /// # Errors
    /// The system's.
    pub fn of(_run: &str) -> io::Result<Self> {
        setsid()?;
        set_child_subreaper(Some(getpid()))?;
        Ok(Self)
    }

    /// In a process group of its own, which a shell may well expect to lead.
    pub(super) fn spawn(&mut self, installer: &mut Command) -> io::Result<u32> {
        // The holder's, if it is in a scope: what finds it takes itself for a service.
        installer.env_remove("INVOCATION_ID");
        Ok(open_files::spawn(installer.process_group(0))?.id())
    }

    /// Looks, without waiting, whether a child of ours, or an orphan that came to us, has ended.
    ///
    /// # Errors
    /// The system's.
    pub fn reap(&mut self) -> io::Result<Reaped> {
        match wait(WaitOptions::NOHANG) {
            Ok(None) => Ok(Reaped::None),
            Ok(Some((pid, status))) => {
                let pid = pid.as_raw_nonzero().get().cast_unsigned();
                Ok(match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Reaped::Exited(pid, code),
                    (None, Some(signal)) => Reaped::Signalled(pid, signal),
                    (None, None) => Reaped::None,
                })
            }
            Err(Errno::CHILD) => Ok(Reaped::Childless),
            Err(Errno::INTR) => Ok(Reaped::None),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether somebody has said that nothing is to be held together any more: by a signal, which others take.
    pub fn is_dissolved(&self) -> bool {
        false
    }
}

/// What `/proc` says of a living process.
struct Row {
    parent: u32,
    session: u32,
    started: u64,
}

pub(super) fn members(run: &str, mark: &str, holder: u32) -> io::Result<Vec<Member>> {
    let mut rows: BTreeMap<u32, Row> =
        process::pids()?.into_iter().filter_map(|pid| Some((pid, row(pid)?))).collect();
    let mut own: BTreeSet<u32> = rows.keys().copied().filter(|pid| is_marked(*pid, mark)).collect();
    for pid in scope::members(&group(run)) {
        // One that was begun since everything was looked at is one all the same: whoever forks is not outrun.
        if !rows.contains_key(&pid)
            && let Some(row) = row(pid)
        {
            rows.insert(pid, row);
        }
        if rows.contains_key(&pid) {
            own.insert(pid);
        }
    }
    // Below the holder, if that number still is the holder's, also without the mark.
    if own.contains(&holder) {
        loop {
            let more: Vec<u32> = rows
                .iter()
                .filter(|(pid, row)| !own.contains(pid) && own.contains(&row.parent))
                .map(|(pid, _)| *pid)
                .collect();
            if more.is_empty() {
                break;
            }
            own.extend(more);
        }
    }
    let member = |pid: u32| {
        let row = rows.get(&pid)?;
        let path = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let image = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let process = Process { pid, started: row.started, image, path };
        Some(Member { process, detached: row.session != holder })
    };
    let us = us(&rows);
    let own = own.into_iter().filter(|pid| *pid != holder && !us.contains(pid));
    Ok(own.filter_map(member).collect())
}

/// This process, and the one that waits for it if that is of the same program: we may have been called from among them.
fn us(rows: &BTreeMap<u32, Row>) -> Vec<u32> {
    let own = std::process::id();
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let above = rows.get(&own).map(|row| row.parent);
    let above = above.filter(|pid| program(*pid).is_some_and(|it| program(own) == Some(it)));
    std::iter::once(own).chain(above).collect()
}

/// They are ended one by one.
pub(super) fn end(_run: &str) -> io::Result<()> {
    Ok(())
}

pub(super) fn forget(run: &str) {
    scope::remove(&group(run));
}

pub(super) fn dissolve(_run: &str, mark: &str, holder: u32) -> io::Result<()> {
    let pid = Pid::from_raw(holder.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    // Looked at once it is held: from here on the number may change hands, the handle cannot.
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    if is_marked(holder, mark) {
        pidfd_send_signal(handle, Signal::TERM)?;
    }
    Ok(())
}

fn is_marked(pid: u32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|entry| entry == mark.as_bytes())
}

/// `None`: gone, or only waiting for its parent to ask.
fn row(pid: u32) -> Option<Row> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let name_end = text.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The state is the first field behind the name.
    if matches!(*fields.first()?, "Z" | "X" | "x") && process::started(pid).is_none() {
        return None;
    }
    let number = |at: usize| fields.get(at)?.parse::<i64>().ok();
    Some(Row {
        parent: u32::try_from(number(1)?).ok()?,
        session: u32::try_from(number(3)?).ok()?,
        started: process::started(pid)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{end, members};
    use std::process::Command;

    #[test]
    fn what_carries_the_mark_is_found_and_ended_and_nothing_else() {
        let run = format!("test-{}", std::process::id());
        let mut marked = Command::new("sleep").arg("1000").env(super::super::MARK, &run).spawn().unwrap();
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        let list = || members(&run, 0).map(|all| all.into_iter().map(|m| m.process).collect::<Vec<_>>());
        // A child that was just forked is not yet what it becomes.
        while list().unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(list().unwrap().iter().map(|p| p.pid).collect::<Vec<_>>(), [marked.id()]);
        end(&run, 0).unwrap();
        assert!(!marked.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
