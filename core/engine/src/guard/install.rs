//! Lets the installer go, and waits for its end.

use super::{Guard, OUTPUT, POLL, Side, came, holder, release, reserve, theirs, until_ready};
use crate::{
    faces::Faces,
    failure::{Failure, Stuck},
    quiesce::{self, Quiesce},
    refusal::Refusal,
    report::{Ending, RunReport},
    rollback,
    snapshot::store,
    state::Locked,
    tidy,
    window::{Extent, chain},
};
use backout_disk::durable;
use backout_journal::{Record, format};
use backout_machine::{
    group::{self, Member},
    msi,
};
use backout_protocol::{Event, Plan, guard::Exit, path::encode, report::Phase};
use std::{
    cell::{Cell, RefCell},
    ffi::{OsStr, OsString},
    io::Write,
    path::PathBuf,
    process::Child,
    time::{Duration, Instant},
};

/// The record tells people which installer it was; its plan has all of it.
const MOST_WORDS: usize = 32;
const MOST_LETTERS: usize = 200;
/// A line of the journal holds no more than 16 KiB, and quotes take two.
const MOST_BYTES: usize = 4096;

/// How long a guard waits for Windows Installer on its way back, where its installer might take any time.
const MSI: Duration = Duration::from_secs(600);

/// How this program is called to be a holder, or a waiter.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments as a holder; the guard's folder follows.
    pub arguments: Vec<OsString>,
    /// Its first arguments as a waiter; the state folder and the run follow.
    pub waiter: Vec<OsString>,
}

/// How the wait for an installer ended.
pub(super) enum Waited {
    /// It has ended.
    Ended(Exit),
    /// It was never let go.
    NeverRan,
    /// It goes on, and nobody waits any longer.
    Runs(Failure),
}

/// Carries out a guard that was planned under this lock. `ask`: whether a failure goes back, where the policy is to ask.
pub fn run(
    locked: &Locked,
    plan: &Plan,
    program: &Program,
    ask: &dyn Fn(&Failure) -> bool,
    faces: &Faces<'_>,
) -> RunReport {
    let services = match quiesce::open_trusted(plan) {
        Ok(services) => services,
        Err(refusal) => return refusal.into(),
    };
    let confirmed = plan.guards().is_some_and(|terms| terms.confirm_within.is_some());
    let format = if confirmed { format::FORMAT } else { format::PAUSING };
    let (tx, journal) = match rollback::begin(locked, plan, format) {
        Ok(begun) => begun,
        Err(refusal) => return refusal.into(),
    };
    let Some(terms) = tx.plan.guards() else {
        return RunReport::of(Ending::Stuck { after: None, why: Stuck::Process { why: "no guard".into() } });
    };
    faces.observer.begun(&tx.run, tx.log());
    let mut guard = Guard {
        locked,
        tx: &tx,
        terms,
        journal,
        services: services.as_ref(),
        faces: *faces,
        were: Vec::new(),
        holder: 0,
        ask,
        side: Side::Guard,
        notices: Vec::new(),
        came: RefCell::new(None),
        partly: Cell::new(false),
        removed: Cell::new(0),
        freed: RefCell::new(Vec::new()),
        learned: None,
    };
    let mut child = match guard.start_holder(program) {
        Ok(child) => child,
        Err(refusal) => return guard.void(refusal),
    };
    if let Err(refusal) = guard.start_waiter(program) {
        dismiss(child);
        return guard.void(refusal);
    }
    match guard.open(&mut child) {
        Ok(()) => {}
        Err(Shut::Refused(refusal)) => {
            dismiss(child);
            return guard.void(refusal);
        }
        Err(Shut::InDoubt(failure)) => {
            // On disk: `GuardOpen` or `LetGo`. Either way the holder was told nothing, and a recovery finds that it did nothing.
            dismiss(child);
            return guard.report(Ending::Unfinished(failure), false);
        }
    }
    faces.observer.event(&Event::Phase { phase: Phase::Install });
    let report = match guard.wait(Duration::ZERO) {
        Ok(Waited::Ended(exit)) => guard.ended(exit),
        Ok(Waited::NeverRan) => guard.void(Refusal::BeforeStop(Failure::NeverLetGo)),
        Ok(Waited::Runs(failure)) | Err(failure) => guard.report(Ending::Unfinished(failure), true),
    };
    // Nothing is left of a holder that has ended, but for the system's note of it.
    let _ = child.try_wait();
    report
}

/// Why the installer is not let go.
enum Shut {
    /// That is on record, or will be.
    Refused(Refusal),
    /// Whether it is on record is not known.
    InDoubt(Failure),
}

