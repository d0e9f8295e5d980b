//! A guard whose work stays only if somebody confirms it in time: the wait, and the word that ends it.
//!
//! ```text
//! judged -> ticket filled F -> AwaitingConfirm F -> ticket renamed F, by `confirm`: Kept F
//!                                                                   \ or by whoever waits, once the time is over: GoingBack F
//! ```
//!
//! Whoever has the lock waits: the guard, or a recovery. `confirm` needs no lock to be heard.

use super::{
    Guard, Side, deadline,
    ticket::{self, Word},
    waiter,
};
use crate::{
    faces::Faces,
    failure::Failure,
    history::{self, Fate},
    recover::{self, Whose},
    refusal::Refusal,
    report::{Ending, RunReport},
    state::{OpenRun, State, plain, unusable},
    window::{Extent, chain},
};
use backout_disk::{Error, Folder};
use backout_journal::{Record, Status, Verdict};
use backout_protocol::{Event, RunId, guard::Deadline};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How often the word is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// How long a guard that was confirmed may take to be over, before it is no longer waited for.
const CLOSE: Duration = Duration::from_secs(60);

/// A guard that waits to be confirmed, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// How much time is left; nothing: it is over.
    pub left: Duration,
    /// When it is over, in milliseconds since 1970.
    pub until: u64,
    /// Whether it is decided, and only to be carried out.
    pub decided: bool,
    /// Whether a process is there to take everything back once the time is over.
    pub attended: bool,
}

/// How the open run waits to be confirmed, if it does.
pub fn awaited(state: &State, open: &OpenRun) -> Option<Awaited> {
    let deadline = awaits(open)?;
    let folder = folder(state, &open.run).ok()?;
    let left = deadline::left(deadline);
    let decided = !matches!(ticket::word(&folder), Ok(Word::Open));
    let worker = matches!(state.worker(), Ok(Some(_)));
    let attended = worker || matches!(waiter::lives(&folder), Ok(true));
    Some(Awaited { left, until: deadline::until(left), decided, attended })
}

/// Until when the open run waits to be confirmed, if it does.
pub(crate) fn awaits(open: &OpenRun) -> Option<&Deadline> {
    let reading = open.reading.as_ref().ok()?;
    if reading.status != Status::AwaitingConfirm { None } else { until(reading.records()) }
}

fn until<'a>(mut records: impl Iterator<Item = &'a Record>) -> Option<&'a Deadline> {
    records.find_map(|record| match record {
        Record::AwaitingConfirm { until, .. } => Some(until),
        _ => None,
    })
}

fn folder(state: &State, run: &RunId) -> Result<Folder, Error> {
    state.transactions()?.open_below(&plain(run.as_str()))
}

