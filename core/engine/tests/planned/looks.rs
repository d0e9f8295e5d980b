//! What is told of a product without a rollback of it: what is missing, what its files are, where nothing of ours may lie.

use crate::world::World;
use backout_engine::{
    apart,
    doctor::{self, Problem},
    verify::{self, Verdict},
};
use backout_protocol::{HostPath, message::Need, step::Fate};
use std::fs;

#[test]
fn a_folder_is_missed_if_a_component_that_is_here_speaks_of_it_or_if_nothing_is_here() {
    let missed = |world: &World| -> Vec<String> {
        let found = world.with(|faces| doctor::examine(&world.job(), None, faces)).unwrap();
        let folder = |problem: &Problem| match problem {
            Problem::FolderMissing { variable, .. } => Some(variable.clone()),
            _ => None,
        };
        found.problems.iter().filter_map(folder).collect()
    };
    let mut world = World::new(&[]);
    assert_eq!(missed(&world), [] as [&str; 0]);
    assert_eq!(missed(&World::new(&[]).rows("(name: \"a\", folder: \"data\")")), ["data"]);
    fs::remove_file(world.home().0.join("here")).unwrap();
    world.ask.set.insert("unset".into(), world.home());
    assert_eq!(missed(&world), ["data"]);
}

#[test]
fn bytes_that_no_list_gives_are_as_before_only_of_what_the_patch_takes_away() {
    let verdicts = |rows: &str| -> Vec<Verdict> {
        let world = World::new(&[("a", "mine")]).rows(rows);
        verify::verify(&world.job(), None).unwrap().rows.iter().map(|row| row.verdict).collect()
    };
    let patched = backout_disk::fingerprint::digest_bytes(b"patched").to_string();
    assert_eq!(verdicts("(name: \"a\", removed: true)"), [Verdict::Older]);
    assert_eq!(verdicts(&format!("(name: \"a\", sha256: {patched:?})")), [Verdict::Other]);
    // Nothing is below what is not there.
    assert_eq!(verdicts(&format!("(name: \"no/where\", sha256: {patched:?})")), [Verdict::Absent]);
}

#[test]
fn nothing_of_ours_is_written_into_the_folder_of_the_backups_that_a_plan_uses() {
    let world = World::new(&[("live/deep/a", "new"), ("kept/live/deep/a", "old")])
        .says("c", |w| vec![w.restore("live/deep/a", Need::Listed, &[("kept/live/deep/a", Fate::Keep)])]);
    let (plan, job, kept) = (world.plan().unwrap(), world.job(), world.home().0.join("kept"));
    let taken = |file: &str| apart::taken(&plan, &job.profile.profile, &world.home().0.join(file));
    assert_eq!(taken("kept/plan.ron"), Some(HostPath(kept)));
    assert_eq!(taken("plan.ron"), None);
}
