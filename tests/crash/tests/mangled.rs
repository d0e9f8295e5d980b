//! Whatever is read from outside, mangled: it is refused, or read as what it is. Never a panic, never another meaning.
#![expect(clippy::unwrap_used, reason = "tests make files and stop at the first surprise")]

use backout_disk::Folder;
use backout_engine::{LoadedProfile, Refusal, load};
use backout_journal::{Journal, Record, reader, status::replay, writer::NAME};
use backout_kit::World;
use backout_machine::version;
use backout_protocol::{
    Digest, FileVersion, MachineType, RunId,
    message::{Candidate, Need, Proposal, Proposed},
    plan::Was,
    step::Fate,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::{
    fs,
    io::{Seek, Write},
    panic::{self, AssertUnwindSafe},
    path::Path,
};

/// Something done to bytes at a place that is taken modulo their length.
#[derive(Debug, Clone)]
enum Edit {
    Flip(usize, u8),
    Put(usize, Vec<u8>),
    Cut(usize, usize),
    Repeat(usize, usize),
    Exchange(usize, usize, usize),
    End(usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = || any::<usize>();
    let len = || 0..200usize;
    let edit = prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bits)| Edit::Flip(at, bits)),
        (at(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Edit::Put(at, bytes)),
        (at(), len()).prop_map(|(at, len)| Edit::Cut(at, len)),
        (at(), len()).prop_map(|(at, len)| Edit::Repeat(at, len)),
        (at(), at(), len()).prop_map(|(a, b, len)| Edit::Exchange(a, b, len)),
        at().prop_map(Edit::End),
    ];
    prop::collection::vec(edit, 1..6)
}

fn mangled(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for edit in edits {
        let end = bytes.len();
        if end == 0 {
            break;
        }
        let span = |at: usize, len: usize| at % end..(at % end + len).min(end);
        match edit {
            Edit::Flip(at, bits) => bytes[at % end] ^= bits,
            Edit::Put(at, new) => drop(bytes.splice(at % end..at % end, new.iter().copied())),
            Edit::Cut(at, len) => drop(bytes.drain(span(*at, *len))),
            Edit::Repeat(at, len) => {
                let again = bytes[span(*at, *len)].to_vec();
                bytes.splice(at % end..at % end, again);
            }
            Edit::Exchange(a, b, len) => {
                let (a, b) = (a % end, b % end);
                let len = (*len).min(a.abs_diff(b)).min(end - a.max(b));
                for at in 0..len {
                    bytes.swap(a + at, b + at);
                }
            }
            Edit::End(at) => bytes.truncate(at % end),
        }
    }
    bytes
}

/// Draws from this number.
fn runner(cases: u32, seed: u64) -> TestRunner {
    // Nothing is written beside the sources: what fails is printed, and becomes a test by hand.
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let bytes: Vec<u8> = (0..4).flat_map(|part: u64| (seed ^ part << 62).to_le_bytes()).collect();
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Does this to so many drawn lists of edits. One at which it panics is made as small as it still does so, and shown.
fn each(cases: u32, test: impl Fn(&[Edit])) {
    let tried = runner(cases, backout_kit::seed()).run(&edits(), |edits| {
        let came = panic::catch_unwind(AssertUnwindSafe(|| test(&edits)));
        came.map_err(|why| {
            let text = why.downcast_ref::<String>().cloned();
            let text = text.or(why.downcast_ref::<&str>().map(ToString::to_string));
            TestCaseError::fail(text.unwrap_or_default())
        })
    });
    if let Err(failed) = tried {
        panic!("{failed}");
    }
}

#[test]
fn another_seed_draws_other_edits_and_the_same_one_the_same() {
    let drawn = |seed| {
        let mut runner = runner(1, seed);
        let tree = (0..20).map(|_| edits().new_tree(&mut runner).unwrap().current());
        format!("{:?}", tree.collect::<Vec<_>>())
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    assert_ne!(drawn(1), drawn(1 << 63));
}

#[test]
fn a_panic_is_found_and_made_small() {
    let found = panic::catch_unwind(|| {
        each(200, |edits| {
            if edits.iter().any(|edit| matches!(edit, Edit::End(_))) {
                panic::resume_unwind(Box::new("an end"));
            }
        });
    });
    let text = found.unwrap_err().downcast_ref::<String>().cloned().unwrap();
    let text: String = text.split_whitespace().collect();
    assert!(text.contains("anend") && text.contains("[End(0,),]"), "{text}");
}

fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}

fn records() -> Vec<Record> {
    let begin = Record::Begin {
        format: backout_journal::format::FORMAT,
        tool: "test".into(),
        boot: "boot".into(),
        plan: Digest([7; 32]),
    };
    let services = vec![("A Service".parse().unwrap(), Was::Running)];
    let undo = Record::Undo { why: "a \"reason\"\nof two lines".into() };
    let staged = Record::Staged { staged: Digest([8; 32]) };
    vec![begin, staged, Record::Opening { services }, Record::Armed, undo, Record::Unswapped]
}

fn journal() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
    let mut journal = Journal::create(&folder, &run()).unwrap();
    for record in records() {
        journal.append(record).unwrap();
    }
    let bytes = fs::read(dir.path().join(NAME)).unwrap();
    // The blanks behind the records are not where it is interesting.
    bytes[..4096].to_vec()
}