impl Guard<'_> {
    /// The installer's work stays: at once, or once somebody has confirmed that.
    pub(super) fn keep_or_wait(mut self, verdict: Verdict, why: String) -> RunReport {
        let Some(within) = self.terms.confirm_within else { return self.keep(verdict, why) };
        if let Err(failure) = self.make_sure() {
            return self.report(Ending::Unfinished(failure), true);
        }
        let until = match deadline::begin(within) {
            Ok(until) => until,
            Err(e) => return self.report(Ending::Unfinished(Failure::Process { why: e.to_string() }), true),
        };
        let waits = Record::AwaitingConfirm { until: until.clone(), verdict, why: why.clone() };
        // On disk until the record is: the ticket alone, which tells a recovery the same.
        if let Err(e) = ticket::fill(&self.tx.folder, &waits) {
            return self.report(Ending::Unfinished(Failure::Journal { why: chain(&e) }), true);
        }
        if let Err(failure) = self.record(waits) {
            return self.report(Ending::Unfinished(failure), true);
        }
        self.await_word(&until, verdict, why)
    }

    /// Waits until it is decided, and does as it is.
    pub(super) fn await_word(mut self, until: &Deadline, verdict: Verdict, why: String) -> RunReport {
        // Behind a reboot counted from here: the machine's clock may be set while we wait.
        let until = match deadline::anchored(until) {
            Ok(until) => until,
            Err(e) => return self.report(Ending::Unfinished(Failure::Process { why: e.to_string() }), true),
        };
        let mut told = None;
        let mut back = Failure::NotConfirmed { within: until.within };
        loop {
            match ticket::word(&self.tx.folder) {
                Ok(Word::Open) => {}
                Ok(Word::Confirmed) => return self.keep(verdict, why),
                Ok(Word::Back) => return self.go_back(back),
                Err(e) => return self.report(Ending::Unfinished(Failure::Journal { why: chain(&e) }), true),
            }
            let left = deadline::left(&until);
            let called_off = self.faces.cancel.requested();
            match (called_off, self.side) {
                (Some(why), Side::Guard) if !self.faces.cancel.ends_the_process() => {
                    back = Failure::Cancelled(why)
                }
                // Somebody else waits on: the process that was started for that, or the recovery at boot.
                (Some(_), _) => {
                    let waits = Failure::AwaitsConfirm { run: self.tx.run.clone(), left };
                    return self.report(Ending::Unfinished(waits), true);
                }
                (None, _) if left.is_zero() => {}
                (None, _) => {
                    self.tell(left, &mut told);
                    std::thread::sleep(LOOK.min(left));
                    continue;
                }
            }
            // If we die behind this, it is decided, and a recovery does the rest.
            if let Err(e) = ticket::decide(&self.tx.folder, Word::Back) {
                return self.report(Ending::Unfinished(Failure::Journal { why: chain(&e) }), true);
            }
        }
    }

    /// Tells how much time is left, every minute and in the last one more often.
    fn tell(&mut self, left: Duration, told: &mut Option<u64>) {
        let left_s = left.as_millis().div_ceil(1000) as u64;
        let pause = if left_s > 60 { 60 } else { 10 };
        if told.is_some_and(|told: u64| told.saturating_sub(left_s) < pause) {
            return;
        }
        *told = Some(left_s);
        let run = self.tx.run.clone();
        self.faces.observer.event(&Event::AwaitingConfirm { run, left_s, until: deadline::until(left) });
    }
}

/// What is waited for, as the records have it.
pub(super) fn waited_for<'a>(
    mut records: impl Iterator<Item = &'a Record>,
) -> Option<(Deadline, Verdict, String)> {
    records.find_map(|record| match record {
        Record::AwaitingConfirm { until, verdict, why } => Some((until.clone(), *verdict, why.clone())),
        _ => None,
    })
}

/// What became of a confirmation.
#[derive(Debug)]
pub enum Confirmed {
    /// The work stays, and how the guard ended.
    Now(Box<RunReport>),
    /// The work was confirmed before.
    Before(RunId),
    /// The work stays, but whoever has the lock has not closed the guard yet.
    NotYet(RunId),
}

/// What a confirmation would do.
#[derive(Debug)]
pub enum Meant {
    /// The work of this run stays.
    Keep(RunId),
    /// The work was confirmed before.
    Before(RunId),
}

/// What [`confirm`] would do now, which is not done.
///
/// # Errors
/// As [`confirm`].
pub fn would_confirm(path: &Path, asked: Option<&str>) -> Result<Meant, Refusal> {
    match waiting(path, asked)? {
        Found::Before(run) => Ok(Meant::Before(run)),
        Found::Waits(waits) => match ticket::word(&waits.folder).map_err(|e| unusable(path, &e))? {
            Word::Open if !waits.late => Ok(Meant::Keep(waits.run)),
            Word::Confirmed => Ok(Meant::Keep(waits.run)),
            Word::Open | Word::Back => Err(Refusal::ConfirmTooLate { run: waits.run }),
        },
    }
}

