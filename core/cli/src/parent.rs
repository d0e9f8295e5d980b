//! The small parent of a worker: shows what the worker tells it, and settles the worker's run if it dies.
//!
//! It acts on any end of the worker without an answer: a signal, a panic, a lack of memory. It runs the recovery itself
//! and prints the one result. Its own death ends nothing: the worker goes on. If both die, everything stays as it is
//! until `backout recover` runs.

use crate::{
    answer::Answer,
    args::{Asking, BootPart, Cli, Global, Verb},
    exit_code,
    frame::{Frame, NO, YES},
    logging,
    messages::{guard, refusal, staged, worker as messages},
    request,
    session::{Session, after},
    signals, terminal,
};
use backout_engine::{Cancel, Ending, Observer, Refusal, RunReport, State, recover, window::Extent};
use backout_protocol::{Outcome, RunId};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// How often the parent looks for a signal or a worker that has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long what a dead worker has still said is read.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a lock is waited for that somebody took in the moment between the worker's death and the settling.
const LOCK: Duration = Duration::from_secs(30);

/// Whether this call gets a parent: those that change something do.
pub(crate) fn wanted(cli: &Cli) -> bool {
    let changes = match &cli.verb {
        Verb::Rollback { dry_run, .. }
        | Verb::Commit { dry_run, .. }
        | Verb::Apply { dry_run, .. }
        | Verb::Undo { dry_run, .. } => !dry_run,
        Verb::Recover { dry_run, abandon, .. } => !dry_run && !abandon,
        Verb::Guard(wish) => !wish.dry_run,
        _ => false,
    };
    changes && !cli.global.no_parent
}

/// How a worker ended.
enum End {
    /// With its answer.
    Answered(Box<Answer>),
    /// It panicked, in these words.
    Panicked(String),
    /// Without a word.
    Died(ExitStatus),
}

/// Carries the call out in a worker. `None`: none can be started, and nothing was done.
pub(crate) fn run(cli: &Cli) -> Option<Answer> {
    // The time limit is the worker's; a parent whose time is over would still have to settle the run.
    let session = Session::new(Global { timeout: None, ..cli.global.clone() });
    let asking = if terminal::can_ask() { Asking::Terminal } else { Asking::Nobody };
    let known = known(&session);
    let open = State::look(&session.state).ok().flatten();
    let open = open.and_then(|s| s.unfinished().ok().flatten()).map(|open| open.run);
    let mut child = match spawn(asking) {
        Ok(child) => child,
        Err(e) => {
            log::warn!("no process of its own for the run: {e}");
            return None;
        }
    };
    let pid = child.id();
    let attended = attend(&session, &mut child);
    let how = match attended.end {
        End::Answered(answer) => return Some(*answer),
        End::Panicked(why) => How { words: messages::panicked(&why), panic: Some(why) },
        End::Died(status) => How { words: messages::died(&status.to_string()), panic: None },
    };
    log::warn!("{}", how.words);
    // What it told last is what it worked on; without a word of it there is still what its records say.
    let whose = match (attended.begun.clone(), &cli.verb, open) {
        (Some(run), ..) => recover::Whose::Run(run),
        (None, Verb::Recover { .. } | Verb::Commit { .. }, Some(open)) => recover::Whose::Run(open),
        (None, ..) => recover::Whose::Process { pid, known },
    };
    let mut answer = settle(&session, &whose, &how, &cli.verb);
    if answer.result.run_id.is_none() && answer.result.exit_code == exit_code::UNFINISHED {
        answer.result.run_id = attended.begun;
    }
    answer.result.request_id.clone_from(&cli.global.request_id);
    // Whoever asks again is told the same. Where the lock cannot be had the records tell it, in other words.
    if let Ok(locked) = State::lock(&session.state) {
        request::remember(&locked, &answer, &session);
    }
    Some(answer)
}

/// Why a worker gave no answer.
struct How {
    words: String,
    panic: Option<String>,
}

/// Every run that the state folder knew before.
fn known(session: &Session) -> BTreeSet<RunId> {
    let Ok(Some(state)) = State::look(&session.state) else { return BTreeSet::new() };
    let ids = [state.transaction_ids(), state.history_ids()];
    ids.into_iter().flat_map(Result::unwrap_or_default).collect()
}

