//! Damaged journals of runs that were killed, and what a recovery makes of them.

use crate::{promise::broken, promised, settled, tree};
use backout_kit::{Snapshot, World, snapshot};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The folder of the run that is open, if it came so far.
pub fn transaction(world: &World) -> Option<PathBuf> {
    Some(fs::read_dir(world.state.join("transactions")).ok()?.next()?.unwrap().path())
}

/// What lies beside the journal in a run's folders and beside the targets: everything that a recovery might lose.
pub fn everything(world: &World) -> (Snapshot, BTreeMap<PathBuf, Vec<u8>>) {
    let mut kept = BTreeMap::new();
    for folder in snapshot::leftovers(&world.home) {
        let files = tree(Path::new(&folder)).into_iter().filter(|path| !path.is_dir());
        kept.extend(files.map(|path| (path.clone(), fs::read(path).unwrap())));
    }
    (world.files(), kept)
}

/// What a recovery made of a damaged journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The run is settled, old or new.
    Settled,
    /// Nothing was touched.
    Refused,
}

/// A recovery of a damaged journal settles the run or leaves everything as it is; with its journal mended the run is settled.
pub fn recovered(world: &World, old: &Snapshot, new: &Snapshot, whole: &[u8], at: &str) -> Verdict {
    let journal = transaction(world).unwrap().join("journal");
    let before = everything(world);
    let run = world.plain(&["recover"]);
    match run.code {
        Some(0) => {
            settled(world, old, new, at);
            Verdict::Settled
        }
        Some(22) => {
            promised!(everything(world) == before, "{at}: refused, and yet something has changed");
            world.plain(&["status"]).ends(21);
            fs::write(journal, whole).unwrap();
            settled(world, old, new, at);
            Verdict::Refused
        }
        _ => broken(format_args!("{at}: {run:?}")),
    }
}
