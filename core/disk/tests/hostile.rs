//! What somebody who means harm, or a machine that is half broken, may put in the disk's way, as far as it takes a Unix to put it there.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_disk::{
    ErrorKind, Folder, durable,
    folder::open_place,
    staging::{Dress, Staging},
};
use backout_protocol::{HostPath, Place, RelPath, RunId};
use std::{ffi::OsStr, fs, os::unix::fs::symlink, path::PathBuf};
struct World {
    _dir: tempfile::TempDir,
    root: PathBuf,
}
fn world() -> World {
    let d = tempfile::tempdir().unwrap();
    let root = d.path().canonicalize().unwrap();
    World { _dir: d, root }
}
impl World {
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
fn a_backup_does_not_bring_file_capabilities_along() {
    let w = world();
    w.put("b/s", "x");
    let f = fs::File::open(w.root.join("b/s")).unwrap();
    if rustix::fs::fsetxattr(&f, "security.capability", CAP, rustix::fs::XattrFlags::empty()).is_err() {
        return; // only root may
    }
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    s.stage_copy(&rel("0"), &w.place("b/s"), Dress::Source).unwrap();
    let f = fs::File::open(s.folder().path().join("0")).unwrap();
    let mut b = [0u8; 64];
    assert!(rustix::fs::fgetxattr(&f, "security.capability", &mut b[..]).is_err(), "capability carried over");
}

#[test]
fn an_attribute_that_vouches_for_the_old_bytes_does_not_go_to_the_new_ones() {
    let w = world();
    w.put("b/s", "new");
    w.put("live", "old");
    let f = fs::File::open(w.root.join("live")).unwrap();
    if rustix::fs::fsetxattr(&f, "security.ima", b"\x04\x04hash-of-old", rustix::fs::XattrFlags::empty())
        .is_err()
    {
        return; // only root may
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
fn a_target_that_became_a_link_is_called_a_link() {
    let w = world();
    w.put("b/s", "x");
    symlink("b/s", w.root.join("live")).unwrap();
    let s = Staging::create(&w.folder(), &run(), b"i").unwrap();
    assert_eq!(
        s.stage_copy(&rel("0"), &w.place("b/s"), Dress::Live(&w.place("live"))).unwrap_err().kind,
        ErrorKind::Symlink
    );
}

#[test]
fn a_socket_is_no_file() {
    let w = world();
    let _l = std::os::unix::net::UnixListener::bind(w.root.join("s")).unwrap();
    assert_eq!(open_place(&w.place("s")).unwrap_err().kind, ErrorKind::NotAFile);
}

#[test]
fn a_name_with_a_slash_in_it_is_refused() {
    let w = world();
    w.put("r/f", "x");
    symlink("r", w.root.join("l")).unwrap();
    assert!(w.folder().open_file(OsStr::new("l/f")).is_err());
}

#[test]
fn a_marker_that_is_a_link_hides_no_other_folder() {
    let w = world();
    let h = w.folder();
    let d = w.root.join(".backout-01jd0000000000000000000001");
    fs::create_dir(&d).unwrap();
    symlink("/etc/passwd", d.join("id")).unwrap();
    assert!(Staging::list(&h).is_ok());
}

#[test]
fn removing_a_tree_stops_at_a_mount() {
    let w = world();
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
        return; // only root may
    }
    let _ = durable::remove_tree(&w.folder(), OsStr::new("t"));
    let _ = std::process::Command::new("umount").arg(&mp).status();
    assert!(w.root.join("keep/f").exists(), "deleted through a mount");
}
