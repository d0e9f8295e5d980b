//! The waiter: a process that takes a guard to its end if nobody else is there to do it: its terminal was cut off, and the
//! guard and its parent were killed.
//!
//! It belongs to no terminal and to nothing of the installer. It leaves the lock to everybody else, as long as anybody may
//! still be at it; so it settles what was left by a recovery like any other, and before the time to confirm is over it only
//! waits. What may go by itself, such as a full disk, it tries again; only once where services stop for that. Whether it lives is told by a lock, which goes with it however it ends.

use super::{
    Guard, back, confirm, deadline,
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
/// How long it waits before it tries again what could not be done; of what a person is needed for the first time, and each time
/// twice as long as the time before.
const AGAIN: Duration = Duration::from_secs(10);
/// But never longer than this.
const SELDOM: Duration = Duration::from_secs(3600);
/// How long it tries what a person is needed for.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

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
    let (mut free, mut stuck): (Option<Instant>, Option<Tries>) = (None, None);
    let mut not_before = Instant::now();
    while faces.cancel.requested().is_none() {
        std::thread::sleep(LOOK);
        match is_due(&state, run, &folder) {
            Due::Over => return Ok(()),
            Due::Now if Instant::now() < not_before => continue,
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
                not_before = Instant::now() + AGAIN;
            }
            Some(ending @ (Ending::Stuck { .. } | Ending::Refused(_))) => {
                let tries = stuck.get_or_insert_with(Tries::begin);
                let Some(wait) = tries.next(back::tries(&ending)) else {
                    log::warn!("run {run}: a person is needed; it is not tried any more: `backout recover`");
                    return Ok(());
                };
                log::warn!("run {run}: a person is needed; it is tried again in {} s", wait.as_secs());
                not_before = Instant::now() + wait;
            }
            // Over; or a reboot, behind which somebody else comes.
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// How often it tries what a person is needed for.
struct Tries {
    begun: Instant,
    made: u32,
    wait: Duration,
}

impl Tries {
    fn begin() -> Self {
        Self { begun: Instant::now(), made: 0, wait: AGAIN }
    }

    /// One more was made: how long it waits before the next; `None`: there is none. `most`: how many there may be of those that
    /// are not free to be tried.
    fn next(&mut self, most: u32) -> Option<Duration> {
        self.made += u32::from(most < u32::MAX);
        let wait = self.wait;
        self.wait = (wait * 2).min(SELDOM);
        (self.made < most && self.begun.elapsed() + wait <= PATIENCE).then_some(wait)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stuck_is_tried_ever_more_seldom_and_at_last_no_more() {
        let mut tries = Tries::begin();
        let waits: Vec<u64> =
            (0..12).filter_map(|_| tries.next(u32::MAX)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
        tries.begun = match Instant::now().checked_sub(PATIENCE) {
            Some(begun) => begun,
            // The machine has not run so long.
            None => return,
        };
        assert_eq!(tries.next(u32::MAX), None);
        let mut few = Tries::begin();
        assert!(few.next(u32::MAX).is_some() && few.next(u32::MAX).is_some());
        assert!(few.next(2).is_some() && few.next(2).is_none());
    }
}
