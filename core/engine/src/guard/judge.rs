//! Judges an installer's work: it ended well, every file that the profile knows, if there is one, is as the patch leaves it,
//! every service that ran runs and is well. Until a deadline what is not so yet may still become so.

use super::{Guard, Side, came, install::named, make_durable};
use crate::{
    faces::{Faces, Observer},
    failure::Failure,
    load::{Job, LoadedProfile},
    quiesce::stayed_up,
    report::{Ending, RunReport},
    verify::{self, Expect},
};
use backout_journal::{Record, Verdict};
use backout_machine::{group, msi};
use backout_protocol::{Event, Notice, guard::Exit, guard::OnFailure, report::Phase};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// How often the product is looked at while it settles.
const LOOK: Duration = Duration::from_millis(250);

impl Guard<'_> {
    /// Judges the installer's work, and keeps it or goes back.
    pub(super) fn conclude(self, exit: &Exit) -> RunReport {
        let failure = match self.judge(exit) {
            Ok(()) => return self.keep_or_wait(Verdict::Well, String::new()),
            Err(failure @ (Failure::InstallerRuns { .. } | Failure::MsiRuns)) => {
                return self.report(Ending::Unfinished(failure), true);
            }
            // Whoever recovers ends the wait, and does not judge by it.
            Err(failure @ Failure::Cancelled(_)) if self.side == Side::Recovery => {
                return self.report(Ending::Unfinished(failure), true);
            }
            Err(failure) => failure,
        };
        // A recovery has nobody to ask, and of an installer that was cut off nobody wants the half.
        let back = match (self.terms.on_failure, self.side, exit) {
            (OnFailure::Rollback, ..) | (OnFailure::Ask, Side::Recovery, Exit::Unknown) => true,
            (OnFailure::Ask, ..) => (self.ask)(&failure),
            (OnFailure::Keep, ..) => false,
        };
        if back {
            return self.go_back(failure);
        }
        self.keep_or_wait(Verdict::Ill, failure.to_string())
    }

    /// The installer's work stays, for good.
    pub(super) fn keep(mut self, verdict: Verdict, why: String) -> RunReport {
        if let Ok(left) = self.members()
            && !left.is_empty()
        {
            self.notices.push(Notice::InstallerLeft { processes: named(&left) });
        }
        if verdict == Verdict::Ill {
            self.notices.push(Notice::KeptInSpite { why: why.clone() });
        }
        // Also what came while it was waited for. If we die before the record, the work is judged once more.
        let sure = self.make_sure().and_then(|()| self.record(Record::Kept { verdict, why }));
        if let Err(failure) = sure {
            return self.report(Ending::Unfinished(failure), true);
        }
        group::dissolve(self.tx.run.as_str(), self.holder);
        // Where open files keep their names, their folders keep theirs.
        self.holder_goes();
        // It is kept, whatever becomes of the profile. If we die from here on there is none; the snapshot stays.
        self.learn(verdict);
        let ending = if self.side == Side::Guard { Ending::Done } else { Ending::Completed };
        self.close(ending, None)
    }

    /// What was judged is on the medium, and what came is on record, before any word stands that it is good.
    pub(super) fn make_sure(&mut self) -> Result<(), Failure> {
        let written = self.leave_came();
        self.notices.retain(|notice| !matches!(notice, Notice::CameNotWritten { .. }));
        self.notices.extend(written.err().map(|why| Notice::CameNotWritten { why }));
        make_durable(&self.terms.roots)
    }

    /// Writes down what came while the installer ran, if nobody did yet. Says why it cannot be.
    pub(super) fn write_down(&self) -> Result<(), String> {
        let mut held = self.came.borrow_mut();
        came::write_down(self.locked.state(), self.tx, self.terms, &mut held).map_err(came::told)
    }

    /// Before the machine is left to its services for a while: what came is on record, or nobody is to find it any more, as what
    /// comes from here on is not the installer's. As long as we live it is known all the same, once it was found.
    pub(super) fn leave_came(&self) -> Result<(), String> {
        self.write_down().inspect_err(|why| {
            log::warn!("run {}: what came is not written down: {why}", self.tx.run);
            if let Err(e) = came::lose(self.tx, self.terms) {
                log::warn!("run {}: {e}", self.tx.run);
            }
        })
    }

    fn judge(&self, exit: &Exit) -> Result<(), Failure> {
        match exit {
            Exit::Code(_) if self.terms.codes.is_well(exit) => {}
            Exit::Unknown => {}
            other => return Err(Failure::Installer(other.clone())),
        }
        self.faces.observer.event(&Event::Phase { phase: Phase::Judge });
        let job = self.job()?;
        let begun = Instant::now();
        let until = begun + Duration::from_secs(self.terms.settle.into());
        // A recovery's own limit comes as a word to stop.
        let limit = self.terms.timeout.filter(|_| self.side == Side::Guard).map(Duration::from_secs);
        loop {
            let late = Instant::now() >= until;
            let called_off = self.faces.cancel.requested();
            // That ends, so it is waited for beyond the time too; what is left of the installer may be there to stay.
            let msi = msi::is_at_work();
            let at_work = msi || !self.at_work()?.is_empty();
            if msi && (called_off.is_some() || limit.is_some_and(|limit| begun.elapsed() >= limit)) {
                return Err(Failure::MsiRuns);
            }
            if called_off.is_some() && at_work && self.side == Side::Recovery {
                return Err(self.runs()?);
            }
            let well = if at_work && (!late || msi) && called_off.is_none() {
                None
            } else {
                // What comes from here on is nobody's to take away. Where it cannot be written down it is tried again.
                if let Err(why) = self.write_down() {
                    log::warn!("run {}: what came is not written down: {why}", self.tx.run);
                }
                Some(self.look(job.as_ref(), exit))
            };
            match (well, called_off) {
                (Some(Ok(())), _) => return Ok(()),
                (Some(Err(_)), Some(why)) => return Err(Failure::Cancelled(why)),
                // Looking again tells no more.
                (Some(Err(failure @ Failure::NotJudged)), None) => return Err(failure),
                (Some(Err(failure)), None) if late => return Err(failure),
                _ if late => std::thread::sleep(LOOK),
                _ => std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now()))),
            }
        }
    }

    /// One look at everything.
    fn look(&self, job: Option<&Job>, exit: &Exit) -> Result<(), Failure> {
        whole(job, exit)?;
        let issued = Cell::new(false);
        let mut quiesce = self.quiesce(&issued);
        // What is looked at again and again is told once.
        quiesce.faces = Faces { observer: &Mute, ..self.faces };
        quiesce.health(stayed_up(&self.were))
    }

    /// What verifying is asked of, as it stands in the guard's plan; `None`: there is no profile.
    fn job(&self) -> Result<Option<Job>, Failure> {
        let plan = &self.tx.plan;
        let Some(text) = &self.terms.profile else { return Ok(None) };
        let profile = LoadedProfile::from_text(&plan.profile.name, text, plan.profile.file.clone());
        let unreadable =
            |refusal| Failure::NotWhole { files: Vec::new(), why: format!("the profile: {refusal:?}") };
        let mut ask = plan.request.clone();
        ask.from = Vec::new();
        Ok(Some(Job { profile: profile.map_err(unreadable)?, site: self.terms.site.clone(), ask }))
    }
}

/// Every file that the profile knows by its version is as the patch leaves it. Where it knows none, an installer that says
/// itself that it did its work is believed.
fn whole(job: Option<&Job>, exit: &Exit) -> Result<(), Failure> {
    let judged = match job.filter(|job| !job.profile.profile.lists.is_empty()) {
        None => None,
        Some(job) => {
            let found = verify::verify(job, Some(Expect::Patched));
            Some(found.map_err(|e| Failure::NotWhole { files: Vec::new(), why: format!("{e:?}") })?)
        }
    };
    let differ: Vec<_> = judged
        .iter()
        .flat_map(|found| &found.rows)
        .filter(|row| row.differs)
        .map(|row| row.looked_at.clone())
        .collect();
    let any = judged.is_some_and(|found| found.rows.iter().any(|row| row.judged));
    match (differ.is_empty(), any, exit) {
        (false, ..) => Err(Failure::NotWhole { files: differ, why: String::new() }),
        (true, false, Exit::Unknown) => Err(Failure::NotJudged),
        (true, ..) => Ok(()),
    }
}

/// Is told and says nothing.
struct Mute;

impl Observer for Mute {
    fn event(&self, _: &Event) {}
}
