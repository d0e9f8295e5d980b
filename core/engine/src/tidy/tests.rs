#![expect(clippy::disallowed_methods, reason = "makes the trees that are looked at")]

use super::*;
use crate::{blank, transaction::Dressing};
use backout_disk::fingerprint::empty_folder;
use backout_protocol::{Digest, Place, RelPath};
use std::fs;

const ABSENT: Fingerprint = Fingerprint::Absent;

/// Two roots: `one` holds the file `there`, `two` the folder `dressed`.
struct World {
    dir: tempfile::TempDir,
    tx: Transaction,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["tx", "one", "two/dressed"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("one/there"), "old").unwrap();
        let folder = Folder::open_root(&dir.path().canonicalize().unwrap().join("tx")).unwrap();
        let run = "01jd0000000000000000000000".parse().unwrap();
        let tx = Transaction {
            run,
            folder,
            plan: blank::plan(),
            plan_digest: Digest([0; 32]),
            swaps: Vec::new(),
            dressings: Vec::new(),
            actions: Vec::new(),
            actions_digest: None,
        };
        Self { dir, tx }
    }

    fn root(&self, name: &str) -> HostPath {
        HostPath(self.dir.path().canonicalize().unwrap().join(name))
    }

    fn swap(&mut self, root: &str, rel: &str, before: Fingerprint) {
        let target = Place { root: self.root(root), rel: RelPath::new(rel).unwrap() };
        let slot = RelPath::new(format!("{:04}", self.tx.swaps.len())).unwrap();
        self.tx.swaps.push(Swap { target, host: None, slot, before, after: ABSENT });
    }

    fn dressing(&mut self, root: &str, rel: &str) {
        let (root, rel) = (self.root(root), Some(RelPath::new(rel).unwrap()));
        self.tx.dressings.push(Dressing { root, rel, slot: RelPath::new("rights-0000").unwrap() });
    }

    fn now(&self, root: &str, rel: &str) -> Fingerprint {
        fingerprint(&Place { root: self.root(root), rel: RelPath::new(rel).unwrap() }).unwrap()
    }

    /// Why what is staged stays; `None`: it is gone.
    fn stays(&self) -> Option<ErrorKind> {
        drop_staging(&self.tx).err().map(|e| e.kind)
    }
}

fn file(byte: u8) -> Fingerprint {
    Fingerprint::File { len: 3, sha256: Digest([byte; 32]) }
}

#[test]
fn nothing_is_staged_any_more_in_a_root_that_is_gone_and_of_which_only_rights_were_to_change() {
    let mut world = World::new();
    world.swap("one", "there", world.now("one", "there"));
    world.dressing("gone", "folder");
    assert_eq!(world.stays(), None);
    // A root that names were to change in may be a volume that is not mounted.
    world.swap("gone", "name", file(1));
    assert_eq!(world.stays(), Some(ErrorKind::NotFound));
}

#[test]
fn where_a_staging_folder_is_gone_one_name_that_is_there_says_that_its_volume_is() {
    let mut world = World::new();
    world.swap("one", "gone/a", file(1));
    assert_eq!(world.stays(), Some(ErrorKind::NotFound), "nothing of all that should be there is");
    world.swap("two", "dressed", empty_folder());
    assert_eq!(world.stays(), Some(ErrorKind::NotFound), "what is on another volume says nothing");
    world.swap("one", "there", file(2));
    assert_eq!(world.stays(), None);
    let mut world = World::new();
    world.swap("one", "a", ABSENT);
    assert_eq!(world.stays(), None, "nothing should be there");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_looked_at_is_neither_gone_nor_tidied_up() {
    let mut world = World::new();
    world.swap("one", "there/below", file(1));
    world.swap("one", "there", file(2));
    assert_eq!(world.stays(), Some(ErrorKind::NotAFolder));
    let mut world = World::new();
    world.dressing("one/there", "folder");
    assert_eq!(world.stays(), Some(ErrorKind::NotAFolder));
    assert!(matches!(reopen(&world.tx), Err(Err(e)) if e.kind == ErrorKind::NotAFolder));
}

#[test]
fn a_volume_is_not_mounted_where_the_folder_or_what_was_staged_in_it_is_not_there() {
    let mut world = World::new();
    world.swap("gone", "a", file(1));
    assert!(matches!(reopen(&world.tx), Err(Ok(at)) if at == world.root("gone")));
    let mut world = World::new();
    world.swap("one", "there", file(1));
    assert!(matches!(reopen(&world.tx), Err(Ok(at)) if at == world.root("one")));
}

#[test]
fn a_run_is_untouched_where_each_name_is_as_before_and_each_volume_is_known_to_be_here() {
    let with = |names: &[(&str, &str, bool)], dressings: &[(&str, &str)]| {
        let mut world = World::new();
        for (root, rel, as_before) in names {
            let before = if *as_before { world.now(root, rel) } else { file(1) };
            world.swap(root, rel, before);
        }
        dressings.iter().for_each(|(root, rel)| world.dressing(root, rel));
        is_untouched(&world.tx)
    };
    assert!(with(&[("one", "there", true)], &[]));
    assert!(!with(&[("one", "there", false)], &[]), "it is other than before");
    assert!(!with(&[("one", "there", true), ("one", "a", false)], &[]));
    // Where nothing was, the folder may be one that the volume is to be mounted on.
    assert!(!with(&[("one", "a", true)], &[]));
    assert!(with(&[("one", "a", true), ("one", "there", true)], &[]));
    assert!(!with(&[("two", "a", true), ("one", "there", true)], &[]));
    assert!(with(&[("two", "a", true)], &[("two", "dressed")]));
    assert!(!with(&[("two", "a", true)], &[("two", "gone")]));
    assert!(!with(&[("one", "a", true)], &[("two", "dressed")]));
}
