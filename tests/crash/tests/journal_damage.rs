//! The journal of a run that was killed, damaged in every single byte. It is read as what it was, as torn in its last line, or
//! refused; a recovery never does the wrong thing, never loses a before-image and never panics.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test damages files, stops at the first surprise and prints its figures"
)]

use backout_crash::{
    Verb, calls,
    damage::{Verdict, recovered, transaction},
    drawn, have_strace, promised, tally,
};
use backout_journal::{Tail, reader};
use backout_kit::{World, strace};
use std::{fs, process::Command};

/// How often a run writes to its journal: the first makes room, each other is a record.
fn writes() -> u64 {
    Verb::Rollback.calls()["pwrite64"]
}

/// Bytes of records in a journal.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b != b'\n' && *b != b' ').map_or(0, |last| last + 2).min(bytes.len())
}

#[test]
fn every_byte_flipped_at_every_stage_is_torn_refused_or_right() {
    if !have_strace() {
        return;
    }
    let (mut right, mut torn, mut refused) = (0_u64, 0_u64, 0_u64);
    for n in 2..=writes() {
        let Some((world, _)) = Verb::Rollback.killed("pwrite64", n) else { continue };
        let Some(folder) = transaction(&world) else { continue };
        let run = folder.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let bytes = fs::read(folder.join("journal")).unwrap();
        let whole = reader::read(&run, &bytes).unwrap();
        let records: Vec<_> = whole.records().cloned().collect();
        for at in 0..used(&bytes) {
            for mask in [1 << (at % 8), 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                match reader::read(&run, &damaged) {
                    Ok(reading) if reading == whole => right += 1,
                    Ok(reading) => {
                        let read: Vec<_> = reading.records().cloned().collect();
                        promised!(matches!(reading.tail, Tail::Torn { .. }), "write {n}, byte {at}");
                        promised!(read == records[..records.len() - 1], "write {n}, byte {at}");
                        torn += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    tally::add("journals with a flipped byte", right + torn + refused);
    eprintln!(
        "journal: {} flips, {right} read as they were, {torn} torn, {refused} refused",
        right + torn + refused
    );
    assert!(torn > 0 && refused > 0);
}

/// Runs that leave no before-image where a file was, so that nothing in a slot tells of them.
#[derive(Debug, Clone, Copy)]
enum Lonely {
    /// Files, and folders with files in them, come.
    Makes,
    /// The same go.
    TakesAway,
}

impl Lonely {
    /// A world in the state before the run.
    fn before(self) -> World {
        let world = World::small();
        let profile = fs::read_to_string(&world.profile).unwrap();
        fs::write(&world.profile, profile.replace("consume: true", "consume: false")).unwrap();
        for name in ["a.conf", "b.conf", "sub/c.conf"] {
            fs::remove_file(world.home.join("backup").join(name)).unwrap();
        }
        if matches!(self, Lonely::TakesAway) {
            world.rollback(&["--no-parent"]).ends(0);
        }
        world
    }

    fn command(self, world: &World) -> Command {
        match self {
            Lonely::Makes => Verb::Rollback.command(world),
            Lonely::TakesAway => Verb::Undo.command(world),
        }
    }

    /// Kills the run at each of its records and swaps, damages the last line, and recovers.
    fn killed_and_damaged(self) {
        let whole = self.before();
        let made = calls(&self.command(&whole), whole.path());
        let new = whole.files();
        let points = ["pwrite64", "renameat2"].into_iter().flat_map(|call| {
            let most = made.get(call).copied().unwrap_or(0);
            (1..=most).map(move |n| (call, n))
        });
        let (mut settled, mut refused) = (0, 0);
        for (call, n) in points {
            let world = self.before();
            let old = world.files();
            assert!(old != new, "{self:?}: it changes something");
            let run = strace::injected(&self.command(&world), call, "signal=KILL", n).output().unwrap();
            assert!(!run.status.success());
            let Some(folder) = transaction(&world).filter(|folder| folder.join("journal").is_file()) else {
                continue;
            };
            let whole = fs::read(folder.join("journal")).unwrap();
            let Some(end) = whole.iter().rposition(|b| *b != b'\n' && *b != b' ') else { continue };
            let mut damaged = whole.clone();
            damaged[end - 4] ^= 4;
            fs::write(folder.join("journal"), damaged).unwrap();
            match recovered(&world, &old, &new, &whole, &format!("{self:?}: {call} no. {n}")) {
                Verdict::Settled => settled += 1,
                Verdict::Refused => refused += 1,
            }
        }
        eprintln!("{self:?}: {settled} settled, {refused} refused with nothing touched, 0 violations");
        assert!(settled > 0 && refused > 0, "{self:?}: {settled} {refused}");
    }
}

#[test]
fn a_run_that_only_makes_files_is_settled_or_not_touched_whatever_its_last_line_was() {
    if have_strace() {
        Lonely::Makes.killed_and_damaged();
    }
}

#[test]
fn a_run_that_only_takes_files_away_is_settled_or_not_touched_whatever_its_last_line_was() {
    if have_strace() {
        Lonely::TakesAway.killed_and_damaged();
    }
}

#[test]
fn a_recovery_of_a_flipped_journal_settles_the_run_or_touches_nothing() {
    if !have_strace() {
        return;
    }
    let new = Verb::Rollback.after();
    // The last line decides, and whether it was ever whole cannot be told once it is damaged: each is tried.
    let (mut last, mut places) = (Vec::new(), Vec::new());
    for n in 2..=writes() {
        let Some((world, _)) = Verb::Rollback.killed("pwrite64", n) else { continue };
        let Some(folder) = transaction(&world) else { continue };
        let bytes = fs::read(folder.join("journal")).unwrap();
        // A place in every line.
        let ends = bytes[..used(&bytes)].iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at);
        places.extend(ends.map(|end| (n, end.saturating_sub(5))));
        last.extend(places.pop());
    }
    last.extend(drawn(places, 26));
    let (mut settled, mut refused) = (0, 0);
    for (n, at) in last {
        let Some((world, old)) = Verb::Rollback.killed("pwrite64", n) else { continue };
        let journal = transaction(&world).unwrap().join("journal");
        let whole = fs::read(&journal).unwrap();
        let mut damaged = whole.clone();
        let Some(byte) = damaged.get_mut(at) else { continue };
        *byte ^= 4;
        fs::write(&journal, damaged).unwrap();
        match recovered(&world, &old, &new, &whole, &format!("write {n}, byte {at}")) {
            Verdict::Settled => settled += 1,
            Verdict::Refused => refused += 1,
        }
    }
    eprintln!(
        "flipped journals recovered: {settled} settled, {refused} refused with nothing touched, 0 violations"
    );
    assert!(settled > 0 && refused > 0);
}
