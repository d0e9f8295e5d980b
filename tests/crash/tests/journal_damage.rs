//! The journal of a real run that was killed, damaged: in every single byte, and in the ways media and people damage files.
//! It is read as what it was, as torn in its last line, or refused; and a recovery never does the wrong thing, never loses
//! a before-image and never panics.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test damages files, stops at the first surprise and prints its figures"
)]

use backout_crash::{Side, Verb, drawn, have_strace, settled};
use backout_journal::{Tail, reader};
use backout_kit::{Run, Snapshot, World, snapshot};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What a recovery says when it settled the run, and when it refuses to touch it.
const SETTLED: i32 = 0;
const STUCK: i32 = 22;

/// A run that was killed right before its `n`th write of the journal.
fn killed(n: u64) -> Option<(World, Snapshot)> {
    let (world, old) = Verb::Rollback.before();
    let run = Verb::Rollback.injected(&world, "pwrite64", "signal=KILL", n);
    (!run.status.success()).then_some((world, old))
}

/// How often a run writes to its journal: the first makes room, each other is a record.
fn writes() -> u64 {
    Verb::Rollback.calls()["pwrite64"]
}

fn transaction(world: &World) -> Option<PathBuf> {
    Some(fs::read_dir(world.state.join("transactions")).ok()?.next()?.unwrap().path())
}

