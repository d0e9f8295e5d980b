//! Lines that are whole by themselves, and yet not what a run of this tool wrote: each of the reader's conditions alone.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use backout_disk::Folder;
use backout_journal::{
    Journal, Record, Unreadable,
    format::{self, FORMAT, Line},
    reader::read,
};
use backout_protocol::{Digest, RunId, plan::Was};

fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}

fn begin(format: (u16, u16)) -> Record {
    Record::Begin { format, tool: "test".into(), boot: "boot".into(), plan: Digest([7; 32]) }
}

/// The line's bytes, and its checksum.
fn line(seq: u32, prev: u32, record: Record) -> (Vec<u8>, u32) {
    format::encode(&Line { seq, run: run(), prev, at: 0, record }).unwrap()
}

/// A first line, and a second with this number, on the first or on nothing.
fn two(seq: u32, chained: bool) -> Vec<u8> {
    let (mut bytes, crc) = line(0, 0, begin(FORMAT));
    let staged = Record::Staged { staged: Digest([8; 32]) };
    bytes.extend(line(seq, if chained { crc } else { crc ^ 1 }, staged).0);
    bytes
}

#[test]
fn a_line_needs_both_its_number_and_the_line_before_it() {
    assert_eq!(read(&run(), &two(1, true)).unwrap().lines.len(), 2);
    for (seq, chained) in [(1, false), (2, true), (0, true), (2, false)] {
        let refused = read(&run(), &two(seq, chained));
        assert!(matches!(refused, Err(Unreadable::Corrupt { .. })), "{seq} {chained}: {refused:?}");
    }
}

#[test]
fn a_journal_of_a_newer_format_is_refused_and_one_of_this_or_an_older_is_read() {
    let (major, minor) = FORMAT;
    for known in 0..=minor {
        assert!(read(&run(), &line(0, 0, begin((major, known))).0).is_ok());
    }
    for newer in [(major, minor + 1), (major + 1, 0), (major + 1, minor)] {
        let refused = read(&run(), &line(0, 0, begin(newer)).0);
        assert_eq!(refused, Err(Unreadable::TooNew { found: newer }));
    }
}

#[test]
fn bytes_far_behind_the_last_line_are_named_by_their_place() {
    let (mut bytes, _) = line(0, 0, begin(FORMAT));
    let place = bytes.len() + format::MAX_LINE + 3;
    bytes.resize(place, format::BLANK);
    bytes.push(b'x');
    let refused = read(&run(), &bytes);
    assert!(matches!(&refused, Err(Unreadable::Corrupt { at, .. }) if *at == place), "{place}: {refused:?}");
}

#[test]
fn a_line_of_many_services_has_room_and_one_that_is_too_long_is_not_written() {
    let opening = |count: usize| {
        let service = |n: usize| (format!("A Service Of A Long Name {n:04}").parse().unwrap(), Was::Running);
        Record::Opening { services: (0..count).map(service).collect() }
    };
    let long = |count| line(2, 1, opening(count)).0.len();
    let fits = (1..).take_while(|n| long(*n) <= 15 * 1024).last().unwrap();
    for (count, is_written) in [(fits, true), (fits + 40, false)] {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
        let mut journal = Journal::create(&folder, &run()).unwrap();
        journal.append(begin(FORMAT)).unwrap();
        journal.append(Record::Staged { staged: Digest([8; 32]) }).unwrap();
        assert_eq!(journal.append(opening(count)).is_ok(), is_written, "{count}");
        let reading = Journal::read(&folder, &run()).unwrap().unwrap();
        assert_eq!(reading.lines.len(), if is_written { 3 } else { 2 });
    }
}