/// The same call once more, as a worker.
fn spawn(asking: Asking) -> std::io::Result<Child> {
    let asking = match asking {
        Asking::Terminal => "--worker=terminal",
        Asking::Nobody => "--worker=nobody",
    };
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(asking).args(std::env::args_os().skip(1));
    signals::keep_from_terminal(&mut command);
    backout_machine::open_files::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))
}

/// What a parent has seen of its worker.
struct Attended {
    end: End,
    /// The run that it told of.
    begun: Option<RunId>,
}

/// Shows what the worker tells until it has ended, and passes on what asks us to stop.
fn attend(session: &Session, child: &mut Child) -> Attended {
    let answers = child.stdin.take();
    let ended = Arc::new(AtomicBool::new(false));
    let frames = listen(child, Arc::clone(&ended));
    let worker = Mutex::new(&mut *child);
    let (shown, over) = mpsc::channel();
    let (end, begun) = thread::scope(|scope| {
        // Gone with its scope, also by a panic: then nothing is passed on any more.
        let _shown: Sender<()> = shown;
        let (cancel, worker) = (&session.cancel, &worker);
        // Apart: what is shown waits for a reader that is slow or asleep.
        scope.spawn(move || pass_on(cancel, worker, &over));
        show(session, worker, answers, &frames, &ended)
    });
    let end = match (end, child.wait()) {
        (Some(end), _) => end,
        (None, Ok(status)) => End::Died(status),
        (None, Err(e)) => End::Panicked(e.to_string()),
    };
    Attended { end, begun }
}

/// The worker, for whoever looks at it.
fn at<'a, 'c>(worker: &'a Mutex<&'c mut Child>) -> MutexGuard<'a, &'c mut Child> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what asks us to stop, until `over`: that somebody asks, and that the system ends us, each once, since a worker
/// that was asked may still have to know of its end.
fn pass_on(cancel: &Cancel, worker: &Mutex<&mut Child>, over: &Receiver<()>) {
    let mut passed = None;
    while over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let asked = cancel.requested().map(|_| cancel.ends_the_process());
        if asked == passed {
            continue;
        }
        passed = asked;
        let mut worker = at(worker);
        // The number of one that was reaped may be another's.
        if matches!(worker.try_wait(), Ok(None)) {
            signals::interrupt(&worker, cancel);
        }
    }
}

/// Shows what the worker tells until it says nothing more: its answer, if it gave one, and the run that it told of.
fn show(
    session: &Session,
    worker: &Mutex<&mut Child>,
    mut answers: Option<ChildStdin>,
    frames: &Receiver<Frame>,
    ended: &AtomicBool,
) -> (Option<End>, Option<RunId>) {
    let (mut drained, mut end, mut begun) = (None, None, None);
    loop {
        match frames.recv_timeout(LOOK) {
            Ok(Frame::Answer(answer)) => end = Some(End::Answered(answer)),
            Ok(Frame::Panicked(why)) => end = Some(End::Panicked(why)),
            Ok(Frame::Ask(question)) => reply(session, &mut answers, &question, ended),
            Ok(Frame::Out(line)) => terminal::out(&line),
            Ok(Frame::Err(line)) => terminal::err(&line),
            Ok(Frame::Log { level, target, text }) => logging::of_worker(&level, &target, &text),
            Ok(Frame::Begun(run)) => begun = Some(run),
            Ok(Frame::Event(event)) => session.progress.event(&event),
            Err(RecvTimeoutError::Disconnected) => break,
            // Something that the worker started may hold its output open after its end.
            Err(RecvTimeoutError::Timeout) => match (at(worker).try_wait(), drained) {
                (Ok(Some(_)), None) => drained = after(DRAIN),
                (Ok(Some(_)), Some(until)) if Instant::now() >= until => break,
                _ => {}
            },
        }
    }
    (end, begun)
}

/// What the worker says, as it says it. What is no frame was printed by somebody else in its process.
fn listen(child: &mut Child, ended: Arc<AtomicBool>) -> Receiver<Frame> {
    let (sender, frames) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || {
            let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
            for line in lines.filter(|line| !line.is_empty()) {
                match serde_json::from_slice(&line) {
                    Ok(frame) => {
                        if sender.send(frame).is_err() {
                            break;
                        }
                    }
                    Err(_) => log::warn!("printed in the worker: {}", String::from_utf8_lossy(&line)),
                }
            }
            ended.store(true, Ordering::SeqCst);
        });
    }
    frames
}