fn proposal() -> Proposal {
    let place = |rel: &str| backout_protocol::Place {
        root: Path::new("/srv/sp").to_owned().into(),
        rel: backout_protocol::RelPath::new(rel).unwrap(),
    };
    let candidates = vec![Candidate { place: place("a.dll.bak"), fate: Fate::Consume }];
    let restore = Proposed::RestoreFile { target: place("a.dll"), need: Need::Listed, candidates };
    let stop = Proposed::StopService { service: "A Service".parse().unwrap() };
    Proposal { steps: vec![stop, restore], ..Proposal::default() }
}

/// A plan as it is saved.
fn plan() -> Vec<u8> {
    let world = World::without_services();
    let file = world.path().join("plan.ron");
    world.verb("plan", &["-o", file.to_str().unwrap()]).ends(0);
    fs::read(file).unwrap()
}

/// What cannot be read says where that is.
fn placed<T>(read: Result<T, Refusal>) {
    if let Err(Refusal::Malformed(error)) = read {
        assert!(error.line >= 1 && !error.why.is_empty(), "{error:?}");
    }
}

fn read_profile(bytes: &[u8]) -> Result<LoadedProfile, Refusal> {
    LoadedProfile::from_text("mangled.ron", &String::from_utf8_lossy(bytes), None)
}

/// By one of those that read a file.
fn read_file<T>(folder: &Path, read: fn(&Path) -> Result<T, Refusal>, bytes: &[u8]) -> Result<T, Refusal> {
    let file = folder.join("mangled.ron");
    backout_kit::write(&file, bytes);
    read(&file)
}

#[test]
fn a_mangled_journal_is_torn_refused_or_right() {
    let whole = journal();
    each(4000, |edits| {
        if let Ok(reading) = reader::read(&run(), &mangled(&whole, edits)) {
            let read: Vec<Record> = reading.records().cloned().collect();
            let written = records();
            assert!(written.starts_with(&read), "{read:?}");
            assert_eq!(Some(reading.status), replay(&read).ok());
        }
    });
}

#[test]
fn mangled_profiles_sites_and_plans_are_refused_with_their_place() {
    let site = br#"( vars: { "home": "/srv/sp/SProtect" }, services: Commands({ "Trend ServerProtect":
        ( start: ["/srv/sp/ctl","start"], stop: ["/srv/sp/ctl","stop"], status: ["/srv/sp/ctl","status"] ) }), )"#;
    let profile = include_bytes!("../../../profiles/linux-service-example.ron");
    let (plan, folder) = (plan(), tempfile::tempdir().unwrap());
    assert!(read_profile(profile).is_ok());
    assert!(read_file(folder.path(), load::site, site).is_ok());
    assert!(read_file(folder.path(), load::plan, &plan).is_ok());
    each(300, |edits| {
        placed(read_profile(&mangled(profile, edits)));
        placed(read_file(folder.path(), load::site, &mangled(site, edits)));
        placed(read_file(folder.path(), load::plan, &mangled(&plan, edits)));
    });
    // However deep it goes, it is an error and no overflow.
    for open in ["(", "[", "{", "Some(", "vars: {"] {
        let deep = open.repeat(100_000).into_bytes();
        let refused = [
            read_profile(&deep).err(),
            read_file(folder.path(), load::site, &deep).err(),
            read_file(folder.path(), load::plan, &deep).err(),
        ];
        for refused in refused {
            let Some(Refusal::Malformed(error)) = refused else { panic!("{open}: {refused:?}") };
            assert!(error.line >= 1 && !error.why.is_empty(), "{error:?}");
        }
    }
}

#[test]
fn a_mangled_program_file_has_some_version_or_none() {
    let pe = backout_demo::pe(MachineType::X64, Some(FileVersion([5, 80, 0, 1297])), "salt");
    each(4000, |edits| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&mangled(&pe, edits)).unwrap();
        file.rewind().unwrap();
        // Nonsense is no error: only a read that fails is.
        assert!(version::read(&mut file).is_ok());
    });
}

#[test]
fn a_mangled_answer_of_a_plugin_is_refused_or_one() {
    let answer = serde_json::to_vec(&proposal()).unwrap();
    each(4000, |edits| {
        if let Ok(read) = serde_json::from_slice::<Proposal>(&mangled(&answer, edits)) {
            // What was read says the same when it is written and read again.
            let again: Proposal = serde_json::from_slice(&serde_json::to_vec(&read).unwrap()).unwrap();
            assert_eq!(again, read);
        }
    });
    let deep = "[".repeat(1_000_000).into_bytes();
    assert!(serde_json::from_slice::<Proposal>(&deep).is_err());
}
