//! Links, pipes, owners and modes: the disk as only Unix has it.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_disk::{
    ErrorKind, Folder, aside, durable,
    fingerprint::fingerprint,
    folder::{DEEPEST, Kind, open_place},
    locate::locate,
    staging::{Dress, Side, Staging},
    swap::{Pair, Same, Turn},
    trust,
};
use backout_protocol::{Fingerprint, HostPath, NameRule, Place, RelPath, RunId};
use std::{
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
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
fn root_user() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn no_symbolic_link_is_ever_followed() {
    let world = World::new();
    world.put("real/f", "x");
    symlink("real", world.root.join("link")).unwrap();
    symlink("real/f", world.root.join("leaf")).unwrap();
    assert_eq!(open_place(&world.place("link/f")).unwrap_err().kind, ErrorKind::Symlink);
    assert_eq!(open_place(&world.place("leaf")).unwrap_err().kind, ErrorKind::Symlink);
    assert_eq!(Folder::open_root(&world.root.join("link")).unwrap_err().kind, ErrorKind::Symlink);
    assert!(open_place(&world.place("real/f")).is_ok());
}

#[test]
fn a_link_is_what_it_holds_and_is_moved_like_a_file() {
    let world = World::new();
    world.put("outside", "not ours");
    world.put("tree/f", "x");
    symlink("outside", world.root.join("leaf")).unwrap();
    symlink("elsewhere", world.root.join("saved")).unwrap();
    let state = |name: &str| fingerprint(&world.place(name)).unwrap();
    assert_eq!(state("leaf"), backout_disk::fingerprint::of_link("outside".as_ref()));
    let plain = state("tree");
    symlink("f", world.root.join("tree/l")).unwrap();
    let with_link = state("tree");
    assert_ne!(plain, with_link);
    fs::remove_file(world.root.join("tree/l")).unwrap();
    symlink("g", world.root.join("tree/l")).unwrap();
    assert_ne!(state("tree"), with_link);
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    let staged = staging.stage_link(&rel("0000-leaf"), &world.place("saved")).unwrap();
    assert_eq!(staged.fingerprint, state("saved"));
    let pair = Pair {
        folder: world.folder(),
        name: "leaf".into(),
        staging: staging.folder().try_clone().unwrap(),
        slot: "0000-leaf".into(),
    };
    for _ in 0..2 {
        pair.forwards(Turn::Exchange).unwrap();
        assert_eq!(fs::read_link(world.root.join("leaf")).unwrap().to_str(), Some("elsewhere"));
        pair.backwards(Turn::Exchange).unwrap();
        assert_eq!(fs::read_link(world.root.join("leaf")).unwrap().to_str(), Some("outside"));
    }
    assert_eq!(fs::read_to_string(world.root.join("outside")).unwrap(), "not ours");
}

#[test]
fn of_two_files_with_the_same_bytes_their_places_tell_which_is_which() {
    let world = World::new();
    let live = world.put("live", "same");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    fs::set_permissions(&live, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(world.put("saved", "same"), fs::Permissions::from_mode(0o640)).unwrap();
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    staging.stage_copy(&rel("0000-live"), &world.place("saved"), Dress::AsSaved).unwrap();
    let pair = Pair {
        folder: world.folder(),
        name: "live".into(),
        staging: staging.folder().try_clone().unwrap(),
        slot: "0000-live".into(),
    };
    let second = world.root.join(".backout-01jd0000000000000000000000/0000-live.old");
    fs::hard_link(&live, &second).unwrap();
    assert_eq!(pair.sight().unwrap().same, Same::Old);
    pair.forwards(Turn::Alike).unwrap();
    assert_eq!((mode(&live), mode(&second)), (0o640, 0o600));
    let seen = pair.sight().unwrap();
    assert_eq!((seen.slot, seen.same), (Fingerprint::Absent, Same::None));
    fs::hard_link(&live, second.with_file_name("0000-live")).unwrap();
    assert_eq!(pair.sight().unwrap().same, Same::Slot);
    pair.backwards(Turn::Alike).unwrap();
    assert_eq!(mode(&live), 0o600);
    assert!(pair.sight().unwrap().old.is_absent());
}

#[test]
fn the_rights_of_a_folder_are_kept_and_put_on_there_and_back() {
    let world = World::new();
    world.put("live/f", "x");
    world.put("saved/f", "x");
    let (live, saved) = (world.root.join("live"), world.root.join("saved"));
    fs::set_permissions(&live, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(&saved, fs::Permissions::from_mode(0o710)).unwrap();
    if root_user() {
        std::os::unix::fs::chown(&saved, Some(123), Some(456)).unwrap();
    }
    let folder = |name: &str| world.folder().open_below(&rel(name)).unwrap();
    let facts = |name: &str| {
        let facts = backout_disk::aside::facts(&folder(name)).unwrap();
        (facts.owner, facts.group, facts.mode, facts.attributes)
    };
    let (was, will) = (facts("live"), facts("saved"));
    let time = fs::metadata(&live).unwrap().modified().unwrap();
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    let slot = rel("rights-0000");
    assert_eq!(staging.stage_rights(&slot, &folder("live"), &folder("saved")).unwrap(), Vec::<String>::new());
    for (side, wanted) in [(Side::New, &will), (Side::New, &will), (Side::Old, &was), (Side::Old, &was)] {
        backout_disk::aside::dress_in_place(&folder("live"), &staging.rights(&slot, side).unwrap()).unwrap();
        assert_eq!(facts("live"), *wanted);
    }
    assert_eq!(fs::metadata(&live).unwrap().modified().unwrap(), time, "its time stays");
}

#[test]
fn a_pipe_is_no_file_and_blocks_nobody() {
    let world = World::new();
    assert!(Command::new("mkfifo").arg(world.root.join("pipe")).status().unwrap().success());
    assert_eq!(open_place(&world.place("pipe")).unwrap_err().kind, ErrorKind::NotAFile);
    assert_eq!(fingerprint(&world.place("pipe")).unwrap_err().kind, ErrorKind::NotAFile);
}

#[test]
fn names_are_found_as_the_product_compares_them() {
    let world = World::new();
    world.put("Is_Backup/FileGroup10/A.DLL", "x");
    let found = locate(&world.root, &rel("is_backup/filegroup10/a.dll"), NameRule::Folded).unwrap();
    assert_eq!(found.place.rel, rel("Is_Backup/FileGroup10/A.DLL"));
    assert_eq!((found.kind, found.missing_from), (Some(Kind::File), None));
    let exact = locate(&world.root, &rel("is_backup/a"), NameRule::Exact).unwrap();
    assert_eq!((exact.kind, exact.missing_from), (None, Some(rel("is_backup"))));
    world.put("IS_BACKUP/x", "");
    let twins = locate(&world.root, &rel("is_backup/filegroup10"), NameRule::Folded).unwrap().twins;
    assert_eq!(twins.len(), 2);
}

#[test]
fn a_name_that_is_no_text_goes_everywhere() {
    let world = World::new();
    let name = OsString::from_vec(vec![b'a', 0xff, b'\n', b'%']);
    fs::write(world.root.join(&name), "x").unwrap();
    let place = world.place(&name);
    assert!(matches!(fingerprint(&place).unwrap(), Fingerprint::File { len: 1, .. }));
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    staging.stage_copy(&rel("0000-x"), &place, Dress::AsSaved).unwrap();
}

#[test]
fn a_staged_file_takes_rights_from_the_live_file_and_times_from_its_source() {
    let world = World::new();
    let live = world.put("live", "live");
    let source = world.put("backup/source", "source");
    fs::set_permissions(&live, fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o777)).unwrap();
    Command::new("touch").args(["-d", "2001-02-03 04:05:06.789"]).arg(&source).status().unwrap();
    if root_user() {
        std::os::unix::fs::chown(&live, Some(123), Some(456)).unwrap();
    }
    let acl = Command::new("setfacl").args(["-m", "u:789:r"]).arg(&live).status().is_ok_and(|s| s.success());
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    let staged = staging
        .stage_copy(&rel("0000-live"), &world.place("backup/source"), Dress::Live(&world.place("live")))
        .unwrap();
    assert_eq!(staged.fingerprint, fingerprint(&world.place("backup/source")).unwrap());
    let (new, live, source) = (
        fs::metadata(world.root.join(".backout-01jd0000000000000000000000/0000-live")).unwrap(),
        fs::metadata(&live).unwrap(),
        fs::metadata(&source).unwrap(),
    );
    assert_eq!((new.uid(), new.gid(), new.mode()), (live.uid(), live.gid(), live.mode()));
    assert_eq!((new.mtime(), new.mtime_nsec()), (source.mtime(), source.mtime_nsec()));
    if acl {
        let facl = Command::new("getfacl")
            .arg(world.root.join(".backout-01jd0000000000000000000000/0000-live"))
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&facl.stdout).contains("user:789:r"));
    }
}

