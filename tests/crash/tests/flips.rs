//! Somebody turns a folder of the product into a link that leads elsewhere, and back, again and again, while a run stages and
//! swaps. Nothing elsewhere ever changes, and the run ends old, new or refused.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test makes files, stops at the first surprise and prints its figures"
)]

use backout_crash::{Side, Verb, damage::transaction, promise::broken, promised, settled, tally, tree};
use backout_kit::{Run, Snapshot, World, snapshot, write};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

/// Runs under flips: each kind of beginning with each folder, three times.
const RUNS: usize = 4 * 4 * 3;

/// When the flipping begins. Each run is sure to meet it there or behind it, however slow the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Begin {
    /// Before the run.
    AtOnce,
    /// Once the run has a journal, while it stages.
    Journal,
    /// While the last service stops, behind staging: the run waits for the first turn.
    Window,
    /// Once `Armed` is on record, among the swaps if they are not over by then.
    Armed,
}

impl Begin {
    const ALL: [Begin; 4] = [Begin::AtOnce, Begin::Journal, Begin::Window, Begin::Armed];

    /// Whether it has come.
    fn has_come(self, world: &World) -> bool {
        let journal = || fs::read_to_string(transaction(world)?.join("journal")).ok();
        match self {
            Begin::AtOnce => true,
            Begin::Journal => journal().is_some(),
            Begin::Window => world.path().join("reached").exists(),
            Begin::Armed => journal().is_some_and(|text| text.contains("record:Armed")),
        }
    }
}

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

    /// Stays aside if a run stands in its place: one that was planned while there was neither makes the folder, if there is
    /// neither once more.
    fn back(&self) {
        fs::remove_file(&self.folder).unwrap();
        let back = fs::rename(&self.aside, &self.folder);
        assert!(back.is_ok() || self.folder.is_dir(), "{back:?}");
    }

    fn is_aside(&self) -> bool {
        self.aside.exists()
    }
}

/// A run while `flipped` takes turns; how often it did. It is a folder before, and afterwards too unless it had to stay aside.
fn under_flips(world: &World, flipped: &Flipped, begin: Begin, pause: u32) -> (Run, u64) {
    let (over, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    let turned = world.path().join("turned");
    let wait = format!(
        "touch '{}'; while [ ! -e '{}' ]; do sleep 0.01; done",
        world.path().join("reached").display(),
        turned.display()
    );
    if begin == Begin::Window {
        world.services.hook("second", "stop", &wait);
    }
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            while !begin.has_come(world) && !over.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            while !over.load(Ordering::Relaxed) {
                flipped.there();
                (0..pause).for_each(|_| std::hint::spin_loop());
                flipped.back();
                if flipped.is_aside() {
                    return;
                }
                if turns.fetch_add(1, Ordering::Relaxed) == 0 {
                    write(&turned, "");
                }
                (0..pause * 4).for_each(|_| std::hint::spin_loop());
            }
        });
        while begin == Begin::AtOnce && !turned.exists() {
            thread::yield_now();
        }
        let run = world.rollback(&[]);
        over.store(true, Ordering::Relaxed);
        run
    });
    (run, turns.into_inner())
}

#[test]
fn a_folder_that_becomes_a_link_under_a_run_leads_it_nowhere() {
    let new = Verb::Rollback.after();
    let (mut turns, mut codes) = (BTreeMap::new(), BTreeMap::new());
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
        let begin = Begin::ALL[n % 4];
        let name = ["live/sub", "live", "backup", "live/sub"][n / 4 % 4];
        let folder = world.home.join(name);
        let flipped = Flipped { aside: world.path().join("aside"), folder, elsewhere: elsewhere.clone() };
        let (run, flips) = under_flips(&world, &flipped, begin, 200 * (n as u32 % 20 + 1));
        *turns.entry(begin).or_insert(0) += flips;
        *codes.entry((begin, run.code)).or_insert(0) += 1;
        let at = format!("run {n}, {name} from {begin:?} on: {run:?}");
        let after = everything(&elsewhere);
        promised!(after == before, "{at}: something elsewhere has changed: {:?}", after.keys());
        if flipped.is_aside() {
            // The product lies beside its own name now: nothing can be said of it.
            continue;
        }
        let side = settled(&world, &old, &new, &at);
        match run.code {
            // In the moment in which the backups are not there nothing is to be done.
            Some(0) => promised!((side == Side::New) == (run.json["changed"] == true), "{at}"),
            Some(10 | 20) => promised!(side == Side::Old, "{at}"),
            Some(21 | 22) => {}
            _ => broken(format_args!("{at}")),
        }
        promised!(everything(&elsewhere) == before, "{at}: a recovery changed something elsewhere");
        promised!(snapshot::leftovers(&elsewhere).is_empty(), "{at}");
    }
    tally::add("folders turned into links under a run", turns.values().sum());
    eprintln!("flips: {turns:?} in {RUNS} runs, 0 violations; by beginning and exit code: {codes:?}");
    // What the other kinds meet depends on how fast the machine is.
    assert!(turns[&Begin::AtOnce] > 0 && turns[&Begin::Window] > 0, "{turns:?}");
}
