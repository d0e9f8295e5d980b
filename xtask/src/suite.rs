//! The test suites, what they need, and what happened to them.

use crate::{
    build::{call, cargo, root},
    crash, deny, docs, mutants,
    programs::{self, Round},
    windows,
};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

/// A suite and what it does.
struct Suite {
    name: &'static str,
    /// Programs it cannot do without, and the Debian package each is in.
    needs: &'static [(&'static str, &'static str)],
    /// A tool of others that it cannot do without; skipped without it, in CI too.
    tool: Option<fn() -> Result<(), String>>,
    run: fn(&mut Round) -> Result<(), String>,
}

/// Kills and fails at single system calls.
const STRACE: (&str, &str) = ("strace", "strace");
/// A real service manager, booted in namespaces of its own.
const SYSTEMD: (&str, &str) = ("systemctl", "systemd");
/// The crash suite, by day and by night.
const CRASH: &[(&str, &str)] = &[STRACE, SYSTEMD, ("xfs_io", "xfsprogs"), ("mkfs.btrfs", "btrfs-progs")];

const SUITES: [Suite; 8] = [
    Suite { name: "fmt", needs: &[], tool: None, run: |_| call(&mut cargo(&["fmt", "--all", "--check"])) },
    Suite { name: "clippy", needs: &[], tool: None, run: |_| clippy() },
    Suite { name: "unit", needs: &[SYSTEMD], tool: None, run: unit },
    Suite {
        name: "e2e",
        needs: &[STRACE, SYSTEMD, ("chattr", "e2fsprogs"), ("setfacl", "acl")],
        tool: None,
        run: e2e,
    },
    Suite { name: "crash", needs: CRASH, tool: None, run: |round| crash::test(crash::Extent::Daily, round) },
    Suite { name: "deny", needs: &[], tool: Some(deny::can_deny), run: |_| deny::deny() },
    Suite { name: "docs", needs: &[], tool: None, run: |_| docs::check() },
    Suite { name: "windows", needs: windows::NEEDS, tool: None, run: windows::test },
];

/// What takes too long for every day: the crash suite with all that is drawn from otherwise, and mutants.
const NIGHTS: [Suite; 2] = [
    Suite { name: "crash", needs: CRASH, tool: None, run: |round| crash::test(crash::Extent::Whole, round) },
    Suite {
        name: "mutants",
        needs: &[],
        tool: Some(mutants::can_mutate),
        run: |round| mutants::mutants(round.seed),
    },
];

/// Runs the named suites of every day, or all. Says whether none failed.
pub(crate) fn test(names: &[String]) -> Result<bool, String> {
    run(&SUITES, names, Round::daily)
}

/// The same of those of the nights.
pub(crate) fn nightly(names: &[String]) -> Result<bool, String> {
    run(&NIGHTS, names, Round::nightly)
}

fn run(suites: &[Suite], names: &[String], round: fn() -> Result<Round, String>) -> Result<bool, String> {
    let known: Vec<&str> = suites.iter().map(|s| s.name).collect();
    if let Some(unknown) = names.iter().find(|n| !known.contains(&n.as_str())) {
        return Err(format!("no suite `{unknown}`; there are: {}", known.join(", ")));
    }
    let mut round = round()?;
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), Vec::new());
    let wanted = |s: &&Suite| match names {
        [] => true,
        names => names.iter().any(|n| n == s.name),
    };
    for suite in suites.iter().filter(wanted) {
        println!("== {}", suite.name);
        let begun = Instant::now();
        let provided = provide(suite.needs);
        let provided = provided.and_then(|()| suite.tool.map_or(Ok(()), |p| p().map_err(Missing::Tool)));
        match provided.and_then(|()| (suite.run)(&mut round).map_err(Missing::Failed)) {
            Ok(()) => {
                passed += 1;
                println!("== {} passed in {} s", suite.name, begun.elapsed().as_secs());
            }
            Err(why) if why.is_skipped() => {
                let (Missing::Program(why) | Missing::Tool(why) | Missing::Failed(why)) = why;
                println!("== {} skipped: {why}", suite.name);
                skipped.push(suite.name);
            }
            Err(Missing::Program(why) | Missing::Tool(why) | Missing::Failed(why)) => {
                println!("== {} FAILED: {why}", suite.name);
                failed.push(suite.name);
            }
        }
    }
    for name in &round.flaky {
        println!("FLAKY: {name}");
    }
    for (what, names) in [("failed", &failed), ("skipped", &skipped)] {
        if !names.is_empty() {
            println!("{what}: {}", names.join(", "));
        }
    }
    // The last line, for whoever counts.
    println!("{passed} passed, {} failed, {} skipped", failed.len(), skipped.len());
    Ok(failed.is_empty())
}

