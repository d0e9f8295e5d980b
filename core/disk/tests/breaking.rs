#![allow(clippy::all, clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]
use backout_disk::{
    ErrorKind, Folder, durable,
    fingerprint::fingerprint,
    folder::open_place,
    staging::{Dress, Kind, Staging},
    swap::{Pair, Turn},
    trust,
};
use backout_protocol::{HostPath, Place, RelPath, RunId};
use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};
struct W {
    _d: tempfile::TempDir,
    root: PathBuf,
}
fn w() -> W {
    let d = tempfile::tempdir().unwrap();
    let root = d.path().canonicalize().unwrap();
    W { _d: d, root }
}
impl W {
    fn put(&self, n: &str, t: &str) {
        let p = self.root.join(n);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, t).unwrap()
    }
    fn place(&self, n: &str) -> Place {
        Place { root: HostPath(self.root.clone()), rel: rel(n) }
    }
    fn folder(&self) -> Folder {
        Folder::open_root(&self.root).unwrap()
    }
}
fn rel(n: &str) -> RelPath {
    RelPath::new(n).unwrap()
}
fn run() -> RunId {
    "01jd0000000000000000000000".parse().unwrap()
}
const CAP: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn b01_source_drops_file_capabilities() {
    let w = w();
    w.put("b/s", "x");
    let f = fs::File::open(w.root.join("b/s")).unwrap();
    rustix::fs::fsetxattr(&f, "security.capability", CAP, rustix::fs::XattrFlags::empty()).unwrap();
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    s.stage_copy(&rel("0"), &w.place("b/s"), Dress::Source).unwrap();
    let f = fs::File::open(s.folder().path().join("0")).unwrap();
    let mut b = [0u8; 64];
    assert!(rustix::fs::fgetxattr(&f, "security.capability", &mut b[..]).is_err(), "capability carried over");
}
#[test]
fn b02_live_does_not_carry_content_bound_ima() {
    let w = w();
    w.put("b/s", "new");
    w.put("live", "old");
    let f = fs::File::open(w.root.join("live")).unwrap();
    if rustix::fs::fsetxattr(&f, "security.ima", b"\x04\x04hash-of-old", rustix::fs::XattrFlags::empty())
        .is_err()
    {
        panic!("SKIP: cannot set ima")
    }
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    s.stage_copy(&rel("0"), &w.place("b/s"), Dress::Live(&w.place("live"))).unwrap();
    let f = fs::File::open(s.folder().path().join("0")).unwrap();
    let mut b = [0u8; 64];
    assert!(
        rustix::fs::fgetxattr(&f, "security.ima", &mut b[..]).is_err(),
        "ima hash of the old bytes on the new ones"
    );
}
#[test]
fn b03_empty_drift_does_not_keep_the_folder() {
    let w = w();
    let h = w.folder();
    let s = Staging::create(&h, &run(), b"i").unwrap();
    let p = s.folder().path().to_owned();
    fs::create_dir(p.join("drift")).unwrap();
    s.remove_but_drift(&h).unwrap();
    assert!(!p.exists());
}
#[test]
fn b04_live_failure_keeps_its_kind() {
    let w = w();
    w.put("b/s", "x");
    symlink("b/s", w.root.join("live")).unwrap();
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    assert_eq!(
        s.stage_copy(&rel("0"), &w.place("b/s"), Dress::Live(&w.place("live"))).unwrap_err().kind,
        ErrorKind::Symlink
    );
}
#[test]
fn b05_socket_is_not_a_file() {
    let w = w();
    let _l = std::os::unix::net::UnixListener::bind(w.root.join("s")).unwrap();
    assert_eq!(open_place(&w.place("s")).unwrap_err().kind, ErrorKind::NotAFile);
}
#[test]
fn b06_name_with_slash_is_refused() {
    let w = w();
    w.put("r/f", "x");
    symlink("r", w.root.join("l")).unwrap();
    assert!(w.folder().open_file(OsStr::new("l/f")).is_err());
}
#[test]
fn b07_missing_root_is_not_absent() {
    let w = w();
    let p = Place { root: HostPath(w.root.join("unmounted")), rel: rel("f") };
    assert_eq!(fingerprint(&p).unwrap_err().kind, ErrorKind::NotFound);
}
#[test]
fn b08_trust_empty_path() {
    assert!(trust::check(Path::new("")).is_err());
}
#[test]
fn b09_one_bad_marker_does_not_blind_list() {
    let w = w();
    let h = w.folder();
    let d = w.root.join(".backout-01jd0000000000000000000001");
    fs::create_dir(&d).unwrap();
    fs::write(d.join("id"), vec![b'x'; 70_000]).unwrap();
    assert!(Staging::list(&h).is_ok());
}
#[test]
fn b10_symlink_marker_does_not_blind_list() {
    let w = w();
    let h = w.folder();
    let d = w.root.join(".backout-01jd0000000000000000000001");
    fs::create_dir(&d).unwrap();
    symlink("/etc/passwd", d.join("id")).unwrap();
    assert!(Staging::list(&h).is_ok());
}
#[test]
fn b11_message_escapes_and_is_told_once() {
    let w = w();
    let e = w.folder().open_file(OsStr::new("a\n\x1b[31m")).unwrap_err();
    assert!(!e.to_string().contains('\n') && !e.to_string().contains('\x1b'), "{e:?}");
}
#[test]
fn b12_source_is_not_repeated() {
    let w = w();
    let e = w.folder().open_file(OsStr::new("a")).unwrap_err();
    let s = std::error::Error::source(&e).map(|s| s.to_string());
    assert!(s.is_none_or(|s| !e.to_string().contains(&s)));
}
#[test]
fn b13_vanish_never_replaces_a_before_image() {
    let w = w();
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
fn b14_nested_placeholder() {
    let w = w();
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    s.stage_folder(&rel("t"), None).unwrap();
    s.placeholder(&rel("t/p"), Kind::File).unwrap();
    assert!(s.folder().path().join("t/p").exists());
}
#[test]
fn b15_remove_tree_stops_at_mounts() {
    let w = w();
    w.put("keep/f", "x");
    fs::create_dir_all(w.root.join("t/m")).unwrap();
    let mp = w.root.join("t/m");
    let ok = std::process::Command::new("mount")
        .arg("--bind")
        .arg(w.root.join("keep"))
        .arg(&mp)
        .status()
        .is_ok_and(|s| s.success());
    if !ok {
        panic!("SKIP: no mount")
    }
    let _ = durable::remove_tree(&w.folder(), OsStr::new("t"));
    let _ = std::process::Command::new("umount").arg(&mp).status();
    assert!(w.root.join("keep/f").exists(), "deleted through a mount");
}
#[test]
fn b16_setuid_not_on_a_wrong_owner() {
    let p = Path::new("/tmp/review-setuid");
    if !p.exists() {
        return;
    }
    let w = w();
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    let src = Place { root: HostPath(p.to_owned()), rel: rel("su") };
    let st = s.stage_copy(&rel("0"), &src, Dress::AsSaved);
    let m = fs::metadata(s.folder().path().join("0")).unwrap();
    assert_eq!(m.mode() & 0o6000, 0, "uid {} mode {:o} {:?}", m.uid(), m.mode(), st.map(|s| s.notes));
    let _ = fs::Permissions::from_mode(0);
}
