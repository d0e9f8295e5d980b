//! Test programs: built once, each run by itself. One that fails is run once more, alone, with the same draws; what passes
//! only then is called flaky, in so many words.

use crate::{
    build::{cargo, root, target},
    seed::Seed,
};
use cargo_metadata::{Artifact, Message};
use std::{
    fs,
    io::BufReader,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const LOOK: Duration = Duration::from_millis(50);

/// What a test says whose failure no second run can make good: `tests/crash/src/promise.rs`.
const BROKEN: &str = "THE PROMISE IS BROKEN";

/// What the suites of one call have in common.
pub(crate) struct Round {
    /// What all random draws come from.
    pub(crate) seed: Seed,
    /// A program that takes longer hangs.
    pub(crate) limit: Duration,
    /// What has passed only at its second run.
    pub(crate) flaky: Vec<String>,
}

impl Round {
    /// No program takes as long as this, even on a slow machine.
    pub(crate) fn daily() -> Result<Self, String> {
        Ok(Self { seed: Seed::daily()?, limit: Duration::from_secs(35 * 60), flaky: Vec::new() })
    }

    /// Some of them take hours then.
    pub(crate) fn nightly() -> Result<Self, String> {
        Ok(Self { seed: Seed::nightly()?, limit: Duration::from_secs(24 * 3600), flaky: Vec::new() })
    }
}

/// A test program.
#[derive(Debug)]
pub(crate) struct Program {
    /// What cargo calls it.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Its package's, from which tests are run.
    folder: PathBuf,
}

/// Builds those of one package below `tests`, with the features that the binary is built with: else all that they have in
/// common would be built twice.
pub(crate) fn build_beside_binary(package: &str, folder: &str) -> Result<Vec<Program>, String> {
    let fail = |e: std::io::Error| format!("{folder}: {e}");
    let mut call = cargo(&["test", "--quiet", "--package", package, "--package", "backout", "--lib"]);
    for entry in fs::read_dir(root().join(folder).join("tests")).map_err(fail)? {
        let entry = entry.map_err(fail)?.path();
        let is_program = entry.extension().is_some_and(|e| e == "rs") || entry.join("main.rs").is_file();
        if let Some(name) = entry.file_stem().filter(|_| is_program) {
            call.arg("--test").arg(name);
        }
    }
    let mut programs = build(&mut call)?;
    // The other package may have one of the same name.
    programs.retain(|program| program.folder == root().join(folder));
    Ok(programs)
}

/// Builds them with this call of `cargo test`, and says where they are.
pub(crate) fn build(call: &mut Command) -> Result<Vec<Program>, String> {
    let built = artifacts(call.arg("--no-run"))?.into_iter().filter(|artifact| artifact.profile.test);
    let program = |artifact: Artifact| {
        let folder = artifact.manifest_path.parent().map(PathBuf::from).unwrap_or_default();
        Some(Program { name: artifact.target.name, path: artifact.executable?.into(), folder })
    };
    Ok(built.filter_map(program).collect())
}

/// What this call of cargo has built.
pub(crate) fn artifacts(call: &mut Command) -> Result<Vec<Artifact>, String> {
    let call = call.arg("--message-format=json");
    let shown = format!("{call:?}");
    let fail = |e: std::io::Error| format!("{shown}: {e}");
    let mut build = call.current_dir(root()).stdout(Stdio::piped()).spawn().map_err(fail)?;
    let mut artifacts = Vec::new();
    if let Some(said) = build.stdout.take() {
        for message in Message::parse_stream(BufReader::new(said)).flatten() {
            match message {
                Message::CompilerMessage(m) => println!("{m}"),
                Message::CompilerArtifact(artifact) => artifacts.push(artifact),
                _ => {}
            }
        }
    }
    let status = build.wait().map_err(fail)?;
    if status.success() { Ok(artifacts) } else { Err(format!("does not build: {shown}")) }
}

/// How a program ended.
pub(crate) struct Ended {
    passed: bool,
    text: String,
    /// It is not worth a second run, or must not have one.
    last: bool,
}

impl Ended {
    /// Whether a second run is to tell more.
    pub(crate) fn again(&self) -> bool {
        !self.passed && !self.last
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }
}

impl Program {
    /// Runs it by `command` to its end and prints what it said then: side by side they would talk at once.
    pub(crate) fn run(&self, mut command: Command, seed: Seed, limit: Duration) -> Result<Ended, String> {
        let begun = Instant::now();
        let fail = |e: std::io::Error| format!("{}: {e}", self.path.display());
        let said = self.said()?;
        let sink = fs::File::create(&said).map_err(fail)?;
        // To a file: what a program leaves behind may hold a pipe open for ever, as what Wine starts does.
        command.stdin(Stdio::null()).stdout(sink.try_clone().map_err(fail)?).stderr(sink);
        let mut child = seed.into_command(&mut command).current_dir(&self.folder).spawn().map_err(fail)?;
        let status = loop {
            match child.try_wait().map_err(fail)? {
                Some(status) => break Some(status),
                None if begun.elapsed() > limit => break None,
                None => thread::sleep(LOOK),
            }
        };
        if status.is_none() {
            child.kill().and_then(|()| child.wait()).map_err(fail)?;
        }
        let text = String::from_utf8_lossy(&fs::read(&said).map_err(fail)?).into_owned();
        let seconds = begun.elapsed().as_secs();
        println!("-- {} in {seconds} s\n{}", self.name, text.trim());
        let passed = status.is_some_and(|s| s.success());
        match status {
            Some(status) if !passed => println!("-- {} FAILED ({status})", self.name),
            None => println!("-- {} FAILED: it hangs", self.name),
            Some(_) => {}
        }
        Ok(Ended { passed, last: status.is_none() || text.contains(BROKEN), text })
    }

    /// Where what it says is kept.
    fn said(&self) -> Result<PathBuf, String> {
        let folder = target().join("said");
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(folder.join(self.path.file_name().unwrap_or_default()))
    }

    /// Runs it once more, if what it said allows that, and nothing else. Says whether that was well.
    pub(crate) fn once_more(
        &self,
        first: &Ended,
        command: Command,
        round: &mut Round,
    ) -> Result<bool, String> {
        if !first.again() {
            if first.text.contains(BROKEN) {
                println!("-- {}: a broken promise is not tried again", self.name);
            }
            return Ok(first.passed);
        }
        println!("-- {} once more", self.name);
        let passed = self.run(command, round.seed, round.limit)?.passed;
        if passed {
            println!("FLAKY: {}", self.name);
            round.flaky.push(self.name.clone());
        }
        Ok(passed)
    }
}

/// Runs programs one behind the other, each by what `start` makes of it.
pub(crate) fn each(
    programs: &[Program],
    start: impl Fn(&Program) -> Command,
    round: &mut Round,
) -> Result<(), String> {
    let mut failed = Vec::new();
    for program in programs {
        let first = program.run(start(program), round.seed, round.limit)?;
        if !program.once_more(&first, start(program), round)? {
            failed.push(program.name.as_str());
        }
    }
    told(&failed)
}

/// Runs each lane's programs one behind the other and the lanes side by side; then, each alone, those once more that failed.
pub(crate) fn in_lanes(
    lanes: Vec<Vec<Program>>,
    start: impl Fn(&Program) -> Command + Sync,
    round: &mut Round,
) -> Result<(), String> {
    let (seed, limit) = (round.seed, round.limit);
    let lane = |programs: Vec<Program>| -> Vec<(Program, Result<Ended, String>)> {
        let run = |program: Program| {
            let ended = program.run(start(&program), seed, limit);
            (program, ended)
        };
        programs.into_iter().map(run).collect()
    };
    let ran = thread::scope(|scope| {
        let lanes: Vec<_> = lanes.into_iter().map(|programs| scope.spawn(|| lane(programs))).collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().map_err(|_| "a lane of tests died".to_owned()))
            .collect::<Vec<_>>()
    });
    let mut failed = Vec::new();
    for lane in ran {
        for (program, first) in lane? {
            if !program.once_more(&first?, start(&program), round)? {
                failed.push(program.name);
            }
        }
    }
    told(&failed)
}

