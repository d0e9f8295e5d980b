//! What of a run is over, what is kept of it by whoever takes it over, and in which order custom steps go.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use backout_disk::Folder;
use backout_journal::{
    Direction, Journal, Record, Status,
    format::FORMAT,
    status::{next, replay},
};
use backout_protocol::{Digest, RunId, plan::Was};

fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}

fn service() -> backout_protocol::ServiceName {
    "A Service".parse().unwrap()
}

fn armed() -> Vec<Record> {
    vec![
        Record::Begin { format: FORMAT, tool: "test".into(), boot: "boot".into(), plan: Digest([7; 32]) },
        Record::Staged { staged: Digest([8; 32]) },
        Record::Opening { services: vec![(service(), Was::Running)] },
        Record::Armed,
    ]
}

#[test]
fn a_run_is_over_with_its_last_record_and_committed_with_that_alone() {
    use Status as S;
    for (status, over, committed) in [
        (S::Nothing, false, false),
        (S::Begun, false, false),
        (S::CommitPending, false, false),
        (S::Opening, false, false),
        (S::Armed, false, false),
        (S::Swapped, false, false),
        (S::Committed, true, true),
        (S::CommittedClean, true, true),
        (S::Undoing, false, false),
        (S::Unswapped, false, false),
        (S::RebootPending, false, false),
        (S::Undone, true, false),
        (S::UndoneClean, true, false),
    ] {
        assert_eq!((status.is_over(), status.is_committed()), (over, committed), "{status:?}");
    }
}

#[test]
fn custom_steps_go_one_by_one_and_each_ends_before_the_next() {
    for (from, record, to) in [
        (Status::Armed, Record::Applying { n: 0 }, Some(Status::Applying(0))),
        (Status::Armed, Record::Applying { n: 1 }, None),
        (Status::Applying(1), Record::Applied { n: 1 }, Some(Status::Applied(1))),
        (Status::Applying(1), Record::Applied { n: 0 }, None),
        (Status::Applying(1), Record::Applied { n: 2 }, None),
        (Status::Applied(0), Record::Applying { n: 1 }, Some(Status::Applying(1))),
        (Status::Applied(0), Record::Applying { n: 2 }, None),
        (Status::Applied(1), Record::Applying { n: 1 }, None),
        (Status::Applied(u32::MAX), Record::Applying { n: 0 }, None),
    ] {
        assert_eq!(next(from, &record).ok(), to, "{from:?} {record:?}");
    }
}

#[test]
fn whoever_takes_over_keeps_what_decides_and_not_what_is_only_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
    let mut journal = Journal::create(&folder, &run()).unwrap();
    let told = [Record::Starting { service: service() }, Record::Started { service: service() }];
    let decides: Vec<Record> = armed().into_iter().chain([Record::Swapped]).collect();
    for record in decides.iter().chain(&told) {
        journal.append(record.clone()).unwrap();
    }
    // Whoever takes over does so after the writer's end.
    drop(journal);
    let recovering = Record::Recovering { direction: Direction::Forwards };
    // However often: a journal that kept all that was told would be full one day.
    for _ in 0..3 {
        let reading = Journal::read(&folder, &run()).unwrap().unwrap();
        drop(Journal::take_over(&folder, &run(), &reading, [recovering.clone()]).unwrap());
        let kept: Vec<Record> = Journal::read(&folder, &run()).unwrap().unwrap().records().cloned().collect();
        assert_eq!(kept, [decides.clone(), vec![recovering.clone()]].concat());
        assert_eq!(replay(&kept).unwrap(), Status::Swapped);
    }
}

#[test]
fn there_is_room_for_as_many_actions_as_a_plan_may_have_and_for_the_way_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
    let mut journal = Journal::create(&folder, &run()).unwrap();
    let acted = (0..64).flat_map(|n| [Record::Applying { n }, Record::Applied { n }]);
    let services =
        (0..32).map(|n| (format!("A service with a long name, number {n}").parse().unwrap(), Was::Running));
    let why = || "w".repeat(10_000);
    let many = Record::Opening { services: services.collect() };
    let records =
        armed().into_iter().map(|r| if matches!(r, Record::Opening { .. }) { many.clone() } else { r });
    for record in records.chain(acted).chain([Record::Undo { why: why() }]) {
        journal.append(record).unwrap();
    }
    drop(journal);
    let reading = Journal::read(&folder, &run()).unwrap().unwrap();
    let recovering = Record::Recovering { direction: Direction::Backwards };
    let mut journal = Journal::take_over(&folder, &run(), &reading, [recovering]).unwrap();
    journal.append(Record::Unswapped).unwrap();
    for n in 0..32 {
        let service: backout_protocol::ServiceName =
            format!("A service with a long name, number {n}").parse().unwrap();
        journal.append(Record::Starting { service: service.clone() }).unwrap();
        journal.append(Record::Started { service }).unwrap();
    }
    journal.append(Record::Undone { why: why() }).unwrap();
    journal.append(Record::Clean).unwrap();
}
