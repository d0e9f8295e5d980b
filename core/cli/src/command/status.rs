//! `backout status`: is a run unfinished, and what would `recover` do?

use crate::{
    answer::Answer,
    exit_code,
    messages::{Said, bytes, confirm, refusal},
    session::{Session, Stop, stop},
};
use backout_engine::{Observer, Refusal, State, guard, history};
use backout_journal::{Remedy, Status};
use backout_protocol::{Event, Outcome, RunId};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

pub(crate) fn run(session: &Session, follow: bool) -> Result<Answer, Stop> {
    let Some(state) = State::look(&session.state).map_err(stop)? else {
        return Ok(Answer::read("no run is unfinished".into(), json!({ "open": null })));
    };
    if follow {
        self::follow(session, &state)?;
    }
    if let Some(process) = state.worker().map_err(stop)? {
        return under_way(&state, process);
    }
    standing(&state)
}

/// For an installer that asks before it has any rights, and asks again when it has: what cannot be looked at is no reason
/// to stop it yet.
pub(crate) fn known(session: &Session) -> Answer {
    let mut answer = run(session, false).unwrap_or_else(|stop| *stop);
    let open = [exit_code::LOCKED, exit_code::UNFINISHED, exit_code::STUCK];
    if !open.contains(&answer.result.exit_code) {
        answer.result.exit_code = exit_code::DONE;
    }
    answer
}

