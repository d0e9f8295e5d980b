//! The crash suite: its test programs side by side, as they wait for processes most of the time, and behind them one
//! table of what they counted.

use crate::build::{cargo, root, target};
use cargo_metadata::Message;
use std::{
    collections::BTreeMap,
    fs,
    io::BufReader,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// The package.
const PACKAGE: &str = "backout-crash";
/// Those that take longest begin first.
const LONGEST: [&str; 4] = ["barriers", "parent_sweep", "power_cut", "kill_sweep"];

/// How much of it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What every day takes.
    Daily,
    /// Also what takes too long for that, and all that is drawn from otherwise.
    Whole,
}

/// A test program.
struct Program {
    name: String,
    path: PathBuf,
}

/// Runs all test programs.
pub(crate) fn test(extent: Extent) -> Result<(), String> {
    let mut programs = build()?;
    programs.sort_by_key(|p| LONGEST.iter().position(|l| *l == p.name).unwrap_or(LONGEST.len()));
    let tally = target().join("tally");
    let fail = |e: std::io::Error| format!("{}: {e}", tally.display());
    fs::write(&tally, "").map_err(fail)?;
    let side_by_side = std::thread::available_parallelism().map_or(2, usize::from);
    let (left, failed) = (Mutex::new(programs.into_iter()), Mutex::new(Vec::new()));
    let unpoisoned = PoisonError::into_inner;
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(unpoisoned).next();
                    let Some(program) = next else { return };
                    if let Err(why) = run(&program, extent, &tally) {
                        println!("{why}");
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(program.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    table(&fs::read_to_string(&tally).map_err(fail)?, failed.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Builds them, and says where they are.
fn build() -> Result<Vec<Program>, String> {
    let mut build = cargo(&["test", "--quiet", "--no-run", "--message-format=json", "--package", PACKAGE]);
    let mut build = build.current_dir(root()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let mut programs = Vec::new();
    if let Some(said) = build.stdout.take() {
        for message in Message::parse_stream(BufReader::new(said)).flatten() {
            if let Message::CompilerMessage(m) = &message {
                println!("{m}");
            }
            if let Message::CompilerArtifact(artifact) = message
                && artifact.profile.test
                && let Some(path) = artifact.executable
            {
                programs.push(Program { name: artifact.target.name, path: path.into() });
            }
        }
    }
    let status = build.wait().map_err(|e| e.to_string())?;
    if status.success() { Ok(programs) } else { Err(format!("{PACKAGE} does not build")) }
}

/// Runs one and prints what it said when it is done: side by side they would talk at once.
fn run(program: &Program, extent: Extent, tally: &PathBuf) -> Result<(), String> {
    let begun = Instant::now();
    let mut command = Command::new(&program.path);
    command.arg("--nocapture").env("BACKOUT_TALLY", tally).current_dir(root().join("tests/crash"));
    if extent == Extent::Whole {
        command.arg("--include-ignored").env("BACKOUT_WHOLE", "1");
    }
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", program.name))?;
    let said = [output.stdout, output.stderr].concat();
    let seconds = begun.elapsed().as_secs();
    println!("-- {} in {seconds} s\n{}", program.name, String::from_utf8_lossy(&said).trim());
    if output.status.success() { Ok(()) } else { Err(format!("-- {} FAILED", program.name)) }
}

/// Prints what was counted, added up.
fn table(tally: &str, failed: usize) {
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    for (n, what) in tally.lines().filter_map(|line| line.split_once('\t')) {
        *rows.entry(what).or_insert(0) += n.parse::<u64>().unwrap_or(0);
    }
    println!();
    for (what, n) in &rows {
        println!("{n:>9}  {what}");
    }
    match failed {
        0 => println!("{:>9}  violations", 0),
        _ => println!("violations: see above; the figures are those of the programs that came to their end"),
    }
}
