//! Somebody turns a folder of the product into a link that leads elsewhere, and back, again and again, while a run stages and
//! swaps. Nothing elsewhere ever changes, and the run ends old, new or refused.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test makes files, stops at the first surprise and prints its figures"
)]

use backout_crash::{Side, Verb, settled, tally, tree};
use backout_kit::{Run, Snapshot, World, snapshot, write};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

/// Runs under flips.
const RUNS: usize = 40;

/// Everything below a folder, staging folders too: names, kinds, contents.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let with_contents = |path: PathBuf| (path.clone(), fs::read(path).ok());
    tree(folder).into_iter().map(with_contents).collect()
}

/// A folder that takes turns with a link.
struct Flipped {
    folder: PathBuf,
    aside: PathBuf,
    elsewhere: PathBuf,
}

impl Flipped {
    fn there(&self) {
        fs::rename(&self.folder, &self.aside).unwrap();
        symlink(&self.elsewhere, &self.folder).unwrap();
    }

    fn back(&self) {
        fs::remove_file(&self.folder).unwrap();
        fs::rename(&self.aside, &self.folder).unwrap();
    }
}

/// A run while `flipped` takes turns; how often it did. It is a folder before and afterwards.
fn under_flips(world: &World, flipped: &Flipped, pause: u32) -> (Run, u64) {
    let (over, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                flipped.there();
                (0..pause).for_each(|_| std::hint::spin_loop());
                flipped.back();
                (0..pause * 4).for_each(|_| std::hint::spin_loop());
                turns.fetch_add(1, Ordering::Relaxed);
            }
        });
        let run = world.rollback(&[]);
        over.store(true, Ordering::Relaxed);
        run
    });
    (run, turns.into_inner())
}

#[test]
fn a_folder_that_becomes_a_link_under_a_run_leads_it_nowhere() {
    let new = Verb::Rollback.after();
    let (mut turns, mut codes) = (0, BTreeMap::new());
    for n in 0..RUNS {
        let (world, old): (World, Snapshot) = Verb::Rollback.before();
        let elsewhere = world.path().join("elsewhere");
        for (name, text) in
            [("c.conf", "patched c"), ("a.conf", "patched a"), ("b.conf", "patched b"), ("gone.conf", "x")]
        {
            write(&elsewhere.join(name), text);
            write(&elsewhere.join("sub").join(name), text);
        }
        let before = everything(&elsewhere);
        let name = ["live/sub", "live", "backup", "live/sub"][n % 4];
        let folder = world.home.join(name);
        let flipped = Flipped { aside: world.path().join("aside"), folder, elsewhere: elsewhere.clone() };
        let (run, flips) = under_flips(&world, &flipped, 200 * (n as u32 % 20 + 1));
        turns += flips;
        *codes.entry(run.code).or_insert(0) += 1;
        let at = format!("run {n}, {name}: {run:?}");
        let after = everything(&elsewhere);
        assert!(after == before, "{at}: something elsewhere has changed: {:?}", after.keys());
        let side = settled(&world, &old, &new, &at);
        match run.code {
            // In the moment in which the backups are not there nothing is to be done.
            Some(0) => assert_eq!(side == Side::New, run.json["changed"] == true, "{at}"),
            Some(10 | 20) => assert_eq!(side, Side::Old, "{at}"),
            Some(21 | 22) => {}
            _ => panic!("{at}"),
        }
        assert!(everything(&elsewhere) == before, "{at}: a recovery changed something elsewhere");
        assert!(snapshot::leftovers(&elsewhere).is_empty(), "{at}");
    }
    tally::add("folders turned into links under a run", turns);
    eprintln!("flips: {turns} in {RUNS} runs, 0 violations; by exit code: {codes:?}");
    assert!(codes.len() > 1, "flips came too late or too early: {codes:?}");
}
