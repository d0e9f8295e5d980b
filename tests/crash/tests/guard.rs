//! The real binary is killed while it guards an installer: at every record of its journal, and at other calls by which it
//! touches files. Whatever dies, the installer's work is whole and kept, or everything is as before; and where its recovery is
//! killed too.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and prints its figures"
)]

use backout_crash::{
    Side, calls,
    damage::transaction,
    drawn,
    guarded::{guard, guard_with, installer, watch},
    have_strace, promised, recover, settled, shard, tally,
};
use backout_kit::{Running, Snapshot, World, process, strace};
use std::{process::Command, time::Duration};

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Other calls than a record's: so many points of all of them.
const POINTS: usize = 16;
/// So many points of recoveries that are killed too.
const DEEP: usize = 14;

/// A call of guard with an installer that ends with this code.
type Call = fn(&World, u8) -> Command;

/// Ends the process that waits in the place of a guard, so that what is settled is settled by the test alone.
fn end_waiter(world: &World) {
    let state = world.state.to_str().unwrap();
    for process in std::fs::read_dir("/proc").unwrap() {
        let process = process.unwrap();
        let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        if words.contains("guard-waiter") && words.contains(state) {
            process::kill(process.file_name().to_str().unwrap().parse().unwrap());
        }
    }
}

/// What the installer makes of a world, and which calls a guard makes that ends so.
fn probed(call: Call, code: u8) -> (Snapshot, Vec<(&'static str, u64)>) {
    let world = World::small();
    let new = {
        assert!(Command::new(installer(&world, 0)).status().unwrap().success());
        world.files()
    };
    let world = World::small();
    let mut command = call(&world, code);
    let made = if code == 0 { calls(&command, world.path()) } else { failing(&mut command, &world) };
    let records = (1..=made.get("pwrite64").copied().unwrap_or(0)).map(|n| ("pwrite64", n));
    let others = made.iter().filter(|(call, _)| **call != "pwrite64");
    let others = others.flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n))).collect();
    (new, records.chain(drawn(others, POINTS)).collect())
}

/// As [`calls`], of a command that ends with another code than 0.
fn failing(command: &mut Command, world: &World) -> std::collections::BTreeMap<&'static str, u64> {
    let mut ends = Command::new("/bin/sh");
    ends.args(["-c", r#""$@"; [ $? -eq 20 ]"#, "sh"]).arg("strace");
    let log = world.path().join("strace");
    let filter = format!("trace={}", backout_crash::CALLS.map(|c| format!("?{c}")).join(","));
    ends.args(["-qq", "-o"]).arg(&log).args(["-e", &filter, "--"]);
    ends.arg(command.get_program()).args(command.get_args());
    assert!(ends.output().unwrap().status.success());
    let mut counts = std::collections::BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let name = line.split('(').next().unwrap_or("");
        if let Some(call) = backout_crash::CALLS.iter().find(|c| **c == name) {
            *counts.entry(*call).or_insert(0) += 1;
        }
    }
    counts
}

fn sweep(of: Call, code: u8) -> Vec<Side> {
    let (new, points) = probed(of, code);
    let records = points.iter().filter(|(call, _)| *call == "pwrite64").count();
    assert!(records > 4, "every record of a guard is written by one call: {points:?}");
    let sides = shard::over(points, |(call, n)| {
        let world = World::small();
        let old = world.files();
        let at = format!("a guard of an installer that ends {code}, killed at {call} no. {n}");
        strace::injected(&of(&world, code), call, "signal=KILL", n).output().unwrap();
        let side = settled(&world, &old, &new, &at);
        promised!(code == 0 || side == Side::Old, "{at}: a failed installer's work stays");
        side
    });
    tally::add("kills of guards", sides.len() as u64);
    eprintln!("guard of an installer that ends {code}: {} kills, {records} of them at records", sides.len());
    sides
}