#[test]
fn without_a_live_file_nothing_is_wider_than_its_folder() {
    let world = World::new();
    fs::set_permissions(&world.root, fs::Permissions::from_mode(0o750)).unwrap();
    let source = world.put("backup/source", "source");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o4777)).unwrap();
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    staging.stage_copy(&rel("0000-new"), &world.place("backup/source"), Dress::Source).unwrap();
    let new = fs::metadata(staging.folder().path().join("0000-new")).unwrap();
    assert_eq!(new.mode() & 0o7777, 0o750);
    let kept = staging.stage_copy(&rel("0001-same"), &world.place("backup/source"), Dress::AsSaved).unwrap();
    assert!(kept.notes.is_empty());
    let same = fs::metadata(staging.folder().path().join("0001-same")).unwrap();
    assert_eq!(same.mode() & 0o7777, 0o4777);
}

#[test]
fn removing_a_staging_folder_follows_nothing_and_keeps_drift() {
    let world = World::new();
    let outside = world.put("outside/f", "x");
    let host = world.folder();
    let staging = Staging::create(&host, &run(), b"id").unwrap();
    let path = staging.folder().path().to_owned();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
    staging.placeholder(&rel("0000-f"), Kind::File).unwrap();
    staging.placeholder(&rel("0001-d"), Kind::Folder).unwrap();
    symlink(world.root.join("outside"), path.join("0002-link")).unwrap();
    fs::write(path.join("drift/f"), "kept").unwrap();
    staging.remove_but_drift(&host).unwrap();
    assert_eq!(fs::read_to_string(path.join("drift/f")).unwrap(), "kept");
    assert!(outside.exists() && path.join("id").exists() && !path.join("0000-f").exists());
    fs::remove_dir_all(path.join("drift")).unwrap();
    Staging::open(&host, &run()).unwrap().unwrap().remove_but_drift(&host).unwrap();
    assert!(!path.exists());
    assert!(Staging::open(&host, &run()).unwrap().is_none());
}

