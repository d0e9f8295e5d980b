//! What only Windows puts in the way: running images, read-only files, sharing, long and folded names, junctions.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_disk::{
    ErrorKind, Folder, durable,
    fingerprint::fingerprint,
    folder::{Kind, open_place},
    locate::locate,
    staging::{Dress, Staging},
    swap::{Pair, Turn},
    trust,
};
use backout_protocol::{HostPath, NameRule, Place, RelPath, RunId};
use std::{
    ffi::{OsStr, OsString},
    fs,
    os::windows::{
        ffi::OsStringExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

const HIDDEN: u32 = 2;
const READ_ONLY: u32 = 1;

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
    /// `f` and its slot.
    fn pair(&self, staging: &Staging) -> Pair {
        let staging = staging.folder().try_clone().unwrap();
        Pair { folder: self.folder(), name: "f".into(), staging, slot: "0000-f".into() }
    }
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }
}

fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}
fn rel(name: &str) -> RelPath {
    RelPath::new(name).unwrap()
}
fn read_only(path: &Path, yes: bool) {
    let mut rights = fs::metadata(path).unwrap().permissions();
    rights.set_readonly(yes);
    fs::set_permissions(path, rights).unwrap();
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_image_is_swapped_and_swapped_back() {
    let world = World::new();
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    let shell = Path::new(&std::env::var_os("SystemRoot").unwrap()).join(r"system32\cmd.exe");
    let image = fs::read(shell).unwrap();
    fs::write(world.root.join("f"), &image).unwrap();
    // It waits for a line that is never sent.
    let running = Command::new(world.root.join("f")).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut running = Running(running.unwrap());
    staging.stage_bytes(&rel("0000-f"), b"new", Dress::Live(&world.place("f"))).unwrap();
    let pair = world.pair(&staging);
    pair.forwards(Turn::Exchange).unwrap();
    assert_eq!(world.text("f"), "new");
    assert!(running.0.try_wait().unwrap().is_none(), "it runs on");
    pair.backwards(Turn::Exchange).unwrap();
    assert_eq!(fs::read(world.root.join("f")).unwrap(), image);
    assert!(running.0.try_wait().unwrap().is_none(), "it runs on");
}

#[test]
fn a_read_only_file_is_swapped_and_stays_read_only_both_ways() {
    let world = World::new();
    let live = world.put("f", "old");
    read_only(&live, true);
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    staging.stage_bytes(&rel("0000-f"), b"new", Dress::Live(&world.place("f"))).unwrap();
    let pair = world.pair(&staging);
    pair.forwards(Turn::Exchange).unwrap();
    assert_eq!(world.text("f"), "new");
    assert!(fs::metadata(&live).unwrap().permissions().readonly());
    pair.backwards(Turn::Exchange).unwrap();
    assert_eq!(world.text("f"), "old");
    assert!(fs::metadata(&live).unwrap().permissions().readonly());
    // And it is removed with its folder all the same, once nobody holds that open.
    drop(pair);
    durable::remove_tree(&world.folder(), OsStr::new("f")).unwrap();
    staging.remove_but_drift(&world.folder()).unwrap();
    assert_eq!(world.folder().entries().unwrap(), []);
}

#[test]
fn a_durable_write_replaces_a_read_only_file() {
    let world = World::new();
    read_only(&world.put("f", "one"), true);
    durable::write(&world.folder(), OsStr::new("f"), b"two", 0o600).unwrap();
    assert_eq!(world.text("f"), "two");
}

#[test]
fn a_placeholder_of_either_kind_makes_room() {
    let world = World::new();
    for kind in [Kind::File, Kind::Folder] {
        world.put("f", "old");
        let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
        staging.placeholder(&rel("0000-f"), kind).unwrap();
        let pair = world.pair(&staging);
        pair.forwards(Turn::Vanish).unwrap();
        assert!(!world.root.join("f").exists(), "{kind:?}");
        pair.backwards(Turn::Vanish).unwrap();
        assert_eq!(world.text("f"), "old");
        drop(pair);
        staging.remove_but_drift(&world.folder()).unwrap();
    }
}

#[test]
fn a_file_that_another_keeps_to_itself_is_busy_and_untouched_until_it_is_let_go() {
    let world = World::new();
    let live = world.put("f", "old");
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    staging.stage_bytes(&rel("0000-f"), b"new", Dress::Source).unwrap();
    let pair = world.pair(&staging);
    let held = fs::OpenOptions::new().read(true).share_mode(1).open(&live).unwrap();
    assert_eq!(pair.forwards(Turn::Exchange).unwrap_err().kind, ErrorKind::Busy);
    assert_eq!(world.text("f"), "old");
    // Let go while the swap is tried, or before: both are well.
    let letting_go = std::thread::spawn(move || drop(held));
    pair.forwards(Turn::Exchange).unwrap();
    letting_go.join().unwrap();
    assert_eq!(world.text("f"), "new");
}

#[test]
fn a_path_far_beyond_260_characters_is_a_path() {
    let world = World::new();
    let deep: PathBuf = (0..6).map(|n| format!("{n}{}", "x".repeat(80))).collect();
    world.put(deep.join("f"), "deep");
    let place = world.place(deep.join("f"));
    let host = Folder::open_parent_of(&place).unwrap();
    let staging = Staging::create(&host, &run(), b"id").unwrap();
    staging.stage_copy(&rel("0000-f"), &place, Dress::Live(&place)).unwrap();
    let staging_folder = staging.folder().try_clone().unwrap();
    let pair = Pair { folder: host, name: "f".into(), staging: staging_folder, slot: "0000-f".into() };
    pair.forwards(Turn::Exchange).unwrap();
    pair.backwards(Turn::Exchange).unwrap();
    assert_eq!(fingerprint(&place).unwrap(), pair.sight().unwrap().slot);
}

#[test]
fn a_name_is_found_in_any_case_and_keeps_its_own() {
    let world = World::new();
    world.put("Is_Backup/FileGroup10/A.DLL", "x");
    assert!(open_place(&world.place("is_backup/FILEGROUP10/a.dll")).is_ok());
    let found = locate(&world.root, &rel("is_backup/filegroup10/a.dll"), NameRule::Folded).unwrap();
    assert_eq!(found.place.rel, rel("Is_Backup/FileGroup10/A.DLL"));
    assert_eq!((found.kind, found.missing_from), (Some(Kind::File), None));
}

#[test]
fn a_name_with_half_a_surrogate_pair_goes_everywhere() {
    let world = World::new();
    let name = OsString::from_wide(&[0x61, 0xd800, 0x3042]);
    // Wine keeps names as UTF-8, which has no place for it.
    if fs::write(world.root.join(&name), "x").is_err() {
        return;
    }
    assert!(fingerprint(&world.place(&name)).is_ok());
    assert_eq!(world.folder().entries().unwrap()[0].name, name);
}

#[test]
fn a_staged_file_takes_attributes_from_the_live_file_and_times_from_its_source() {
    let world = World::new();
    let live = world.put("live", "live");
    let source = world.put("backup/source", "source");
    read_only(&live, true);
    let hidden = Command::new("attrib").arg("+h").arg(&live).status();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(981_173_106);
    fs::File::options().write(true).open(&source).unwrap().set_modified(then).unwrap();
    let staging = Staging::create(&world.folder(), &run(), b"id").unwrap();
    let live = world.place("live");
    staging.stage_copy(&rel("0000-live"), &world.place("backup/source"), Dress::Live(&live)).unwrap();
    let new = fs::metadata(staging.folder().path().join("0000-live")).unwrap();
    assert_eq!(new.modified().unwrap(), then);
    let wanted = fs::metadata(live.path()).unwrap().file_attributes() & (HIDDEN | READ_ONLY);
    assert_ne!(wanted & READ_ONLY, 0);
    assert_eq!(new.file_attributes() & (HIDDEN | READ_ONLY), wanted, "{hidden:?}");
}

#[test]
fn nothing_opens_a_stream_or_climbs_by_its_name() {
    let world = World::new();
    world.put("f", "x");
    for name in ["f:s", "f::$DATA", "..", ".", r"a\b", "a/b", ""] {
        assert!(world.folder().open_file(OsStr::new(name)).is_err(), "{name}");
    }
    assert!(Folder::open_root(Path::new(r"C:\windows\..")).is_err());
    assert!(Folder::open_root(Path::new(r"\\.\pipe\x")).is_err());
    assert!(Folder::open_root(Path::new("relative")).is_err());
}

#[test]
fn a_drive_can_be_the_root_and_says_what_it_is() {
    for root in [r"C:\", r"\\?\C:\"] {
        let drive = Folder::open_root(Path::new(root)).unwrap();
        assert!(drive.entries().unwrap().iter().any(|e| e.name.eq_ignore_ascii_case("windows")));
        let system = drive.file_system().unwrap();
        assert!(system.available > 0 && !system.kind.is_empty(), "{system:?}");
        assert!(!system.read_only && drive.writable().unwrap());
    }
}

#[test]
fn neither_a_junction_nor_a_link_is_followed() {
    let world = World::new();
    world.put("real/f", "x");
    let mut junction = Command::new("cmd");
    junction.args(["/c", "mklink", "/J"]).arg(world.root.join("link")).arg(world.root.join("real"));
    let made = junction.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !made || !world.root.join("link").join("f").exists() {
        return; // Wine makes none
    }
    assert_eq!(open_place(&world.place("link/f")).unwrap_err().kind, ErrorKind::Symlink);
    assert_eq!(Folder::open_root(&world.root.join("link")).unwrap_err().kind, ErrorKind::Symlink);
    // And it is removed by itself, never with what it leads to.
    durable::remove_tree(&world.folder(), OsStr::new("link")).unwrap();
    assert_eq!(world.text("real/f"), "x");
}

#[test]
fn a_file_of_our_own_is_trusted_and_a_missing_one_is_not() {
    let world = World::new();
    let host = durable::make_folder(&world.folder(), OsStr::new("private"), 0o700).unwrap();
    durable::write(&host, OsStr::new("f"), b"x", 0o600).unwrap();
    let checked = trust::check(&world.root.join("private").join("f"));
    assert!(checked.is_ok(), "{checked:?}");
    assert!(trust::check(&world.root.join("missing")).is_err());
}

#[test]
fn a_stream_that_is_longer_than_any_mark_is_named_and_not_copied() {
    let world = World::new();
    let file = world.put("f", "x");
    for (name, len) in [("mark", 3), ("store", (16 << 20) + 1)] {
        fs::write(format!("{}:{name}", file.display()), vec![7; len]).unwrap();
    }
    // Where a volume has no streams each of them is a file of its own: Wine's.
    if fs::read_dir(&world.root).unwrap().count() > 1 {
        return;
    }
    fs::create_dir(world.root.join("to")).unwrap();
    let to = Folder::open_root(&world.root.join("to")).unwrap();
    let from = Folder::open_root(&world.root).unwrap();
    let taken = backout_disk::aside::copy(&from, "f".as_ref(), &to).unwrap();
    assert_eq!(taken.notes, ["stream :store:$DATA"]);
    assert_eq!(fs::read(format!("{}:mark", world.root.join(r"to\f").display())).unwrap(), [7; 3]);
}