/// Why a suite did not pass.
enum Missing {
    Program(String),
    /// Of others, by cargo.
    Tool(String),
    Failed(String),
}

impl Missing {
    fn is_skipped(&self) -> bool {
        match self {
            Missing::Program(_) => !ci(),
            Missing::Tool(_) => true,
            Missing::Failed(_) => false,
        }
    }
}

fn ci() -> bool {
    std::env::var("CI").is_ok_and(|v| v == "true")
}

pub(crate) fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        // An absolute path stands for itself.
        .any(|p| p.join(program).is_file())
}

/// Whether packages can be installed: elsewhere apt-get would only fail after a while.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

/// Installs what is missing, on Debian and as root; says what is missing elsewhere.
fn provide(needs: &[(&str, &str)]) -> Result<(), Missing> {
    let missing: Vec<&str> =
        needs.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if has("apt-get") && is_root() {
        println!("installing {}", missing.join(", "));
        let quiet = |args: &[&str]| {
            let mut apt = Command::new("apt-get");
            apt.args(args)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            apt.status().is_ok_and(|s| s.success())
        };
        quiet(&["update", "-qq"]);
        let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
        install.extend(&missing);
        quiet(&install);
    }
    match needs.iter().find(|(program, _)| !has(program)) {
        None => Ok(()),
        Some((program, package)) => Err(Missing::Program(format!(
            "`{program}` is not here (Debian: apt-get install {package}, as root)"
        ))),
    }
}

fn clippy() -> Result<(), String> {
    call(&mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn unit(round: &mut Round) -> Result<(), String> {
    // With these together all would be built with other features than the binary.
    let apart = ["backout-e2e", "backout-crash", "xtask"].map(|package| ["--exclude", package]);
    let rest = ["--workspace"].into_iter().chain(apart.into_iter().flatten()).collect::<Vec<_>>();
    unit_of(&rest, round)?;
    unit_of(&["--package", "xtask"], round)?;
    // Examples in the documentation are in no program.
    call(cargo(&["test", "--quiet", "--doc"]).args(rest))
}

fn unit_of(rest: &[&str], round: &mut Round) -> Result<(), String> {
    let nextest = cargo(&["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if nextest.is_ok_and(|s| s.success()) {
        retried(
            cargo(&["nextest", "run", "--no-fail-fast", "--cargo-quiet", "--retries", "1"]).args(rest),
            round,
        )?;
    } else {
        let programs = programs::build(cargo(&["test", "--quiet"]).args(rest))?;
        programs::each(&programs, |program| Command::new(&program.path), round)?;
    }
    Ok(())
}

/// Runs a call of `cargo nextest`, which says itself what it has to try twice.
fn retried(nextest: &mut Command, round: &mut Round) -> Result<(), String> {
    let shown = format!("{nextest:?}");
    let fail = |e: std::io::Error| format!("{shown}: {e}");
    let nextest = round.seed.into_command(nextest).current_dir(root()).stderr(Stdio::piped());
    let mut running = nextest.spawn().map_err(fail)?;
    for line in running.stderr.take().into_iter().flat_map(|said| BufReader::new(said).lines()) {
        let line = line.map_err(fail)?;
        println!("{line}");
        if let Some(name) = flaky(&line) {
            round.flaky.push(name.to_owned());
        }
    }
    let status = running.wait().map_err(fail)?;
    if status.success() { Ok(()) } else { Err(format!("failed ({status}): {shown}")) }
}

/// The test that a line of nextest's summary calls flaky: `FLAKY 2/2 [ 0.012s] (1/9) PACKAGE::PROGRAM TEST`, of some
/// versions without the count.
fn flaky(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix("FLAKY ")?.split_once(']')?.1.trim();
    Some(
        name.strip_prefix('(')
            .and_then(|counted| counted.split_once(')'))
            .map_or(name, |(_, name)| name.trim()),
    )
}

/// They build the binary themselves.
fn e2e(round: &mut Round) -> Result<(), String> {
    let programs = programs::build_beside_binary("backout-e2e", "tests/e2e")?;
    programs::each(&programs, programs::plainly, round)
}

#[cfg(test)]
mod tests {
    use super::flaky;

    #[test]
    fn what_nextest_calls_flaky_is_seen() {
        let line = "   FLAKY 2/2 [   0.012s] backout-disk::disk a_test";
        assert_eq!(flaky(line), Some("backout-disk::disk a_test"));
        let line = "   FLAKY 2/2 [   0.042s] (2/2) backout-disk a_test";
        assert_eq!(flaky(line), Some("backout-disk a_test"));
        assert_eq!(flaky("        PASS [   0.012s] backout-disk a_test"), None);
    }
}