fn reply(session: &Session, answers: &mut Option<ChildStdin>, question: &str, ended: &AtomicBool) {
    let called_off = || session.cancel.requested().is_some() || ended.load(Ordering::SeqCst);
    let said = match terminal::ask(question, called_off) {
        Some(true) => YES,
        Some(false) => NO,
        // The worker has had the same signal.
        None => return,
    };
    // A worker that is gone by now is seen at once.
    let _ = answers.as_mut().map(|to| writeln!(to, "{said}").and_then(|()| to.flush()));
}

/// Settles what the worker left, and says how it ended.
fn settle(session: &Session, whose: &recover::Whose, how: &How, verb: &Verb) -> Answer {
    let task = match verb {
        Verb::Recover { cancel_staged: true, .. } => Task::CallOff,
        Verb::Recover { .. } => Task::Recover,
        Verb::Commit { .. } => Task::Commit,
        _ => Task::Run,
    };
    let extent = match verb {
        Verb::Recover { boot: Some(BootPart::Files), .. } => Extent::Files,
        _ => Extent::Whole,
    };
    let until = after(LOCK);
    let report = loop {
        match recover::after(&session.state, whose, extent, &session.faces()) {
            Some(RunReport { ending: Ending::Refused(Refusal::Locked { .. }), .. })
                if until.is_none_or(|u| Instant::now() < u) =>
            {
                thread::sleep(LOOK);
            }
            report => break report,
        }
    };
    let Some(report) = report else {
        return match &how.panic {
            Some(_) => Answer::error(exit_code::BUG, Outcome::Refused, messages::nothing_begun(&how.words)),
            None => Answer::error(exit_code::REFUSED, Outcome::Refused, messages::nothing_begun(&how.words)),
        };
    };
    told(report, how, task)
}

/// What a worker was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// To begin a run, and perhaps to carry it out.
    Run,
    /// To open the window of one that is staged.
    Commit,
    /// To call that off.
    CallOff,
    /// To settle one.
    Recover,
}

