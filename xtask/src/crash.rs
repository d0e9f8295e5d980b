//! The crash suite: its test programs side by side, as they wait for processes most of the time, and behind them one
//! table of what they counted.

use crate::{
    build::{call, cargo, target},
    memory,
    programs::{self, Ended, Program, Round},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// The package.
const PACKAGE: &str = "backout-crash";
/// Those that take longest begin first.
const LONGEST: [&str; 7] =
    ["barriers", "power_states", "power_cut", "service_faults", "kill_sweep", "guard", "parent_sweep"];

/// Those that need a real disk, file systems of a kind, or a whole machine.
const ON_DISK: [&str; 5] = ["file_systems", "overlay", "power_cut", "real_faults", "snapshot"];

/// How much of it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What every day takes.
    Daily,
    /// Also what takes too long for that, and all that is drawn from otherwise.
    Whole,
}

/// Runs all test programs; then, each alone, those once more that failed.
pub(crate) fn test(extent: Extent, round: &mut Round) -> Result<(), String> {
    // Before the others: it puts programs of the same names where those are looked for.
    build_to_leave_out()?;
    let mut programs = programs::build_beside_binary(PACKAGE, "tests/crash")?;
    programs.sort_by_key(|p| LONGEST.iter().position(|l| *l == p.name).unwrap_or(LONGEST.len()));
    let tallies = target().join("tally");
    empty(&tallies).map_err(|e| format!("{}: {e}", tallies.display()))?;
    let (mut failed, mut flaky) = (Vec::new(), Vec::new());
    for (program, first) in side_by_side(programs, extent, &tallies, round) {
        let first = first?;
        if first.passed() {
            continue;
        }
        let again = if first.again() { Some(command(&program, extent, &tallies)?) } else { None };
        let again = again.unwrap_or_else(|| Command::new(&program.path));
        match program.once_more(&first, again, round)? {
            true => flaky.push(program.name),
            false => failed.push(program.name),
        }
    }
    table(&tallies, &flaky, failed.len())?;
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// What barriers are left out of, and where.
fn left_out() -> PathBuf {
    target().join("left-out")
}

/// Builds it: with all that is built for the tests too, but for what barriers are in.
fn build_to_leave_out() -> Result<(), String> {
    let mut build = cargo(&["build", "--quiet", "--features", "backout-disk/leave-out"]);
    build.args([
        "-p",
        "backout",
        "-p",
        PACKAGE,
        "-p",
        "backout-disk",
        "--bin",
        "backout",
        "--bin",
        "settle-states",
    ]);
    // Each state is settled in a moment either way, and this compiler takes a minute to make that moment shorter.
    build.args(["--config", "profile.dev.package.backout-engine.opt-level=0"]);
    let fail = |e: std::io::Error| format!("{}: {e}", left_out().display());
    empty(&left_out()).map_err(fail)?;
    for program in programs::artifacts(&mut build)?.into_iter().filter_map(|artifact| artifact.executable) {
        fs::copy(&program, left_out().join(program.file_name().unwrap_or_default())).map_err(fail)?;
    }
    // Nobody who looks where it was built is to find it there.
    call(&mut cargo(&["build", "--quiet", "--package", "backout"]))
}

/// Runs all of them side by side, one more at once than there are processors: now and then each waits.
fn side_by_side(
    programs: Vec<Program>,
    extent: Extent,
    tallies: &Path,
    round: &Round,
) -> Vec<(Program, Result<Ended, String>)> {
    let width = std::thread::available_parallelism().map_or(2, usize::from) + 1;
    let (seed, limit) = (round.seed, round.limit);
    let (left, done) = (Mutex::new(programs.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(program) = next else { return };
                    let ended = command(&program, extent, tallies)
                        .and_then(|command| program.run(command, seed, limit));
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((program, ended));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A call of a program. It counts from nothing, whatever a run before has counted.
fn command(program: &Program, extent: Extent, tallies: &Path) -> Result<Command, String> {
    let tally = tallies.join(&program.name);
    fs::write(&tally, "").map_err(|e| format!("{}: {e}", tally.display()))?;
    let mut command = match ON_DISK.contains(&program.name.as_str()) {
        true => programs::plainly(program),
        false => memory::plainly(program),
    };
    command.env("BACKOUT_TALLY", tally).env("BACKOUT_LEFT_OUT", left_out());
    if extent == Extent::Whole {
        command.arg("--include-ignored").env("BACKOUT_WHOLE", "1");
    }
    Ok(command)
}

/// A folder with nothing in it.
fn empty(folder: &PathBuf) -> std::io::Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder)?;
    } else if folder.exists() {
        fs::remove_file(folder)?;
    }
    fs::create_dir_all(folder)
}

/// Prints what was counted, added up, and what passed only at its second run.
fn table(tallies: &Path, flaky: &[String], failed: usize) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", tallies.display());
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for entry in fs::read_dir(tallies).map_err(fail)? {
        let text = fs::read_to_string(entry.map_err(fail)?.path()).map_err(fail)?;
        for (n, what) in text.lines().filter_map(|line| line.split_once('\t')) {
            *rows.entry(what.to_owned()).or_insert(0) += n.parse::<u64>().unwrap_or(0);
        }
    }
    println!();
    for (what, n) in &rows {
        println!("{n:>9}  {what}");
    }
    for name in flaky {
        println!("{:>9}  {name}: passed only at its second run", "FLAKY");
    }
    match failed {
        0 => println!("{:>9}  violations", 0),
        _ => println!("violations: see above; the figures are those of the programs that came to their end"),
    }
    Ok(())
}
