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
    messages::worker as messages,
    session::{Session, after},
    signals, terminal,
};
use backout_engine::{Ending, Observer, Refusal, RunReport, State, recover, window::Extent};
use backout_protocol::{Outcome, RunId};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
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
        Verb::Rollback { dry_run, .. } | Verb::Undo { dry_run, .. } => !dry_run,
        Verb::Recover { dry_run, abandon, .. } => !dry_run && !abandon,
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
    let end = attend(&session, &mut child);
    let how = match end {
        End::Answered(answer) => return Some(*answer),
        End::Panicked(why) => How { words: messages::panicked(&why), panic: Some(why) },
        End::Died(status) => How { words: messages::died(&status.to_string()), panic: None },
    };
    log::warn!("{}", how.words);
    let whose = match (&cli.verb, open) {
        (Verb::Recover { .. }, Some(open)) => recover::Whose::Run(open),
        _ => recover::Whose::Process { pid, known },
    };
    let mut answer = settle(&session, &whose, &how, &cli.verb);
    answer.result.request_id.clone_from(&cli.global.request_id);
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
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

/// Shows what the worker tells until it has ended.
fn attend(session: &Session, child: &mut Child) -> End {
    let mut answers = child.stdin.take();
    let ended = Arc::new(AtomicBool::new(false));
    let frames = listen(child, Arc::clone(&ended));
    let (mut passed, mut drained) = (false, None);
    let mut end = None;
    loop {
        if session.cancel.requested().is_some() && !passed {
            passed = true;
            signals::interrupt(child);
        }
        match frames.recv_timeout(LOOK) {
            Ok(Frame::Answer(answer)) => end = Some(End::Answered(answer)),
            Ok(Frame::Panicked(why)) => end = Some(End::Panicked(why)),
            Ok(Frame::Ask(question)) => reply(session, &mut answers, &question, &ended),
            Ok(Frame::Out(line)) => terminal::out(&line),
            Ok(Frame::Err(line)) => terminal::err(&line),
            Ok(Frame::Event(event)) => session.progress.event(&event),
            Err(RecvTimeoutError::Disconnected) => break,
            // Something that the worker started may hold its output open after its end.
            Err(RecvTimeoutError::Timeout) => match (child.try_wait(), drained) {
                (Ok(Some(_)), None) => drained = after(DRAIN),
                (Ok(Some(_)), Some(until)) if Instant::now() >= until => break,
                _ => {}
            },
        }
    }
    let status = child.wait();
    match (end, status) {
        (Some(end), _) => end,
        (None, Ok(status)) => End::Died(status),
        (None, Err(e)) => End::Panicked(e.to_string()),
    }
}

/// What the worker says, as it says it. What is no frame was printed by somebody else in its process.
fn listen(child: &mut Child, ended: Arc<AtomicBool>) -> Receiver<Frame> {
    let (sender, frames) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
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
    let recovering = matches!(verb, Verb::Recover { .. });
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
                std::thread::sleep(LOOK);
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
    let put_back = matches!(report.ending, Ending::RolledBack(_));
    let completed = matches!(report.ending, Ending::Completed);
    let mut answer = Answer::from(report);
    if completed || (put_back && recovering) {
        let warning = messages::settled(&how.words);
        if how.panic.is_some() {
            let said = messages::bug_settled(&how.words);
            answer.result.error = Some(said.info());
            answer.said = Some(said);
        } else {
            answer.result.warnings.push(warning);
        }
    } else if put_back {
        let said = messages::put_back(&how.words);
        answer.result.exit_code = exit_code::PUT_BACK;
        answer.result.error = Some(said.info());
        answer.said = Some(said);
    }
    answer
}
