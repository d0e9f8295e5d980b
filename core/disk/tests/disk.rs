//! The disk on real files.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_disk::{
    ErrorKind, Folder, durable,
    fingerprint::{empty_folder, fingerprint, fingerprint_in},
    lock::Lock,
    staging::{Kind, Staging},
    swap::{Pair, Turn},
    trust,
};
use backout_protocol::{Fingerprint, HostPath, Place, RelPath, RunId};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

struct World {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        Self { _dir: dir, root }
    }
    fn put(&self, name: impl AsRef<Path>, text: &str) -> PathBuf {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
    fn place(&self, name: impl AsRef<Path>) -> Place {
        Place { root: HostPath(self.root.clone()), rel: RelPath::new(name).unwrap() }
    }
    fn folder(&self) -> Folder {
        Folder::open_root(&self.root).unwrap()
    }
}

fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}
fn rel(name: &str) -> RelPath {
    RelPath::new(name).unwrap()
}

#[test]
fn a_folders_fingerprint_is_its_contents_and_leaves_ours_out() {
    let world = World::new();
    fs::create_dir(world.root.join("t")).unwrap();
    let of = || fingerprint(&world.place("t")).unwrap();
    assert_eq!(of(), empty_folder());
    world.put("t/a", "1");
    world.put("t/sub/b", "2");
    let full = of();
    world.put("t/.backout-x/new", "3");
    assert_eq!(of(), full);
    world.put("t/a", "one");
    assert_ne!(of(), full);
    assert_eq!(fingerprint(&world.place("none/at/all")).unwrap(), Fingerprint::Absent);
}

/// Not a test of its own: a process that stays.
#[test]
fn stay() {
    while std::env::args().any(|a| a == "stays") {
        std::thread::park();
    }
}

#[test]
fn a_lock_for_heirs_is_held_until_the_last_of_them_ends() {
    let world = World::new();
    let name = OsStr::new("stopping");
    let acquire = || Lock::acquire_for_heirs(&world.folder(), name).unwrap();
    let lock = acquire().unwrap();
    let mut stays = Command::new(std::env::current_exe().unwrap());
    stays.args(["--exact", "stay", "stays"]).stdin(lock.share().unwrap()).stdout(Stdio::null());
    let mut heir = stays.spawn().unwrap();
    drop((lock, stays));
    let held = acquire().is_none();
    heir.kill().unwrap();
    heir.wait().unwrap();
    assert!(held);
    drop(acquire().unwrap());
    durable::remove_tree(&world.folder(), name).unwrap();
}

#[test]
fn a_lock_is_held_once_and_names_its_holder() {
    let world = World::new();
    let first = Lock::acquire(&world.folder(), OsStr::new("lock")).unwrap();
    assert!(first.is_some());
    assert!(Lock::acquire(&world.folder(), OsStr::new("lock")).unwrap().is_none());
    assert_eq!(Lock::holder(&world.folder(), OsStr::new("lock")), Some(std::process::id()));
    drop(first);
    assert!(Lock::acquire(&world.folder(), OsStr::new("lock")).unwrap().is_some());
}

#[test]
fn a_preallocated_file_is_full_of_blanks_and_written_in_place() {
    let world = World::new();
    let file = durable::Preallocated::create(&world.folder(), OsStr::new("j"), 1000).unwrap();
    file.write_at(3, b"abc").unwrap();
    file.sync().unwrap();
    let bytes = fs::read(world.root.join("j")).unwrap();
    assert_eq!((bytes.len(), &bytes[..7]), (1000, b"\n\n\nabc\n".as_slice()));
    assert!(durable::Preallocated::create(&world.folder(), OsStr::new("j"), 10).is_err());
}

#[test]
fn a_durable_write_replaces_whole_and_leaves_nothing_else() {
    let world = World::new();
    world.put(".f.new", "left by a crash");
    durable::write(&world.folder(), OsStr::new("f"), b"one", 0o600).unwrap();
    durable::write(&world.folder(), OsStr::new("f"), b"two", 0o600).unwrap();
    assert_eq!(durable::read(&world.folder(), OsStr::new("f"), 3).unwrap().unwrap(), b"two");
    assert!(durable::read(&world.folder(), OsStr::new("f"), 2).is_err());
    assert_eq!(world.folder().entries().unwrap().len(), 1);
}

#[test]
fn a_file_that_vanishes_with_its_folder_is_absent() {
    let world = World::new();
    assert_eq!(fingerprint_in(&world.folder(), OsStr::new("f")).unwrap(), Fingerprint::Absent);
}

#[test]
fn an_empty_drift_folder_keeps_nothing() {
    let w = World::new();
    let h = w.folder();
    let s = Staging::create(&h, &run(), b"i").unwrap();
    let p = s.folder().path().to_owned();
    assert!(p.join("drift").is_dir(), "made while there is room");
    s.remove_but_drift(&h).unwrap();
    assert!(!p.exists());
}

#[test]
fn a_root_that_is_not_there_is_not_an_absent_file() {
    let w = World::new();
    let p = Place { root: HostPath(w.root.join("unmounted")), rel: rel("f") };
    assert_eq!(fingerprint(&p).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn an_empty_path_is_not_trusted() {
    assert!(trust::check(Path::new("")).is_err());
}

#[test]
fn a_marker_that_is_too_long_hides_no_other_folder() {
    let w = World::new();
    let h = w.folder();
    let d = w.root.join(".backout-01jd0000000000000000000001");
    fs::create_dir(&d).unwrap();
    fs::write(d.join("id"), vec![b'x'; 70_000]).unwrap();
    assert!(Staging::list(&h).is_ok());
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    let w = World::new();
    let e = w.folder().open_file(OsStr::new("a\n\x1b[31m")).unwrap_err();
    assert!(!e.to_string().contains('\n') && !e.to_string().contains('\x1b'), "{e:?}");
}

#[test]
fn the_cause_is_told_once() {
    let w = World::new();
    let e = w.folder().open_file(OsStr::new("a")).unwrap_err();
    let s = std::error::Error::source(&e).map(|s| s.to_string());
    assert!(s.is_none_or(|s| !e.to_string().contains(&s)));
}

#[test]
fn a_name_that_goes_away_never_replaces_a_before_image() {
    let w = World::new();
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    w.put("f", "rewritten");
    fs::write(s.folder().path().join("0"), "before-image").unwrap();
    let p = Pair {
        folder: w.folder(),
        name: "f".into(),
        staging: s.folder().try_clone().unwrap(),
        slot: "0".into(),
    };
    let _ = p.forwards(Turn::Vanish);
    assert_eq!(fs::read_to_string(s.folder().path().join("0")).unwrap(), "before-image");
}

#[test]
fn a_placeholder_in_a_new_folder_lies_in_that_folder() {
    let w = World::new();
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    s.stage_folder(&rel("t"), None).unwrap();
    s.placeholder(&rel("t/p"), Kind::File).unwrap();
    assert!(s.folder().path().join("t/p").exists());
}
