//! A real journal, damaged in every way a medium or a person can: torn, refused or right, never a wrong status.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests damage files and stop at the first surprise"
)]

use backout_disk::Folder;
use backout_journal::{
    Direction, Journal, Record, Remedy, Status, Tail, Unreadable, format, reader::read, status::replay,
    writer::NAME,
};
use backout_protocol::{Digest, RunId, plan::Was};
use std::fs;

fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}

fn records() -> Vec<Record> {
    let mut records = armed();
    records.extend([
        Record::Undo { why: "a \"reason\"\nof two lines".into() },
        Record::Unswapped,
        Record::Undone { why: "done".into() },
    ]);
    records
}

/// A run that waits for a reboot, and goes on behind it.
fn deferred() -> Vec<Record> {
    let mut records = armed();
    records.extend([
        Record::Deferring { why: "`a.dll` is in use".into() },
        Record::Unswapped,
        Record::RebootPending { boot: "boot".into(), entries: 2 },
        Record::Recovering { direction: Direction::Forwards },
        Record::Armed,
        Record::Swapped,
        Record::Committed,
    ]);
    records
}

fn armed() -> Vec<Record> {
    vec![
        Record::Begin {
            format: format::FORMAT,
            tool: "test".into(),
            boot: "boot".into(),
            plan: Digest([7; 32]),
        },
        Record::Staged { staged: Digest([8; 32]) },
        Record::Opening { services: vec![("A Service".parse().unwrap(), Was::Running)] },
        Record::Armed,
    ]
}

/// The bytes of a journal with the first `count` records.
fn written(count: usize) -> Vec<u8> {
    journal_of(&records(), count)
}

fn journal_of(records: &[Record], count: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
    let mut journal = Journal::create(&folder, &run()).unwrap();
    for record in records.iter().take(count) {
        journal.append(record.clone()).unwrap();
    }
    fs::read(dir.path().join(NAME)).unwrap()
}

/// Every beginning of both, from so many records on; what they share once only.
fn each(from: usize) -> Vec<(Vec<Record>, usize)> {
    let undone = (from..=records().len()).map(|count| (records(), count));
    let deferred = (armed().len() + 1..=deferred().len()).map(|count| (deferred(), count));
    undone.chain(deferred).collect()
}

#[test]
fn what_was_written_is_read() {
    for (records, count) in each(0) {
        let bytes = journal_of(&records, count);
        assert_eq!(bytes.len(), format::LENGTH);
        let reading = read(&run(), &bytes).unwrap();
        let expected: Vec<Record> = records.into_iter().take(count).collect();
        assert_eq!(reading.records().cloned().collect::<Vec<_>>(), expected);
        assert_eq!((reading.status, reading.tail), (replay(&expected).unwrap(), Tail::Blank));
    }
}

#[test]
fn every_flipped_byte_is_torn_refused_or_right() {
    for (records, count) in each(1) {
        let bytes = journal_of(&records, count);
        let end = bytes.iter().rposition(|b| *b != b'\n').unwrap() + 2;
        let before = replay(&records[..count - 1]).unwrap();
        let whole = replay(&records[..count]).unwrap();
        for at in 0..end + 8 {
            for mask in [0x01, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                match read(&run(), &damaged) {
                    Ok(reading) if reading.status == whole => {}
                    Ok(reading) => {
                        assert!(matches!(reading.tail, Tail::Torn { .. }), "{count} {at} {mask:x}");
                        // Services may be down where the line was an `Opening` once.
                        let opening = matches!(records[count - 1], Record::Opening { .. });
                        assert!(
                            !opening || reading.remedy() == Remedy::DropStagingAndResume,
                            "{at} {mask:x}"
                        );
                        assert_eq!(
                            reading.status, before,
                            "{count} {at} {mask:x}: only the last line can be torn"
                        );
                    }
                    Err(Unreadable::Corrupt { .. }) => assert!(count > 1, "{at}"),
                    Err(other) => panic!("{count} {at} {mask:x}: {other}"),
                }
            }
        }
    }
}

/// The same with part of one more line.
fn torn_behind(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().rposition(|b| *b != b'\n').unwrap() + 2;
    bytes[end] = b'x';
    bytes
}

