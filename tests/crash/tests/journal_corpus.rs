//! Journals damaged in the ways that media and people damage files, each with its verdict: the run is settled, or it is
//! refused with nothing touched, and settled once the journal is mended.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test damages files, stops at the first surprise"
)]

use backout_crash::{
    Side, Verb,
    damage::{Verdict, everything, recovered, transaction},
    have_strace, settled,
};
use backout_kit::Run;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    process::Command,
};

/// A damage by its name, what it makes of a journal's lines, and whether the run can still be settled.
type Damage = (&'static str, fn(Vec<String>) -> Vec<String>, Verdict);

/// What media and people make of a journal whose last record is Armed or later.
const CORPUS: [Damage; 9] = [
    ("untouched", |lines| lines, Verdict::Settled),
    (
        "the last line is torn",
        |mut lines| {
            let last = lines.last_mut().unwrap();
            last.truncate(last.len() / 2);
            lines
        },
        Verdict::Refused,
    ),
    (
        "two lines are swapped",
        |mut lines| {
            lines.swap(1, 2);
            lines
        },
        Verdict::Refused,
    ),
    (
        "a line is there twice",
        |mut lines| {
            lines.insert(2, lines[2].clone());
            lines
        },
        Verdict::Refused,
    ),
    (
        "a line in the middle is lost",
        |mut lines| {
            lines.remove(1);
            lines
        },
        Verdict::Refused,
    ),
    (
        "armed is lost, and files are swapped",
        |mut lines| {
            lines.retain(|line| !line.contains("Armed"));
            lines
        },
        Verdict::Refused,
    ),
    (
        "it is of a newer format",
        |mut lines| {
            let text = lines[0][9..].replace("format:(1,", "format:(9,");
            lines[0] = format!("{:08x} {text}", crc32fast::hash(text.as_bytes()));
            lines
        },
        Verdict::Refused,
    ),
    ("it is empty", |_| Vec::new(), Verdict::Refused),
    ("it is something else", |_| vec!["once upon a time".to_owned()], Verdict::Refused),
];

#[test]
fn each_damage_of_the_corpus_has_its_verdict() {
    if !have_strace() {
        return;
    }
    let new = Verb::Rollback.after();
    let middle = Verb::Rollback.calls()["renameat2"] / 2;
    for (name, damage, verdict) in CORPUS {
        let (world, old) = Verb::Rollback.killed("renameat2", middle).unwrap();
        let journal = transaction(&world).unwrap().join("journal");
        let whole = fs::read(&journal).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let lines = text.lines().filter(|l| !l.trim().is_empty()).map(str::to_owned).collect();
        let mut bytes = damage(lines).join("\n").into_bytes();
        bytes.push(b'\n');
        bytes.resize(whole.len(), b'\n');
        fs::write(&journal, bytes).unwrap();
        if name.contains("newer") {
            let said = world.plain(&["recover"]).json["error"].to_string();
            assert!(said.contains("newer"), "{said}");
        }
        assert_eq!(recovered(&world, &old, &new, &whole, name), verdict, "{name}");
    }
}

#[test]
fn a_line_of_a_gibibyte_is_refused_and_not_kept_in_memory() {
    if !have_strace() {
        return;
    }
    let new = Verb::Rollback.after();
    let (world, old) = Verb::Rollback.killed("renameat2", 3).unwrap();
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
    let run = Run::to_its_end(&mut small).ends(22);
    assert!(run.json["error"].to_string().contains("journal"), "{run:?}");
    assert!(everything(&world) == before);
    fs::write(&journal, &whole).unwrap();
    assert_eq!(settled(&world, &old, &new, "mended"), Side::New);
}