/// The answer of a run that its worker left and the parent has settled, or tried to.
fn told(report: RunReport, how: &How, task: Task) -> Answer {
    if matches!(report.ending, Ending::Staged) && matches!(task, Task::Commit | Task::CallOff) {
        let mut answer = Answer::error(exit_code::REFUSED, Outcome::Refused, staged::still(&how.words));
        answer.result.run_id = report.run;
        return answer;
    }
    let settled = match &report.ending {
        Ending::Refused(refused) => {
            // Somebody else has the lock, or the state folder cannot be used now. Whatever the worker had begun is open.
            let said = messages::not_settled(&how.words, &refusal::said(refused));
            return Answer::error(exit_code::UNFINISHED, Outcome::Unfinished, said);
        }
        Ending::Done
        | Ending::NothingToDo
        | Ending::Staged
        | Ending::Completed
        | Ending::FilesSettled
        | Ending::RebootPending(_) => true,
        Ending::RolledBack(_) | Ending::PutBack(_) if matches!(task, Task::Recover | Task::CallOff) => true,
        Ending::RolledBack(_) | Ending::PutBack(_) => {
            let mut answer = Answer::from(report);
            answer.result.exit_code = exit_code::PUT_BACK;
            answer.say(messages::put_back(&how.words));
            return answer;
        }
        Ending::Unfinished(_) | Ending::Stuck { .. } => false,
    };
    let spite = report.notices.iter().find_map(guard::in_spite).filter(|_| task != Task::Recover && settled);
    let mut answer = Answer::from(report);
    if let Some(said) = spite {
        answer.result.exit_code = exit_code::DIFFERENT;
        answer.say(messages::then(&how.words, said));
        return answer;
    }
    match (settled, &how.panic, answer.said.take()) {
        (true, None, said) => {
            answer.said = said;
            answer.result.warnings.push(messages::settled(&how.words));
        }
        (true, Some(_), _) => answer.say(messages::bug_settled(&how.words)),
        (false, _, Some(said)) => answer.say(messages::then(&how.words, said)),
        (false, _, None) => {}
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_engine::{Failure, Stuck};

    fn of(ending: Ending, panic: Option<&str>, task: Task) -> (u8, Outcome, String, String) {
        let words = panic.map_or_else(|| messages::died("signal: 9"), messages::panicked);
        let how = How { words, panic: panic.map(str::to_owned) };
        let answer = told(RunReport::of(ending), &how, task);
        let error = answer.result.error.map(|e| format!("{} {}", e.code, e.message));
        let warnings = answer.result.warnings.iter().map(|w| w.code.clone()).collect::<String>();
        (answer.result.exit_code, answer.result.outcome, error.unwrap_or_default(), warnings)
    }

    fn back() -> Ending {
        Ending::RolledBack(Failure::Recorded { why: "w".into() })
    }

    #[test]
    fn a_run_that_was_settled_ends_as_it_was_settled_and_a_panic_is_told_in_the_error() {
        let (code, outcome, error, warnings) = of(Ending::Completed, None, Task::Run);
        assert_eq!((code, outcome, &*error, &*warnings), (0, Outcome::Completed, "", "BKO-4030"));
        let (code, outcome, error, warnings) = of(Ending::Completed, Some("overflow"), Task::Run);
        assert_eq!((code, outcome, &*warnings), (0, Outcome::Completed, ""));
        assert!(error.starts_with("BKO-9071") && error.contains("overflow"), "{error}");
        let (code, outcome, error, _) = of(back(), Some("overflow"), Task::Run);
        assert_eq!((code, outcome), (20, Outcome::RolledBack));
        assert!(error.starts_with("BKO-2030") && error.contains("overflow"), "{error}");
        let (code, outcome, ..) = of(back(), None, Task::Recover);
        assert_eq!((code, outcome), (0, Outcome::RolledBack));
    }

    #[test]
    fn a_run_that_still_waits_is_what_staging_was_to_do_and_not_what_a_commit_was_to_do() {
        for (task, wanted) in [
            (Task::Run, (0, Outcome::Staged)),
            (Task::Recover, (0, Outcome::Staged)),
            (Task::Commit, (10, Outcome::Refused)),
            (Task::CallOff, (10, Outcome::Refused)),
        ] {
            let (code, outcome, ..) = of(Ending::Staged, None, task);
            assert_eq!((code, outcome), wanted, "{task:?}");
        }
        assert_eq!(of(back(), None, Task::Commit).0, 20);
        assert_eq!(of(back(), None, Task::CallOff).0, 0);
    }

    #[test]
    fn a_run_that_could_not_be_settled_says_both() {
        let stuck = || Ending::Stuck { after: None, why: Stuck::Process { why: "it runs on".into() } };
        for (panic, how) in [(None, "signal: 9"), (Some("overflow"), "overflow")] {
            let (code, outcome, error, _) = of(stuck(), panic, Task::Run);
            assert_eq!((code, outcome), (22, Outcome::Stuck));
            assert!(error.contains(how) && error.contains("it runs on"), "{error}");
            let unfinished = Ending::Unfinished(Failure::Journal { why: "it is full".into() });
            let (code, _, error, _) = of(unfinished, panic, Task::Run);
            assert_eq!(code, 21);
            assert!(error.contains(how) && error.contains("it is full"), "{error}");
            let refused = Ending::Refused(Refusal::Locked { pid: Some(7) });
            let (code, outcome, error, _) = of(refused, panic, Task::Run);
            assert_eq!((code, outcome), (21, Outcome::Unfinished));
            assert!(error.contains(how), "{error}");
        }
    }

    /// A worker that says which signal it gets.
    #[cfg(unix)]
    #[test]
    fn a_worker_that_was_asked_to_stop_still_hears_that_the_system_ends_it() {
        let lines = "trap 'echo asked' INT; trap 'echo ended' TERM; echo ready; while :; do sleep 0.01; done";
        let mut child = Command::new("sh").args(["-c", lines]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(said.next().unwrap(), "ready");
        let (asks, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let cancel = Cancel::new(Arc::clone(&asks), None).ended_by(Arc::clone(&ends));
        let (shown, over) = mpsc::channel::<()>();
        let worker = Mutex::new(&mut child);
        thread::scope(|scope| {
            let (cancel, worker, _shown) = (&cancel, &worker, shown);
            scope.spawn(move || pass_on(cancel, worker, &over));
            for (signal, word) in [(asks, "asked"), (ends, "ended")] {
                signal.store(true, Ordering::SeqCst);
                assert_eq!(said.next().unwrap(), word);
            }
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
