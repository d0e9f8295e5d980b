//! The waiter: a process that takes a guard to its end if nobody else is there to do it: its terminal was cut off, and the
//! guard and its parent were killed.
//!
//! It belongs to no terminal and to nothing of the installer. It leaves the lock to everybody else, as long as anybody may
//! still be at it; so it settles what was left by a recovery like any other, and before the time to confirm is over it only
//! waits. Whether it lives is told by a lock, which goes with it however it ends.

use super::{
    Guard, confirm, deadline,
    ticket::{self, Word},
    until_ready,
};
use crate::{
    faces::Faces,
    failure::Failure,
    recover::{self, Whose},
    refusal::Refusal,
    report::{Ending, RunReport},
    state::{State, plain},
    window::Extent,
};
use backout_disk::{Error, Folder, lock::Lock};
use backout_journal::{Journal, Status};
use backout_machine::group;
use backout_protocol::RunId;
use std::{
    ffi::{OsStr, OsString},
    path::Path,
    time::{Duration, Instant},
};

/// The lock that the waiter has as long as it lives.
pub(crate) const LOCK: &str = "waiter";
/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);
/// How long nobody may have had the lock before it takes it: a parent settles what its worker left, and comes first.
const GRACE: Duration = Duration::from_secs(1);
/// How long it waits before it tries again what could not be done.
const AGAIN: Duration = Duration::from_secs(10);

impl Guard<'_> {
    /// Starts it and waits until it is ready, if the guard is to be confirmed.
    pub(super) fn start_waiter(&self, program: &super::Program) -> Result<(), Refusal> {
        if self.terms.confirm_within.is_none() {
            return Ok(());
        }
        let fail = |why: String| Refusal::NoWaiter { why };
        let disk = |e: Error| Refusal::NoWaiter { why: e.to_string() };
        ticket::create(&self.tx.folder).map_err(disk)?;
        let mut arguments = program.waiter.clone();
        arguments.extend(["--state-dir".into(), self.locked.state().path().as_os_str().to_owned()]);
        arguments.push(OsString::from(self.tx.run.as_str()));
        let child = group::start_apart(&program.program, &arguments, self.tx.run.as_str());
        let mut child = child.map_err(|e| fail(e.to_string()))?;
        let ready = until_ready(&mut child, || lives(&self.tx.folder).map_err(|e| e.to_string()));
        ready.map_err(|why| {
            // One that is too slow finds no run that it would be for.
            let _ = child.kill().and_then(|()| child.wait().map(drop));
            fail(why)
        })
    }
}

/// Whether it lives.
pub(super) fn lives(folder: &Folder) -> Result<bool, Error> {
    Lock::is_held(folder, OsStr::new(LOCK))
}

/// Is the waiter of this guard of the state folder at `path`, until the guard is over.
///
/// # Errors
/// [`Failure`]: it cannot be the waiter.
pub fn wait(path: &Path, run: &RunId, faces: &Faces<'_>) -> Result<(), Failure> {
    let fail = |why: String| Failure::Process { why };
    let state = State::look(path).map_err(|refusal| fail(format!("{refusal:?}")))?;
    let state = state.ok_or_else(|| fail("there is no state folder".to_owned()))?;
    let folder = state.transactions().and_then(|all| all.open_below(&plain(run.as_str())));
    let folder = folder.map_err(|e| fail(e.to_string()))?;
    group::detach().map_err(|e| fail(e.to_string()))?;
    // From here on the guard knows that this one is ready.
    let lock = Lock::acquire(&folder, OsStr::new(LOCK)).map_err(|e| fail(e.to_string()))?;
    let _lock = lock.ok_or_else(|| fail("there is another waiter".to_owned()))?;
    let mut free: Option<Instant> = None;
    while faces.cancel.requested().is_none() {
        std::thread::sleep(LOOK);
        match is_due(&state, run, &folder) {
            Due::Over => return Ok(()),
            Due::Now if !matches!(state.worker(), Ok(Some(_))) => {}
            Due::Now | Due::Later => {
                free = None;
                continue;
            }
        }
        if free.get_or_insert_with(Instant::now).elapsed() < GRACE {
            continue;
        }
        free = None;
        let report = recover::after(path, &Whose::Run(run.clone()), Extent::Whole, faces);
        match report.map(|report: RunReport| report.ending) {
            Some(Ending::Refused(Refusal::Locked { .. })) => {}
            Some(Ending::Unfinished(why)) => {
                log::warn!("run {run}: {why}");
                let again = Instant::now() + AGAIN;
                while Instant::now() < again && faces.cancel.requested().is_none() {
                    std::thread::sleep(LOOK);
                }
            }
            // Over; or a person is needed; or a reboot, behind which somebody else comes.
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Whether there is anything for it to do, once nobody else is at it.
enum Due {
    Now,
    Later,
    Over,
}

fn is_due(state: &State, run: &RunId, folder: &Folder) -> Due {
    match state.transaction_ids() {
        Ok(ids) if ids.contains(run) => {}
        Ok(_) => return Due::Over,
        Err(_) => return Due::Later,
    }
    match Journal::read(folder, run) {
        Ok(Some(reading)) if reading.status.is_over() => Due::Over,
        Ok(Some(reading)) if reading.status == Status::AwaitingConfirm => {
            let decided = !matches!(ticket::word(folder), Ok(Word::Open));
            let until = confirm::waited_for(reading.records());
            let late = until.is_none_or(|(until, ..)| deadline::left(&until).is_zero());
            if decided || late { Due::Now } else { Due::Later }
        }
        Ok(Some(_)) => Due::Now,
        // Being made, or beyond what can be done here.
        Ok(None) | Err(_) => Due::Later,
    }
}
