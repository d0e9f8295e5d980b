//! Lines that are whole by themselves, and yet not what a run of this tool wrote: each of the reader's conditions alone.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use backout_disk::Folder;
use backout_journal::{
    Journal, JournalError, Record, Unreadable,
    format::{self, FORMAT, Line},
    reader::read,
    writer::NAME,
};
use backout_protocol::{Digest, RunId, plan::Was};
use tempfile::TempDir;

fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}

fn begin(format: (u16, u16)) -> Record {
    Record::Begin { format, tool: "test".into(), boot: "boot".into(), plan: Digest([7; 32]) }
}

/// A folder for a journal, there as long as the first is.
fn folder() -> (TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
    (dir, folder)
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
fn the_first_line_of_a_sealed_file_is_read_only_if_it_is_whole() {
    let (mut bytes, _) = format::seal("(7, \"seven\")");
    let end = bytes.len();
    bytes.extend(format::seal("(8, \"eight\")").0);
    let said = |bytes: &[u8]| format::first::<(u8, String)>(bytes);
    assert_eq!(said(&bytes), Some((7, "seven".to_owned())));
    for at in 0..end - 1 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(said(&damaged), None, "{at}");
    }
    assert_eq!(said(b""), None);
    assert_eq!(said(&[b'\n'; 64]), None);
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
        let (_dir, folder) = folder();
        let mut journal = Journal::create(&folder, &run()).unwrap();
        journal.append(begin(FORMAT)).unwrap();
        journal.append(Record::Staged { staged: Digest([8; 32]) }).unwrap();
        assert_eq!(journal.append(opening(count)).is_ok(), is_written, "{count}");
        let reading = Journal::read(&folder, &run()).unwrap().unwrap();
        assert_eq!(reading.lines.len(), if is_written { 3 } else { 2 });
    }
}

/// A journal of a run whose files are swapped, with so many records behind that.
fn swapped(folder: &Folder, more: usize) -> Journal {
    let mut journal = Journal::create(folder, &run()).unwrap();
    let opening = Record::Opening { services: vec![("Service".parse().unwrap(), Was::Running)] };
    let staged = Record::Staged { staged: Digest([8; 32]) };
    for record in [begin(FORMAT), staged, opening, Record::Armed, Record::Swapped] {
        journal.append(record).unwrap();
    }
    (0..more).for_each(|_| journal.append(started()).unwrap());
    journal
}

/// A record that may come as often as one likes.
fn started() -> Record {
    Record::Started { service: "A service that is started again and again".parse().unwrap() }
}

/// What `append` writes of an `Undo` with so long a reason behind what is there.
fn undo(folder: &Folder, why: usize) -> (Record, usize) {
    let reading = Journal::read(folder, &run()).unwrap().unwrap();
    let last = reading.lines.last().unwrap();
    let (seq, prev) = (last.seq + 1, format::encode(last).unwrap().1);
    let record = Record::Undo { why: "w".repeat(why) };
    let line = Line { seq, run: run(), prev, at: last.at, record: record.clone() };
    (record, format::encode(&line).unwrap().0.len())
}

#[test]
fn a_line_says_when_it_was_written() {
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let (_dir, folder) = folder();
    let before = now();
    swapped(&folder, 0);
    let after = now();
    for line in Journal::read(&folder, &run()).unwrap().unwrap().lines {
        assert!((before.as_millis()..=after.as_millis()).contains(&line.at.into()), "{}", line.at);
    }
}

#[test]
fn a_line_that_just_fits_is_written_and_one_byte_more_is_not() {
    let full = {
        let (_dir, folder) = folder();
        let mut journal = swapped(&folder, 0);
        (0..5000).take_while(|_| journal.append(started()).is_ok()).count()
    };
    for over in [0, 1] {
        let (dir, folder) = folder();
        let mut journal = swapped(&folder, full - 1);
        let bytes = std::fs::read(dir.path().join(NAME)).unwrap();
        let there = bytes.iter().rposition(|b| *b != format::BLANK).unwrap() + 2;
        let room = bytes.len() - there;
        let (_, bare) = undo(&folder, 0);
        let (record, len) = undo(&folder, room - bare + over);
        assert_eq!(len, room + over);
        assert_eq!(journal.append(record).is_ok(), over == 0, "{over}");
        let reading = Journal::read(&folder, &run()).unwrap().unwrap();
        assert_eq!(reading.lines.len(), 5 + full - over, "{over}");
    }
    // Where there is much room a line's own length is the limit.
    for over in [0, 1] {
        let (_dir, folder) = folder();
        let begin = |boot: usize| match begin(FORMAT) {
            Record::Begin { format, tool, plan, .. } => {
                Record::Begin { format, tool, boot: "b".repeat(boot), plan }
            }
            other => other,
        };
        let at = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        let len = |boot| {
            let line = Line { seq: 0, run: run(), prev: 0, at, record: begin(boot) };
            format::encode(&line).unwrap().0.len()
        };
        let boot = format::MAX_LINE - len(0) + over;
        assert_eq!(len(boot), format::MAX_LINE + over);
        let mut journal = Journal::create(&folder, &run()).unwrap();
        assert_eq!(journal.append(begin(boot)).is_ok(), over == 0, "{over}");
        assert_eq!(Journal::read(&folder, &run()).unwrap().unwrap().lines.len(), 1 - over);
    }
}

#[test]
fn a_journal_that_is_full_takes_no_more_and_keeps_what_it_has() {
    let (dir, folder) = folder();
    let mut journal = swapped(&folder, 0);
    let mut written = 5;
    let refused = loop {
        assert!(!journal.is_poisoned(), "{written}");
        match journal.append(started()) {
            Ok(()) if written < 5000 => written += 1,
            Ok(()) => panic!("it takes whatever comes"),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, JournalError::Full), "{refused:?}");
    assert!(journal.is_poisoned());
    assert!(matches!(journal.append(started()), Err(JournalError::Poisoned)));
    let file = std::fs::metadata(dir.path().join(NAME)).unwrap();
    assert_eq!(file.len(), format::LENGTH as u64);
    assert_eq!(Journal::read(&folder, &run()).unwrap().unwrap().lines.len(), written);
}