/// Confirms the guard of this id, or of as much of its beginning as no other has, or the one that waits for it.
///
/// # Errors
/// [`Refusal::NothingAwaits`], [`Refusal::ConfirmUnknown`], [`Refusal::AwaitsNothing`], [`Refusal::ConfirmTooLate`]; those of
/// the state folder.
pub fn confirm(path: &Path, asked: Option<&str>, faces: &Faces<'_>) -> Result<Confirmed, Refusal> {
    let Waits { state, run, folder, late } = match waiting(path, asked)? {
        Found::Waits(waits) => waits,
        Found::Before(run) => return Ok(Confirmed::Before(run)),
    };
    let word = if late { ticket::word(&folder) } else { ticket::decide(&folder, Word::Confirmed) };
    match word.map_err(|e| unusable(path, &e))? {
        Word::Confirmed => heard(path, &state, run, faces),
        Word::Open | Word::Back => Err(Refusal::ConfirmTooLate { run }),
    }
}

/// The guard that a confirmation is about.
enum Found {
    Waits(Waits),
    Before(RunId),
}

/// One that waits.
struct Waits {
    state: State,
    run: RunId,
    folder: Folder,
    /// Whether its time is over, and nobody was there to say so.
    late: bool,
}

fn waiting(path: &Path, asked: Option<&str>) -> Result<Found, Refusal> {
    let none = || match asked {
        Some(asked) => Refusal::ConfirmUnknown { asked: asked.to_owned(), waiting: None },
        None => Refusal::NothingAwaits,
    };
    let Some(state) = State::look(path)? else { return Err(none()) };
    let open = state.unfinished()?;
    let waiting = open.as_ref().filter(|open| awaits(open).is_some()).map(|open| open.run.clone());
    let unknown = |asked: &str| Refusal::ConfirmUnknown { asked: asked.to_owned(), waiting: waiting.clone() };
    let named = asked.map(|text| history::named(&state, text).map_err(|_| unknown(text))).transpose()?;
    let run = match (&named, &open) {
        (Some(run), _) => run.clone(),
        // The way back of a guard speaks for it.
        (None, Some(open)) => super::whole(&state, open.run.clone()),
        (None, None) => return Err(none()),
    };
    if waiting.as_ref() != Some(&run) {
        return over(&state, run, asked).map(Found::Before);
    }
    let Some(deadline) = open.as_ref().and_then(awaits) else { return Err(none()) };
    // Whoever waits decides when it is too late; where nobody was there to say so, what is late is late.
    let late = deadline::left(deadline).is_zero() && state.worker()?.is_none();
    let folder = folder(&state, &run).map_err(|e| unusable(path, &e))?;
    Ok(Found::Waits(Waits { state, run, folder, late }))
}

/// Waits until a guard that is confirmed is over; where nobody is at it, sees to that.
fn heard(path: &Path, state: &State, run: RunId, faces: &Faces<'_>) -> Result<Confirmed, Refusal> {
    let until = Instant::now() + CLOSE;
    loop {
        if let Some(report) = history::report(state, &run)? {
            return Ok(Confirmed::Now(Box::new(report)));
        }
        match recover::after(path, &Whose::Run(run.clone()), Extent::Whole, faces) {
            Some(RunReport { ending: Ending::Refused(Refusal::Locked { .. }), .. }) => {}
            Some(report) => return Ok(Confirmed::Now(Box::new(report))),
            None => {}
        }
        if Instant::now() >= until || faces.cancel.requested().is_some() {
            return Ok(Confirmed::NotYet(run));
        }
        std::thread::sleep(LOOK);
    }
}

/// What is said of a run that does not wait to be confirmed; itself, if it was confirmed before.
fn over(state: &State, run: RunId, asked: Option<&str>) -> Result<RunId, Refusal> {
    let entry = history::find(state, &run)?;
    let waited = entry.as_ref().is_some_and(|e| until(e.records.iter().map(|(_, record)| record)).is_some());
    match entry.map(|entry| entry.fate) {
        Some(Fate::Committed) if waited => Ok(run),
        Some(_) if waited => Err(Refusal::ConfirmTooLate { run }),
        _ if asked.is_none() => Err(Refusal::NothingAwaits),
        _ => Err(Refusal::AwaitsNothing { run }),
    }
}
