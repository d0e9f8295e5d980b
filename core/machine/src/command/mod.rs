//! Runs one program and waits for it, without ever being held up by what it leaves behind.
//!
//! A command is run without a shell, in a process group of its own (Ctrl-C at the terminal is ours to handle, not
//! its), in `/`, with no input. What it prints goes to a nameless file: a daemon that a start command leaves behind
//! inherits its output, and a pipe would then hang us or, once we are gone, kill the daemon with SIGPIPE.

use crate::patience::{Look, Patience};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

/// How much of the end of a command's output is kept.
const TAIL: u64 = 2048;
/// How much of an answer is kept.
#[cfg(unix)]
const ANSWER: u64 = 4 << 20;
/// How long a killed command is waited for; one stuck inside the kernel is left behind.
const REAP: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The environment of a system's tool that is asked something.
#[cfg(unix)]
pub(crate) const PLAIN: [(&str, &str); 2] = [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C")];

/// Whom a time-out kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The command and all it started that is still in its group.
    Group,
    /// The command alone: its group may already hold the service it started.
    Command,
}

/// How a command ended. `said` is the end of what it printed on both outputs.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself; no code if a signal ended it.
    Exited { code: Option<i32>, said: String },
    /// Killed at the limit.
    TimedOut { said: String },
    /// Killed because the wait was called off.
    Cancelled { said: String },
}

/// Runs `argv` and waits for it. Fails if it cannot be started.
pub(crate) fn run(argv: &[String], patience: &Patience<'_>, reach: Reach) -> io::Result<Ended> {
    run_holding(None, argv, patience, reach)
}

/// As [`run`]; the command has `held` as its input, which it is not to read: so it holds that file open until it ends,
/// whatever becomes of us.
pub(crate) fn run_holding(
    held: Option<&File>,
    argv: &[String],
    patience: &Patience<'_>,
    reach: Reach,
) -> io::Result<Ended> {
    let output = nameless();
    let sinks = Sinks { held, out: output.as_ref(), err: output.as_ref(), environment: None };
    run_into(argv, &sinks, patience, reach)
}

/// Runs `argv` with this environment and no other, and gives all that it printed on its standard output, up to
/// [`ANSWER`] bytes; `said` is what it printed on the other. Nothing of it touches a disk. At the limit it is killed
/// with all it started. `held` as in [`run_holding`].
#[cfg(unix)]
pub(crate) fn ask(
    held: Option<&File>,
    argv: &[String],
    environment: &[(&str, &str)],
    patience: &Patience<'_>,
) -> io::Result<(Ended, Vec<u8>)> {
    let (out, err) = (os::memory()?, os::memory()?);
    let sinks = Sinks { held, out: Some(&out), err: Some(&err), environment: Some(environment) };
    let ended = run_into(argv, &sinks, patience, Reach::Group)?;
    let mut answer = vec![0; out.metadata()?.len().min(ANSWER) as usize];
    let mut got = 0;
    while got < answer.len() {
        match os::read_at(&out, &mut answer[got..], got as u64)? {
            0 => break,
            n => got += n,
        }
    }
    answer.truncate(got);
    Ok((ended, answer))
}

/// What a command has as its input, where its output goes, and what it finds in its environment; `None`: ours.
struct Sinks<'a> {
    held: Option<&'a File>,
    out: Option<&'a File>,
    err: Option<&'a File>,
    environment: Option<&'a [(&'a str, &'a str)]>,
}

fn run_into(argv: &[String], sinks: &Sinks<'_>, patience: &Patience<'_>, reach: Reach) -> io::Result<Ended> {
    let mut wait = patience.begin(FIRST_PAUSE, LONGEST_PAUSE);
    let output = sinks.err;
    let (mut child, group) = loop {
        match spawn(argv, sinks) {
            Ok(child) => break child,
            // Somebody, perhaps a child just forked, still has the program open for writing.
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && wait.pause() == Look::Again => {}
            Err(error) => return Err(error),
        }
    };
    log::debug!("running {} as process {}", typed(argv), child.id());
    loop {
        if let Some(status) = child.try_wait()? {
            log::debug!("process {} ended: {status}", child.id());
            return Ok(Ended::Exited { code: status.code(), said: said(output) });
        }
        match wait.pause() {
            Look::Again => {}
            Look::TimeUp => {
                kill(&mut child, &group, reach);
                return Ok(Ended::TimedOut { said: said(output) });
            }
            Look::Cancelled => {
                kill(&mut child, &group, reach);
                return Ok(Ended::Cancelled { said: said(output) });
            }
        }
    }
}

/// The program's name as given if it is not an absolute path.
pub(crate) fn absolute(argv: &[String]) -> Result<&Path, String> {
    let program = argv.first().map(String::as_str).unwrap_or_default();
    let path = Path::new(program);
    if path.is_absolute() { Ok(path) } else { Err(program.to_owned()) }
}

/// A command as a person types it.
pub(crate) fn typed(argv: &[String]) -> String {
    let plain =
        |a: &str| !a.is_empty() && a.bytes().all(|b| b.is_ascii_alphanumeric() || os::PLAIN.contains(&b));
    let word = |a: &String| if plain(a) { a.clone() } else { os::quoted(a) };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// An exit code in words.
pub(crate) fn exit(code: Option<i32>) -> String {
    code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"))
}

/// What a command said, to be put behind a sentence; nothing if it said nothing.
pub(crate) fn quote(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(", it said: {said}") }
}

fn spawn(argv: &[String], sinks: &Sinks<'_>) -> io::Result<(Child, os::Group)> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let sink = |file: Option<&File>| {
        file.map_or_else(|| Ok(Stdio::null()), |file| Ok::<_, io::Error>(file.try_clone()?.into()))
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(os::root()).stdin(sink(sinks.held)?);
    command.stdout(sink(sinks.out)?).stderr(sink(sinks.err)?);
    if let Some(environment) = sinks.environment {
        command.env_clear().envs(environment.iter().copied());
    }
    os::spawn(&mut command)
}

/// Where commands run, and what a relative script among their arguments is found from.
pub(crate) fn root() -> PathBuf {
    os::root()
}

/// A full or read-only disk must not keep a service from being started again: then nothing is kept of what is said.
fn nameless() -> Option<File> {
    tempfile::tempfile()
        .inspect_err(|e| log::warn!("what commands print is not kept: no temporary file: {e}"))
        .ok()
}

fn kill(child: &mut Child, group: &os::Group, reach: Reach) {
    // The command is not reaped yet, so its number and its group's are still its own.
    if let Err(error) = os::kill(child, group, reach) {
        log::warn!("process {} could not be killed: {error}", child.id());
    }
    let mut wait = Patience::firm(REAP).begin(FIRST_PAUSE, LONGEST_PAUSE);
    while matches!(child.try_wait(), Ok(None)) && wait.pause() == Look::Again {}
}

/// The end of what was printed. Read without moving the position, which a daemon still writing shares.
fn said(output: Option<&File>) -> String {
    let tail = || -> io::Result<Vec<u8>> {
        let Some(file) = output else { return Ok(Vec::new()) };
        let len = file.metadata()?.len();
        let mut bytes = vec![0; len.min(TAIL) as usize];
        let got = os::read_at(file, &mut bytes, len.saturating_sub(TAIL))?;
        bytes.truncate(got);
        Ok(bytes)
    };
    let bytes = tail().unwrap_or_default();
    // A cut may fall into a character; what is left of it is not shown.
    let start = bytes.iter().take(3).take_while(|b| bytes.len() as u64 == TAIL && **b & 0xc0 == 0x80).count();
    os::text(&bytes[start..]).trim().to_owned()
}