/// What lies beside the journal in a run's folders and beside the targets: everything that a recovery might lose.
fn everything(world: &World) -> (Snapshot, BTreeMap<PathBuf, Vec<u8>>) {
    let mut kept = BTreeMap::new();
    for folder in snapshot::leftovers(&world.home) {
        let mut open = vec![world.home.join(folder)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    kept.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
    }
    (world.files(), kept)
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
        let Some((world, _)) = killed(n) else { continue };
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
                    Ok(reading) if reading.status == whole.status => right += 1,
                    Ok(reading) => {
                        let read: Vec<_> = reading.records().cloned().collect();
                        assert!(matches!(reading.tail, Tail::Torn { .. }), "write {n}, byte {at}");
                        assert_eq!(read, records[..records.len() - 1], "write {n}, byte {at}");
                        torn += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    eprintln!(
        "journal: {} flips, {right} read as they were, {torn} torn, {refused} refused",
        right + torn + refused
    );
    assert!(torn > 0 && refused > 0);
}

/// A recovery of a damaged journal settles the run or leaves everything as it is; with its journal mended the run is settled.
fn recovered(world: &World, old: &Snapshot, new: &Snapshot, whole: &[u8], at: &str) -> bool {
    let journal = transaction(world).unwrap().join("journal");
    let before = everything(world);
    let run = world.plain(&["recover"]);
    match run.code {
        Some(SETTLED) => {
            settled(world, old, new, at);
            true
        }
        Some(STUCK) => {
            assert!(everything(world) == before, "{at}: refused, and yet something has changed");
            world.plain(&["status"]).ends(21);
            fs::write(journal, whole).unwrap();
            settled(world, old, new, at);
            false
        }
        _ => panic!("{at}: {run:?}"),
    }
}

#[test]
fn a_recovery_of_a_flipped_journal_settles_the_run_or_touches_nothing() {
    if !have_strace() {
        return;
    }
    let new = Verb::Rollback.after();
    let mut places = Vec::new();
    for n in 2..=writes() {
        let Some((world, _)) = killed(n) else { continue };
        let Some(folder) = transaction(&world) else { continue };
        let bytes = fs::read(folder.join("journal")).unwrap();
        // A place in every line.
        let ends = bytes[..used(&bytes)].iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at);
        places.extend(ends.map(|end| (n, end.saturating_sub(5))));
    }
    let (mut settled, mut refused) = (0, 0);
    for (n, at) in drawn(places, 60) {
        let Some((world, old)) = killed(n) else { continue };
        let journal = transaction(&world).unwrap().join("journal");
        let whole = fs::read(&journal).unwrap();
        let mut damaged = whole.clone();
        let Some(byte) = damaged.get_mut(at) else { continue };
        *byte ^= 4;
        fs::write(&journal, damaged).unwrap();
        match recovered(&world, &old, &new, &whole, &format!("write {n}, byte {at}")) {
            true => settled += 1,
            false => refused += 1,
        }
    }
    eprintln!(
        "flipped journals recovered: {settled} settled, {refused} refused with nothing touched, 0 violations"
    );
    assert!(settled > 0 && refused > 0);
}

/// A damage by its name, what it makes of a journal's lines, and whether the run can still be settled.
type Damage = (&'static str, fn(Vec<String>) -> Vec<String>, i32);

/// What media and people make of a journal whose last record is Armed or later.
const CORPUS: [Damage; 9] = [
    ("untouched", |lines| lines, SETTLED),
    (
        "the last line is torn",
        |mut lines| {
            let last = lines.last_mut().unwrap();
            last.truncate(last.len() / 2);
            lines
        },
        STUCK,
    ),
    (
        "two lines are swapped",
        |mut lines| {
            lines.swap(1, 2);
            lines
        },
        STUCK,
    ),
    (
        "a line is there twice",
        |mut lines| {
            lines.insert(2, lines[2].clone());
            lines
        },
        STUCK,
    ),
    (
        "a line in the middle is lost",
        |mut lines| {
            lines.remove(1);
            lines
        },
        STUCK,
    ),
    (
        "armed is lost, and files are swapped",
        |mut lines| {
            lines.retain(|line| !line.contains("Armed"));
            lines
        },
        STUCK,
    ),
    (
        "it is of a newer format",
        |mut lines| {
            lines[0] = lines[0].replace("format:(1,", "format:(9,").replace("format: (1,", "format: (9,");
            lines
        },
        STUCK,
    ),
    ("it is empty", |_| Vec::new(), STUCK),
    ("it is something else", |_| vec!["once upon a time".to_owned()], STUCK),
];

#[test]
fn each_damage_of_the_corpus_has_its_verdict() {
    if !have_strace() {
        return;
    }
    let new = Verb::Rollback.after();
    let middle = Verb::Rollback.calls()["renameat2"] / 2;
    for (name, damage, verdict) in CORPUS {
        let (world, old) = Verb::Rollback.before();
        let run = Verb::Rollback.injected(&world, "renameat2", "signal=KILL", middle);
        assert!(!run.status.success());
        let journal = transaction(&world).unwrap().join("journal");
        let whole = fs::read(&journal).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let lines = text.lines().filter(|l| !l.trim().is_empty()).map(str::to_owned).collect();
        let mut bytes = damage(lines).join("\n").into_bytes();
        bytes.push(b'\n');
        bytes.resize(whole.len(), b'\n');
        fs::write(&journal, bytes).unwrap();
        let ended = if recovered(&world, &old, &new, &whole, name) { SETTLED } else { STUCK };
        assert_eq!(ended, verdict, "{name}");
    }
}

#[test]
fn a_line_of_a_gibibyte_is_refused_and_not_kept_in_memory() {
    if !have_strace() {
        return;
    }
    let new = Verb::Rollback.after();
    let (world, old) = Verb::Rollback.before();
    Verb::Rollback.injected(&world, "renameat2", "signal=KILL", 3);
    let journal = transaction(&world).unwrap().join("journal");
    let whole = fs::read(&journal).unwrap();
    let file = File::options().write(true).open(&journal).unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at(b"x", (1 << 30) - 1).unwrap();
    let before = everything(&world);
    let command = world.command(&["recover", "--json", "--no-parent"]);
    let mut small = Command::new("sh");
    small
        .args(["-c", "ulimit -v 600000; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    let run = Run::to_its_end(&mut small).ends(STUCK);
    assert!(run.json["error"].to_string().contains("journal"), "{run:?}");
    assert!(everything(&world) == before);
    fs::write(&journal, &whole).unwrap();
    assert_eq!(settled(&world, &old, &new, "mended"), Side::New);
    assert!(Path::new(&world.state).exists());
}
