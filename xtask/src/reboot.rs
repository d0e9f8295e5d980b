//! A reboot under Wine: what `--on-locked reboot` has queued is moved while a new server's machine comes up, and a
//! recovery finishes the run behind it.

use crate::{
    build::{call, target},
    programs::Round,
    windows::{self, TARGET, environment, folder, prefix, wine},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The tests of files in use, and a reboot behind them. Nothing else may run there meanwhile, as the reboot ends it.
pub(crate) fn test(round: &mut Round) -> Result<(), String> {
    let server = prefix()?;
    let left = tests(round).and_then(|()| leave(round));
    drop(server);
    left?;
    let server = prefix()?;
    let found = settle();
    drop(server);
    found
}

/// The end-to-end tests with roles: a server with services of the service manager, and an installer that asks for a reboot.
const ROLES: [&str; 2] = ["locked_windows", "guard_windows"];
const LEAVE: &str = "leave_to_the_reboot";
const SETTLED: &str = "settled_behind_the_reboot";

fn roles(name: &str) -> Result<(), String> {
    ROLES.iter().try_for_each(|test| {
        let mut role = windows::for_windows("test");
        role.args(["--package", "backout-e2e", "--test", test, "--"]);
        call(environment(role.args(["--ignored", "--exact", "--nocapture", name])))
    })
}

/// The folder of a run whose moves are made, and of one whose moves somebody took out of the queue.
const LOCKED: &str = "locked";
const LOST: &str = "lost";

fn tests(round: &mut Round) -> Result<(), String> {
    windows::tests(&["--package", "backout-engine", "--test", "reboot"], round)
}

/// Leaves both runs to the reboot.
fn leave(round: &mut Round) -> Result<(), String> {
    let program = program()?;
    // The queue is emptied behind the first.
    for name in [LOST, LOCKED] {
        if let Err(why) = left(&program, name) {
            println!("-- {name} once more: {why}");
            left(&program, name)?;
            round.flaky.push(format!("a run left to the reboot ({name})"));
        }
    }
    roles(LEAVE)?;
    recovers(LOCKED, 30, "reboot-pending")?;
    holds(LOCKED, &OLD)?;
    // Somebody rewrites a target before the reboot.
    let rewritten = drive().join(LOCKED).join("home").join("live").join("a");
    fs::write(&rewritten, "drift").map_err(|e| format!("{}: {e}", rewritten.display()))
}

/// Leaves one run to the reboot, in a folder of this name.
fn left(program: &Path, name: &str) -> Result<(), String> {
    match fs::remove_dir_all(drive().join(name)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(format!("{name}: {e}")),
        _ => {}
    }
    let said = drive().join("left.txt");
    let fail = |e: std::io::Error| format!("{}: {e}", said.display());
    let sink = fs::File::create(&said).map_err(fail)?;
    let mut role = Command::new("wine");
    role.arg(program).args(["--exact", "leave_to_the_reboot", &format!(r"world:C:\{name}"), "--nocapture"]);
    let role = quiet(&mut role).stdout(sink.try_clone().map_err(fail)?).stderr(sink);
    call(role).map_err(|e| format!("{e}: {}", fs::read_to_string(&said).unwrap_or_default()))
}

/// Behind the reboot.
fn settle() -> Result<(), String> {
    call(quiet(Command::new("wine").args(["wineboot", "-r"])))?;
    let told = recovers(LOCKED, 0, "completed")?;
    holds(LOCKED, &NEW)?;
    if !told.contains(DRIFT_KEPT) {
        return Err(format!("{LOCKED}: a file that was rewritten is not told of: {told}"));
    }
    recovers(LOST, 0, "rolled-back")?;
    holds(LOST, &OLD)?;
    println!("behind the reboot: one run is wholly new, one wholly old");
    roles(SETTLED)
}

/// What the files of such a run hold before and after it; `None`: there is no such file.
type Files = [(&'static str, Option<&'static str>); 4];
const OLD: Files = [
    ("live/a", Some("new a")),
    ("live/b", Some("new b")),
    ("live/new", None),
    ("backup/b.once", Some("old b")),
];
const NEW: Files = [
    ("live/a", Some("old a")),
    ("live/b", Some("old b")),
    ("live/new", Some("old new")),
    ("backup/b.once", None),
];

/// Every file is as it should be, and the service runs.
fn holds(name: &str, files: &Files) -> Result<(), String> {
    let home = drive().join(name).join("home");
    for (file, text) in files {
        let found = fs::read_to_string(home.join(file)).ok();
        if found.as_deref() != *text {
            return Err(format!("{name}: `{file}` holds {found:?} and should hold {text:?}"));
        }
    }
    if home.join("runs").exists() { Ok(()) } else { Err(format!("{name}: the service does not run")) }
}

/// The warning that a rewritten file is kept, and where.
const DRIFT_KEPT: &str = "BKO-4016";

/// `backout.exe recover` ends with this code and outcome. Gives what it said.
fn recovers(name: &str, code: i32, outcome: &str) -> Result<String, String> {
    let said = drive().join("recover.json");
    let fail = |e: std::io::Error| format!("{}: {e}", said.display());
    // To a file: what Wine leaves behind may hold a pipe open for ever.
    let sink = fs::File::create(&said).map_err(fail)?;
    let mut recover = Command::new("wine");
    recover.args([r"C:\backout\backout.exe", "recover", "--json", "--state-dir"]);
    recover.arg(format!(r"C:\{name}\state"));
    let ended = quiet(&mut recover).stdout(sink).status().map_err(fail)?;
    let text = fs::read_to_string(&said).map_err(fail)?;
    let told = text.contains(&format!("\"outcome\":\"{outcome}\""));
    if told && ended.code() == Some(code) {
        return Ok(text);
    }
    Err(format!("{name}: recover ended {ended}, not {code} with `{outcome}`: {text}"))
}

fn quiet(command: &mut Command) -> &mut Command {
    wine(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

fn drive() -> PathBuf {
    folder().join("drive_c")
}

/// The newest build of the tests.
fn program() -> Result<PathBuf, String> {
    let built = target().join(TARGET).join("debug").join("deps");
    let fail = |e: std::io::Error| format!("{}: {e}", built.display());
    let entries = fs::read_dir(&built).map_err(fail)?.flatten().map(|entry| entry.path());
    let programs = entries.filter(|path| is_ours(path));
    programs
        .max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok())
        .ok_or_else(|| format!("{}: no test of the reboot", built.display()))
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("reboot-") && name.ends_with(".exe")
}