fn told(failed: &[impl std::borrow::Borrow<str>]) -> Result<(), String> {
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// The program itself, with everything shown that its tests print.
pub(crate) fn plainly(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command.arg("--nocapture");
    command
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Runs shell lines as a program of this name, `$0` being a file that is not there yet; what came of it.
    fn run(name: &str, lines: &str) -> (Result<(), String>, Vec<String>) {
        let file = target().join(format!("{name}-ran"));
        let _ = fs::remove_file(&file);
        let program = Program { name: name.to_owned(), path: PathBuf::from(name), folder: root() };
        let start = |_: &Program| {
            let mut command = Command::new("sh");
            command.args(["-c", lines]).arg(&file);
            command
        };
        let mut round = Round::daily().expect("a number");
        let came = each(&[program], start, &mut round);
        let _ = fs::remove_file(file);
        (came, round.flaky)
    }

    #[test]
    fn what_passes_only_at_its_second_run_is_named() {
        let (came, flaky) = run("once", r#"[ -e "$0" ] || { touch "$0"; exit 1; }"#);
        assert_eq!((came, flaky), (Ok(()), vec!["once".to_owned()]));
        let (came, flaky) = run("never", "exit 1");
        assert_eq!((came, flaky), (Err("failed: never".to_owned()), Vec::new()));
        assert_eq!(run("always", "exit 0"), (Ok(()), Vec::new()));
    }

    #[test]
    fn a_broken_promise_is_not_tried_again() {
        let lines = format!(r#"[ -e "$0" ] || {{ touch "$0"; echo "{BROKEN}"; exit 1; }}"#);
        assert_eq!(run("broken", &lines), (Err("failed: broken".to_owned()), Vec::new()));
    }

    #[test]
    fn the_crash_suite_says_the_same_of_a_broken_promise() {
        let source = include_str!("../../tests/crash/src/promise.rs");
        assert!(source.contains(&format!("\"{}\"", super::BROKEN)));
    }
}