/// Ends a holder that was told nothing.
fn dismiss(mut child: Child) {
    drop(child.stdin.take());
    if let Err(e) = child.kill().and_then(|()| child.wait().map(drop)) {
        log::warn!("the holder, process {}: {e}", child.id());
    }
}

impl Guard<'_> {
    /// Starts the holder and waits until it is ready.
    fn start_holder(&mut self, program: &Program) -> Result<Child, Refusal> {
        let fail = |why: String| Refusal::NoHolder { why };
        let folder = &self.tx.folder;
        let output = durable::open_log(folder, OsStr::new(OUTPUT)).map_err(|e| fail(e.to_string()))?;
        let mut arguments = program.arguments.clone();
        arguments.push(folder.path().as_os_str().to_owned());
        let child = group::start_holder(&program.program, &arguments, self.tx.run.as_str(), &output);
        let mut child = child.map_err(|e| fail(e.to_string()))?;
        self.holder = child.id();
        let lives = || holder::lives(folder).map_err(|failure| failure.to_string());
        match until_ready(&mut child, lives) {
            Ok(()) => Ok(child),
            Err(why) => {
                dismiss(child);
                Err(fail(why))
            }
        }
    }

    /// Makes the way back sure, and tells the holder to let the installer go.
    fn open(&mut self, child: &mut Child) -> Result<(), Shut> {
        let locked = self.locked;
        let snapshot = store::open(locked.state(), &self.terms.snapshot).map_err(Shut::Refused)?;
        let before = |failure: Failure| Shut::Refused(Refusal::BeforeStop(failure));
        self.were = self.states().map_err(before)?;
        let begun = came::begin(self.tx, self.terms).and_then(|()| theirs::begin(self.tx, &snapshot));
        begun.map_err(|e| before(Failure::Process { why: e.to_string() }))?;
        let words = self.terms.argv.iter().take(MOST_WORDS).map(|word| encode(word.0.as_os_str()));
        let words = words.map(|word| word.chars().take(MOST_LETTERS).collect::<String>());
        let mut room = MOST_BYTES;
        let fits = |word: &String| {
            room = room.saturating_sub(word.len());
            room > 0
        };
        let opened = Record::GuardOpen {
            snapshot: self.terms.snapshot.clone(),
            argv: words.take_while(fits).collect(),
            policy: self.terms.on_failure,
            services: self.were.clone(),
            group: self.holder,
        };
        self.record(opened).map_err(Shut::InDoubt)?;
        reserve::take(locked, self.tx, &snapshot).map_err(Shut::Refused)?;
        if let Some(why) = self.faces.cancel.requested() {
            return Err(Shut::Refused(Refusal::Cancelled(why)));
        }
        self.record(Record::LetGo).map_err(Shut::InDoubt)?;
        // If we die behind this, the holder goes on alone; before it, it hears nothing and goes.
        let told = child.stdin.take().map(|mut word| writeln!(word, "{}", holder::GO));
        match told {
            Some(Ok(())) => Ok(()),
            Some(Err(e)) => Err(Shut::Refused(Refusal::NoHolder { why: e.to_string() })),
            None => Err(Shut::Refused(Refusal::NoHolder { why: "it has no input".to_owned() })),
        }
    }

    /// Nothing of the installer ran: nothing of the guard stays.
    fn void(mut self, refusal: Refusal) -> RunReport {
        if let Err(failure) = self.record(Record::Undone { why: "the installer was not let go".to_owned() }) {
            log::warn!("run {}: {failure}", self.tx.run);
        }
        let (locked, tx) = (self.locked, self.tx);
        drop(self.journal);
        let gone = release(tx).and_then(|()| tidy::remove_transaction(locked, &tx.run));
        if let Err(e) = gone {
            log::warn!("run {}: {e}; the next verb tidies up", tx.run);
        }
        refusal.into()
    }

    fn states(&self) -> Result<quiesce::Were, Failure> {
        let issued = Cell::new(false);
        self.quiesce(&issued).states()
    }

    pub(super) fn quiesce<'b>(&'b self, issued: &'b Cell<bool>) -> Quiesce<'b> {
        Quiesce {
            plan: &self.tx.plan,
            services: self.services,
            faces: self.faces,
            extent: Extent::Whole,
            cancellable: true,
            issued,
            under_way: None,
        }
    }

    /// Waits until the installer has ended. `ran`: how long it has run already.
    pub(super) fn wait(&self, ran: Duration) -> Result<Waited, Failure> {
        let begun = Instant::now();
        loop {
            // Asked first: what a holder that is gone has written, it wrote before.
            let lives = holder::lives(&self.tx.folder)?;
            let word = holder::word(&self.tx.folder)?;
            if let Some(exit) = word.exit {
                return Ok(Waited::Ended(exit));
            }
            if !lives && !word.let_go {
                return Ok(Waited::NeverRan);
            }
            // The holder was killed: its orphans are told by their mark.
            if !lives && self.is_idle()? {
                return Ok(Waited::Ended(Exit::Unknown));
            }
            let limit = self.terms.timeout.map(Duration::from_secs);
            if limit.is_some_and(|limit| ran.saturating_add(begun.elapsed()) >= limit) {
                self.end_members()?;
                return Ok(Waited::Ended(Exit::TimedOut));
            }
            if self.faces.cancel.requested().is_some() {
                if self.side == Side::Recovery {
                    return Ok(Waited::Runs(self.runs()?));
                }
                self.end_members()?;
                return Ok(Waited::Ended(Exit::CalledOff));
            }
            std::thread::sleep(POLL);
        }
    }

    /// The installer has ended: that is written down, and its work judged.
    pub(super) fn ended(mut self, exit: Exit) -> RunReport {
        if let Err(failure) = self.record(Record::InstallerExited { code: exit.clone() }) {
            return self.report(Ending::Unfinished(failure), true);
        }
        if self.terms.codes.wants_a_reboot(&exit) {
            // Hours may go by until then: what comes meanwhile is nobody's to take away. What its rest behind the reboot makes
            // stays with that, and is named.
            let _ = self.leave_came();
            return self.report(Ending::RebootPending(Failure::Installer(exit)), true);
        }
        self.conclude(&exit)
    }

    /// Everything of the installer that lives.
    pub(super) fn members(&self) -> Result<Vec<Member>, Failure> {
        let listed = group::members(self.tx.run.as_str(), self.holder);
        listed.map_err(|e| Failure::Process { why: chain(&e) })
    }

    /// What of the installer is still at work: what it left running for good made itself a session of its own.
    pub(super) fn at_work(&self) -> Result<Vec<Member>, Failure> {
        Ok(self.members()?.into_iter().filter(|member| !member.detached).collect())
    }

    /// Whether nothing of the installer is at work, nor what works for installers.
    pub(super) fn is_idle(&self) -> Result<bool, Failure> {
        Ok(self.at_work()?.is_empty() && !msi::is_at_work())
    }

    /// That the installer goes on, as a failure.
    pub(super) fn runs(&self) -> Result<Failure, Failure> {
        let processes = named(&self.at_work()?);
        Ok(if processes.is_empty() { Failure::MsiRuns } else { Failure::InstallerRuns { processes } })
    }

    /// Ends everything of the installer.
    pub(super) fn end_members(&self) -> Result<(), Failure> {
        let ended = group::end(self.tx.run.as_str(), self.holder);
        ended.map_err(|e| Failure::Process { why: chain(&e) })
    }

    /// Waits until Windows Installer is not at work: nobody ends that, and it goes on, or back, behind the end of whoever asked
    /// for it. A recovery waits as long as it may; a guard, which may be called off already, as long as its installer might have
    /// taken.
    pub(super) fn msi_ends(&self) -> Result<(), Failure> {
        let (begun, limit) = (Instant::now(), self.terms.timeout.map_or(MSI, Duration::from_secs));
        while msi::is_at_work() {
            let over = match self.side {
                Side::Guard => begun.elapsed() >= limit,
                Side::Recovery => self.faces.cancel.requested().is_some(),
            };
            if over {
                return Err(Failure::MsiRuns);
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

/// Image and number of each.
pub(super) fn named(members: &[Member]) -> Vec<(String, u32)> {
    members.iter().map(|m| (m.process.image.clone(), m.process.pid)).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use backout_machine::process;
    use std::{path::PathBuf, process::Stdio};

    #[test]
    fn a_holder_that_was_told_nothing_is_ended() {
        let mut sleep = std::process::Command::new("/bin/sleep");
        sleep.arg("600").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = sleep.spawn().unwrap();
        let pid = child.id();
        let lives = || {
            let running = process::running(&["sleep".to_owned()], &[PathBuf::from("/bin")]).unwrap();
            running.iter().any(|p| p.pid == pid)
        };
        // A child that has not yet become its program is not seen as one.
        while !lives() {
            std::thread::yield_now();
        }
        dismiss(child);
        assert!(!lives());
    }
}