#[test]
fn whoever_could_have_changed_a_file_makes_it_distrusted() {
    let world = World::new();
    let file = world.put("a/b/f", "x");
    assert!(trust::check(&file).is_ok(), "a private folder below the root-owned sticky one");
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(world.root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        trust::check(&file)
    };
    assert!(mode("a/b/f", 0o666).is_err());
    assert!(mode("a/b/f", 0o644).is_ok());
    assert!(mode("a", 0o775).is_err());
    if root_user() {
        assert!(mode("a", 0o1777).is_ok(), "root-owned and sticky");
    }
    assert!(mode("a", 0o755).is_ok());
    symlink("a/b", world.root.join("link")).unwrap();
    assert!(trust::check(&world.root.join("link/f")).is_ok());
    fs::create_dir(world.root.join("open")).unwrap();
    world.put("open/f", "x");
    mode("open", 0o777).unwrap();
    symlink("open/f", world.root.join("way")).unwrap();
    assert!(trust::check(&world.root.join("way")).is_err(), "the way the link leads is checked too");
    if root_user() {
        std::os::unix::fs::chown(&file, Some(1234), None).unwrap();
        assert!(trust::check(&file).is_err());
    }
    assert!(trust::check(&world.root.join("missing")).is_err());
}

/// Folders in each other, so many below `root`, with one more of another name in the innermost, while few handles may be open.
fn nested(root: &Path, levels: usize) {
    use rustix::{
        fs::{Mode, OFlags},
        process::{Resource, Rlimit, getrlimit, setrlimit},
    };
    let limit = Rlimit { current: Some(600), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut at = rustix::fs::open(root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..levels {
        rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    rustix::fs::mkdirat(&at, "f", Mode::RWXU).unwrap();
}

#[test]
fn a_tree_of_any_depth_is_removed_with_few_handles() {
    for (ours, levels) in [(false, 3000), (true, 700)] {
        let by = if ours { aside::remove } else { durable::remove_tree };
        let world = World::new();
        nested(&world.root, levels);
        // What is lifted out of the depth finds its names taken.
        world.put("d/1/2/f", "x");
        world.put("d/2", "x");
        symlink("/etc", world.root.join("d/etc")).unwrap();
        by(&world.folder(), "d".as_ref()).unwrap();
        assert_eq!(world.folder().entries().unwrap(), []);
    }
}

#[test]
fn a_walk_ends_where_folders_are_nested_too_deep() {
    let world = World::new();
    nested(&world.root, DEEPEST + 2);
    let mut at = world.folder();
    for _ in 0..DEEPEST {
        at = at.open_below(&rel("d")).unwrap();
    }
    let refused = at.open_below(&rel("d")).unwrap_err();
    assert_eq!((refused.kind, &refused.path), (ErrorKind::TooDeep, &at.path().join("d")));
    assert!(at.open_anew("d".as_ref()).unwrap().open_below(&rel("d/f")).is_ok());
    assert_eq!(fingerprint(&world.place("d")).unwrap_err().kind, ErrorKind::TooDeep);
}

#[test]
fn a_place_is_found_by_a_path_that_the_system_takes_no_more() {
    let world = World::new();
    let long = "n".repeat(255);
    let mut at = world.folder();
    for _ in 0..40 {
        at = durable::make_folder(&at, long.as_ref(), 0o700).unwrap();
    }
    durable::write(&at, "f".as_ref(), b"x", 0o600).unwrap();
    let place = world.place(vec![long.as_str(); 40].join("/") + "/f");
    assert!(place.path().as_os_str().len() > 4096 && open_place(&place).is_ok());
}