#[test]
fn a_line_that_cannot_be_read_is_taken_for_an_opening_or_an_armed_only_where_one_may_come() {
    for count in 1..=records().len() {
        let whole = written(count);
        let reading = read(&run(), &whole).unwrap();
        assert!(!reading.is_opening_in_doubt() && !reading.is_armed_in_doubt(), "{count}: nothing is torn");
        assert_eq!(reading.remedy(), reading.status.remedy(), "{count}");
        let reading = read(&run(), &torn_behind(whole)).unwrap();
        assert_eq!(reading.is_opening_in_doubt(), reading.status == Status::Staged, "{count}");
        assert_eq!(reading.is_armed_in_doubt(), reading.status == Status::Opening, "{count}");
    }
    let waits = [&armed()[..2], &[Record::CommitPending]].concat();
    let torn = torn_behind(journal_of(&waits, waits.len()));
    assert!(read(&run(), &torn).unwrap().is_opening_in_doubt());
    // A recovery has looked, and its own next line cannot be read: that is looked at once more.
    let recovered = [&armed()[..3], &[Record::Recovering { direction: Direction::Backwards }]].concat();
    let whole = journal_of(&recovered, recovered.len());
    let reading = read(&run(), &whole).unwrap();
    assert!(reading.status == Status::Opening && !reading.is_armed_in_doubt());
    assert!(read(&run(), &torn_behind(whole)).unwrap().is_armed_in_doubt());
}

#[test]
fn a_line_torn_anywhere_is_as_if_it_had_not_been_written() {
    for (records, count) in each(1) {
        let long = journal_of(&records, count);
        let end = long.iter().rposition(|b| *b != b'\n').unwrap() + 1;
        let start = long[..end].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let mut short = long.clone();
        short[start..].fill(b'\n');
        let before = replay(&records[..count - 1]).unwrap();
        for cut in start..end {
            let mut head = short.clone();
            head[start..cut].copy_from_slice(&long[start..cut]);
            assert_eq!(read(&run(), &head).unwrap().status, before, "{count} {cut}: the end is missing");
            let mut tail = short.clone();
            tail[cut + 1..end].copy_from_slice(&long[cut + 1..end]);
            assert_eq!(
                read(&run(), &tail).unwrap().status,
                before,
                "{count} {cut}: the beginning is missing"
            );
        }
    }
}

#[test]
fn lines_that_are_swapped_doubled_foreign_or_newer_are_refused() {
    let bytes = written(5);
    let text = String::from_utf8(bytes.clone()).unwrap();
    let lines: Vec<&str> = text.lines().take(5).collect();
    let of = |lines: &[&str]| {
        let mut bytes = lines.join("\n").into_bytes();
        bytes.resize(format::LENGTH, b'\n');
        bytes
    };
    let corrupt = |bytes: &[u8]| matches!(read(&run(), bytes), Err(Unreadable::Corrupt { .. }));
    assert!(corrupt(&of(&[lines[0], lines[2], lines[1]])));
    assert!(corrupt(&of(&[lines[0], lines[1], lines[1]])));
    assert!(corrupt(&of(&[lines[1]])));
    assert!(corrupt(&of(&[lines[0], "", lines[1]])));
    assert!(read(&"01jd0000000000000000000001".parse().unwrap(), &bytes).is_err());
    let newer = lines[0].split_once(' ').unwrap().1.to_owned();
    let (major, minor) = format::FORMAT;
    for found in [(major + 1, 0), (major, minor + 1)] {
        let [is, newer_one] = [format::FORMAT, found].map(|(a, b)| format!("format:({a},{b})"));
        let newer = newer.replace(&is, &newer_one);
        let newer = format!("{:08x} {newer}", crc32fast::hash(newer.as_bytes()));
        assert_eq!(read(&run(), &of(&[&newer])), Err(Unreadable::TooNew { found }));
    }
    assert_eq!(read(&run(), b"").unwrap().status, Status::Nothing);
    assert!(corrupt(&vec![b'x'; 1 << 20]));
}

#[test]
fn taking_over_keeps_the_meaning_however_often() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
    let mut journal = Journal::create(&folder, &run()).unwrap();
    for record in records().into_iter().take(5) {
        journal.append(record).unwrap();
    }
    // Whoever takes over does so after the writer's end.
    drop(journal);
    for _ in 0..20 {
        let reading = Journal::read(&folder, &run()).unwrap().unwrap();
        assert_eq!(reading.status, Status::Undoing);
        let first = Record::Recovering { direction: Direction::Backwards };
        let mut journal = Journal::take_over(&folder, &run(), &reading, [first]).unwrap();
        assert_eq!(journal.status(), Status::Undoing);
        journal.append(Record::Unswapped).unwrap();
        let reading = Journal::read(&folder, &run()).unwrap().unwrap();
        assert_eq!(reading.status, Status::Unswapped);
        // Back to where it was, as a crash would leave it, is not possible: start again from the old journal.
        fs::write(dir.path().join(NAME), written(5)).unwrap();
    }
}