/// How often a run that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Shows the log of the run that is under way, or of the one that begins next, line by line, until nobody works here any more.
fn follow(session: &Session, state: &State) -> Result<(), Stop> {
    let mut shown: Option<(RunId, u64)> = None;
    let open = state.unfinished().map_err(stop)?.map(|open| open.run);
    let mut over: BTreeSet<RunId> = state.history_ids().map_err(stop)?.into_iter().collect();
    over.extend(state.transaction_ids().map_err(stop)?.into_iter().filter(|run| Some(run) != open.as_ref()));
    let mut waiting = false;
    loop {
        // Asked before the log is read: what is written before the lock goes is shown.
        let worker = state.worker().map_err(stop)?;
        if let Some((run, path)) = state.newest_log().map_err(stop)?
            && !over.contains(&run)
            && (worker.is_some() || shown.as_ref().is_some_and(|(r, _)| *r == run))
        {
            let from = shown.as_ref().filter(|(r, _)| *r == run).map_or(0, |(_, from)| *from);
            shown = Some((run, from + show_lines(session, &path, from)));
        }
        if let (Some(process), None, false) = (worker, &shown, waiting) {
            waiting = true;
            let line = format!("process {process} is at work and has begun no run yet");
            session.progress.event(&Event::Log { line });
        }
        if worker.is_none() || session.cancel.requested().is_some() {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

/// Shows the whole lines behind byte `from`; says how many bytes they are. A log that moves away is found next time.
fn show_lines(session: &Session, path: &Path, from: u64) -> u64 {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut log| {
        log.seek(SeekFrom::Start(from))?;
        log.read_to_end(&mut bytes)
    });
    if read.is_err() {
        return 0;
    }
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
        session.progress.event(&Event::Log { line: line.to_owned() });
    }
    whole as u64
}

/// Another process is at work: whatever is open now is not left over.
fn under_way(state: &State, process: u32) -> Result<Answer, Stop> {
    let open = state.unfinished().map_err(stop)?;
    let stands = open.as_ref().and_then(|o| o.reading.as_ref().ok()).map(|r| words(r.status));
    let what = match (&open, stands) {
        (Some(open), Some(stands)) => format!("the run {} is under way: {stands}", open.run),
        _ => "backout is at work".to_owned(),
    };
    let awaited = open.as_ref().and_then(|open| Some((open.run.clone(), guard::awaited(state, open)?)));
    let run = open.map(|o| o.run);
    let mut text =
        format!("{what}\nprocess {process} carries it out; `backout status --follow` shows what it does");
    let mut data = json!({ "under_way": { "run": run, "stands": stands, "process": process } });
    if let Some((run, awaited)) = &awaited {
        text.push('\n');
        text.push_str(&confirm::stands(run, awaited));
        data["under_way"]["confirm"] = confirm::data(awaited);
    }
    let mut answer = Answer::plain(exit_code::LOCKED, Outcome::Unfinished, text, data);
    answer.result.run_id = run;
    answer.result.error = Some(refusal::said(&Refusal::Locked { pid: Some(process) }).info());
    Ok(answer)
}

fn standing(state: &State) -> Result<Answer, Stop> {
    let kept = history::kept(state).map_err(stop)?;
    let total: u64 = kept.iter().map(|k| k.bytes).sum();
    let kept_json: Vec<_> =
        kept.iter().map(|k| json!({ "run": k.run, "bytes": k.bytes, "folders": k.folders })).collect();
    let Some(open) = state.unfinished().map_err(stop)? else {
        let text = format!(
            "no run is unfinished; {} finished runs keep {} beside their targets",
            kept.len(),
            bytes(total)
        );
        return Ok(Answer::read(text, json!({ "open": null, "kept": kept_json })));
    };
    let asks_for_a_reboot = guard::waits_for_a_reboot(state, &open);
    let (stands, will) = match &open.reading {
        Ok(reading) if reading.lines.is_empty() => {
            ("its journal is lost, and files were swapped", "change nothing and explain")
        }
        Ok(_) if asks_for_a_reboot => (
            "the installer has ended and asks for a reboot",
            "do nothing before the reboot; behind it judge the installer's work, and keep it or take everything back",
        ),
        Ok(reading) => (words(reading.status), remedy(reading.remedy())),
        Err(e) => {
            // Shown as it is: nothing is done on a journal like that.
            log::warn!("{e}");
            ("its journal cannot be acted on", "change nothing and explain")
        }
    };
    let awaited = guard::awaited(state, &open);
    let text = match (open.waits_for_its_commit(), &awaited) {
        (true, _) => crate::messages::staged::waits(Some(&open.run)),
        (_, Some(awaited)) => confirm::stands(&open.run, awaited),
        (false, None) => {
            format!("the run {} is unfinished: {stands}\n`backout recover` will {will}", open.run)
        }
    };
    let mut data =
        json!({ "open": { "run": open.run, "stands": stands, "recover_will": will }, "kept": kept_json });
    if let Some(awaited) = &awaited {
        data["open"]["confirm"] = confirm::data(awaited);
    }
    let waits = open.waits_for_a_reboot() || asks_for_a_reboot;
    let run = open.run.clone();
    let refused = open.refusal();
    let (code, outcome) = exit_code::of_refusal(&refused);
    let mut answer = Answer::plain(code, outcome, text, data);
    answer.result.reboot_required = waits;
    let said: Said = refusal::said(&refused);
    answer.result.error = Some(said.info());
    answer.result.run_id = Some(run);
    Ok(answer)
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Nothing => "nothing had been done",
        Status::Begun => "new files were being staged; no service was touched, every file is old",
        Status::Staged => "everything is staged; no service was touched, every file is old",
        Status::CommitPending => {
            "everything is staged and waits for its commit; no service was touched, every file is old"
        }
        Status::Opening => "services were being stopped; every file is old",
        Status::Reopening => "services were being started again; every file is old",
        Status::Armed => "files were being swapped; some may be old, some new",
        Status::Applying(_) => "every file is new; an action of a plugin was under way",
        Status::Applied(_) => "every file is new; actions of plugins were being done",
        Status::Swapped => "every file is new; services were being started",
        Status::Undoing => "actions and files were being put back; some may be old, some new",
        Status::Unswapped => "every file is old again; services were being started",
        Status::Deferring => {
            "files were being put back, to be replaced by a reboot; some may be old, some new"
        }
        Status::Deferred => {
            "every file is old again, to be replaced by a reboot; services were being started"
        }
        Status::RebootPending => "a reboot replaces its files, or has done so",
        Status::Guarding => "a snapshot is taken; the installer was not let go",
        Status::Installing => "the installer was let go; it may still run, or have been cut off",
        Status::Judging => "the installer has ended; its work was being judged",
        Status::AwaitingConfirm => "the installer's work waits to be confirmed",
        Status::GoingBack => "the installer's work was being taken back to the snapshot",
        Status::Committed | Status::CommittedClean => "it is over, every file is new",
        Status::Undone | Status::UndoneClean => "it is over, every file is old",
    }
}

fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Forget => "forget it",
        Remedy::DropStaging => "remove what was staged",
        Remedy::AwaitCommit => "leave it as it is: it waits for `backout commit`",
        Remedy::DropStagingAndResume => "start what ran and remove what was staged",
        Remedy::SwapOn => {
            "stop the services, swap and do the rest, and start what ran; or put everything back"
        }
        Remedy::ResumeForwards => "start what ran and look at its health; or put everything back",
        Remedy::PutBack => "stop the services, put every action and file back, and start what ran",
        Remedy::ResumeBackwards => "start what ran",
        Remedy::PutBackAndQueue => {
            "stop the services, put every file back, start what ran, and leave the files to a reboot"
        }
        Remedy::ResumeAndQueue => "start what ran, and leave the files to a reboot",
        Remedy::AwaitReboot => "do nothing before the reboot; behind it carry the run to its end",
        Remedy::Judge => {
            "wait for the installer's end, judge its work, and keep it or take everything back to the snapshot"
        }
        Remedy::AwaitConfirm => {
            "wait until it is confirmed, and take everything back to the snapshot if the time for that is over"
        }
        Remedy::GoBack => "take everything back to the snapshot, and start what ran",
        Remedy::TidyUp => "tidy up",
    }
}