#[test]
fn a_guard_that_is_killed_at_any_record_is_kept_whole_or_leaves_everything_as_before() {
    if !have_strace() {
        return;
    }
    let sides = sweep(guard, 0);
    assert!(sides.contains(&Side::Old) && sides.contains(&Side::New), "{sides:?}");
}

#[test]
fn a_way_back_that_is_killed_at_any_record_leaves_everything_as_before() {
    if !have_strace() {
        return;
    }
    sweep(guard, 1);
}

#[test]
fn a_guard_without_a_profile_that_is_killed_at_any_record_leaves_everything_as_before() {
    if !have_strace() {
        return;
    }
    sweep(watch, 1);
}

#[test]
fn one_that_does_well_is_kept_whole_or_leaves_everything_as_before() {
    if !have_strace() {
        return;
    }
    sweep(watch, 0);
}

#[test]
fn a_recovery_of_a_guard_that_is_killed_too_leaves_everything_as_before() {
    if !have_strace() {
        return;
    }
    // Its records are Begin, GuardOpen, LetGo, InstallerExited, GoingBack: killed where the last would have been written.
    let killed = || {
        let world = World::small();
        let old = world.files();
        strace::injected(&guard(&world, 1), "pwrite64", "signal=KILL", GOING_BACK).output().unwrap();
        (world, old)
    };
    let (world, _) = killed();
    world.plain(&["status"]).ends(21);
    let made = calls(&recover(&world), world.path());
    let (new, _) = (World::small().files(), ());
    let records = (1..=made["pwrite64"]).map(|n| ("pwrite64", n));
    let others = ["renameat", "renameat2", "unlinkat", "fsync", "mkdirat"];
    let others = made.iter().filter(|(call, _)| others.contains(*call));
    let others = others.flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n))).collect();
    let points: Vec<_> = records.chain(drawn(others, DEEP)).collect();
    let sides = shard::over(points, |(call, n)| {
        let (world, old) = killed();
        let at = format!("a guard killed before it goes back, its recovery at {call} no. {n}");
        strace::injected(&recover(&world), call, "signal=KILL", n).output().unwrap();
        settled(&world, &old, &new, &at)
    });
    tally::add("kills of a guard and of its recovery", sides.len() as u64);
    eprintln!("recovery of a guard: {} kills", sides.len());
}

/// So many points of a guard that learns.
const LEARNING: usize = 12;

#[test]
fn a_profile_that_is_learned_is_whole_or_not_there() {
    if !have_strace() {
        return;
    }
    let learning = |world: &World| {
        let setup = installer(world, 0);
        let mut command = world.verb_command("guard", &["--yes", "--no-parent", "--settle", "0", "--learn"]);
        command.arg(world.path().join("new.ron")).arg("--").arg(setup);
        command
    };
    let world = World::small();
    let made = calls(&learning(&world), world.path());
    let new = world.files();
    assert!(world.path().join("new.ron").exists());
    let others = ["renameat2", "fsync", "unlinkat"];
    let others = made.iter().filter(|(call, _)| others.contains(*call));
    // The profile is made near the end.
    let late = |(call, count): (&&'static str, &u64)| {
        let call = *call;
        (1 + count.saturating_sub(6)..=*count).map(move |n| (call, n))
    };
    let points = drawn(others.flat_map(late).collect(), LEARNING);
    let written = shard::over(points, |(call, n)| {
        let world = World::small();
        let old = world.files();
        let at = format!("a guard that learns, killed at {call} no. {n}");
        strace::injected(&learning(&world), call, "signal=KILL", n).output().unwrap();
        settled(&world, &old, &new, &at);
        let profile = world.path().join("new.ron");
        if profile.exists() {
            let mut check = world.command(&["profile", "check"]);
            let checked = check.arg(&profile).args(world.flags()).output().unwrap();
            promised!(checked.status.success(), "{at}: the profile is not whole: {checked:?}");
        }
        profile.exists()
    });
    tally::add("kills of guards that learn", written.len() as u64);
    let whole = written.iter().filter(|w| **w).count();
    eprintln!("a guard that learns: {} kills, the profile was there {whole} times", written.len());
    assert!(whole > 0, "none of them came behind it");
}

