//! What lists tell of the bytes of files.

use crate::world::World;
use backout_engine::Refusal;
use backout_protocol::{
    Notice, Plan,
    message::{Need, Reject},
    notice::Stays,
    step::Fate,
};

/// As a row of a list gives it.
fn digest(text: &str) -> String {
    format!("{:?}", backout_disk::fingerprint::digest_bytes(text.as_bytes()).to_string())
}

/// `a`, which holds `live` and has a backup, and the rows.
fn listed(live: &str, rows: &str) -> World {
    World::new(&[("a", live), ("c/a", "old")])
        .says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", Fate::Keep)])])
        .rows(rows)
}

#[track_caller]
fn is_drifted(planned: Result<Plan, Refusal>) {
    assert!(matches!(&planned, Err(Refusal::Drifted { targets }) if targets.len() == 1), "{planned:?}");
}

#[test]
fn a_file_with_the_bytes_from_before_the_patch_is_back_also_without_its_backup() {
    let before = format!("(name: \"a\", before: {})", digest("was"));
    assert_eq!(listed("was", &before).steps(), ["hold a"]);
    assert_eq!(listed("was", "").steps(), ["a from c/a of c"]);
    assert_eq!(listed("is", &before).steps(), ["a from c/a of c"]);
    // A row of another file tells nothing.
    assert_eq!(listed("was", &before.replace("\"a\"", "\"b\"")).steps(), ["a from c/a of c"]);
}

#[test]
fn a_file_that_the_patch_took_away_wants_its_backup() {
    let world = |rows| {
        World::new(&[]).says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", Fate::Keep)])]).rows(rows)
    };
    assert_eq!(world("").steps(), [] as [String; 0]);
    assert_eq!(world("(name: \"b\", removed: true)").steps(), [] as [String; 0]);
    let refused = world("(name: \"a\", removed: true)").plan();
    assert!(
        matches!(&refused, Err(Refusal::NoGoodBackup { wanting }) if wanting[0].rejected[0].1 == Reject::Missing),
        "{refused:?}"
    );
}

#[test]
fn a_file_that_is_neither_patched_nor_as_before_was_edited() {
    let rows = format!("(name: \"a\", sha256: {})", digest("patched"));
    assert_eq!(listed("patched", &rows).steps(), ["a from c/a of c"]);
    assert_eq!(listed("old", &rows).steps(), ["hold a"]);
    is_drifted(listed("mine", &rows).plan());
    let mut over = listed("mine", &rows);
    over.ask.overwrite = vec!["a".into()];
    assert_eq!(over.steps(), ["a from c/a of c"]);
    assert_eq!(over.notices(), [Notice::LocalSetAside { target: over.at("a") }]);
    let mut safe = listed("mine", &rows);
    safe.ask.only_safe = true;
    assert_eq!(safe.steps(), [] as [String; 0]);
    assert_eq!(safe.notices(), [Notice::LeftOut { target: safe.at("a"), why: Stays::Drifted }]);
    // A list presumes a folder: what has the name elsewhere counts where nothing is presumed here, and only there.
    let elsewhere = format!("(name: \"sub/a\", sha256: {})", digest("patched"));
    is_drifted(listed("mine", &elsewhere).plan());
    let both = format!("{elsewhere}, (name: \"a\", sha256: {})", digest("mine"));
    assert_eq!(listed("mine", &both).steps(), ["a from c/a of c"]);
    is_drifted(listed("patched", &both).plan());
    let alias = rows.replace("(name: \"a\"", "(name: \"b\", aliases: [\"a\"]");
    is_drifted(listed("mine", &alias).plan());
}