/// Which write in place that is: the journal and the lock are written so.
const GOING_BACK: u64 = 6;

/// What a command does that ends 20: its records and some of its other calls.
fn points_of(
    made: &std::collections::BTreeMap<&'static str, u64>,
    others: &[&str],
) -> Vec<(&'static str, u64)> {
    let all = |names: &[&str]| {
        let named = made.iter().filter(|(call, _)| names.contains(*call));
        named.flat_map(|(call, count)| (1..=*count).map(move |n| (*call, n))).collect::<Vec<_>>()
    };
    all(&["pwrite64"]).into_iter().chain(drawn(all(others), DEEP)).collect()
}

#[test]
fn a_guard_that_waits_to_be_confirmed_and_is_killed_at_any_record_leaves_everything_as_before() {
    if !have_strace() {
        return;
    }
    let world = World::small();
    let made = failing(&mut guard_with(&world, 0, &["--confirm-within", "1s"]), &world);
    end_waiter(&world);
    let points = points_of(&made, &["renameat", "renameat2", "fsync"]);
    let records = points.iter().filter(|(call, _)| *call == "pwrite64").count();
    let new = World::small().files();
    let sides = shard::over(points, |(call, n)| {
        let world = World::small();
        let old = world.files();
        let at = format!("a guard that nobody confirms, killed at {call} no. {n}");
        let command = guard_with(&world, 0, &["--confirm-within", "1s"]);
        strace::injected(&command, call, "signal=KILL", n).output().unwrap();
        end_waiter(&world);
        let side = settled(&world, &old, &new, &at);
        promised!(side == Side::Old, "{at}: nobody confirmed it");
        side
    });
    tally::add("kills of guards that nobody confirms", sides.len() as u64);
    eprintln!("guard that nobody confirms: {} kills, {records} of them at records", sides.len());
}

#[test]
fn a_confirmation_that_is_killed_is_given_again_and_keeps_the_work_whole() {
    if !have_strace() {
        return;
    }
    // With nobody alive to hear it: the confirmation closes the guard itself.
    let waits = || {
        let world = World::small();
        let mut run = Running::start(&mut guard_with(&world, 0, &["--confirm-within", "1h"]));
        let says_so = |journal: String| journal.contains("record:AwaitingConfirm");
        let journal = || std::fs::read_to_string(transaction(&world)?.join("journal")).ok();
        while !journal().is_some_and(says_so) {
            promised!(run.child.try_wait().unwrap().is_none(), "the guard ended early");
            std::thread::sleep(LOOK);
        }
        process::kill(run.child.id());
        let _ = run.child.wait();
        end_waiter(&world);
        world
    };
    let confirm = |world: &World| world.command(&["confirm", "--json"]);
    let new = {
        let world = World::small();
        assert!(Command::new(installer(&world, 0)).status().unwrap().success());
        world.files()
    };
    let world = waits();
    let made = calls(&confirm(&world), world.path());
    let points = points_of(&made, &["renameat", "renameat2", "fsync", "unlinkat"]);
    let sides = shard::over(points, |(call, n)| {
        let world = waits();
        let at = format!("a confirmation killed at {call} no. {n}");
        strace::injected(&confirm(&world), call, "signal=KILL", n).output().unwrap();
        // Given again as a person would who heard nothing: by the run's id, which need not be open any more.
        let runs = ["transactions", "history"].map(|at| std::fs::read_dir(world.state.join(at)).unwrap());
        let run = runs.into_iter().flatten().next().unwrap().unwrap().file_name();
        let again = world.plain(&["confirm", run.to_str().unwrap()]);
        promised!(again.code == Some(0), "{at}: {again:?}");
        let side = settled(&world, &World::small().files(), &new, &at);
        promised!(side == Side::New, "{at}: it was confirmed");
        side
    });
    tally::add("kills of confirmations", sides.len() as u64);
    eprintln!("confirmation: {} kills", sides.len());
}
