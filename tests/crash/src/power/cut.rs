//! Which of the changes that nothing has made durable survive a power cut.

use super::{
    disk::{Bytes, Disk},
    strace::Call,
    tree::{Tree, name_bytes},
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeSet, HashSet},
    ops::{ControlFlow, RangeInclusive},
};

/// How many mixtures are drawn at each point.
const DRAWN: u64 = 4;

/// One power cut.
#[derive(Debug, Clone)]
pub struct Cut {
    /// How many calls were made before it.
    pub calls: usize,
    /// Whether none of the calls behind it changes anything: what the run has said by then holds.
    pub is_last: bool,
    /// What survived, in words.
    pub what: String,
    /// The medium.
    pub tree: Tree,
}

/// Every distinct state that a cut behind any of the calls can leave, each with the first cut that leaves it. `each` is
/// told of them one by one, until it has seen enough.
pub fn every(disk: Disk, calls: &[Call], each: impl FnMut(Cut) -> ControlFlow<()>) -> ControlFlow<()> {
    within(disk, calls, 0..=calls.len(), each)
}

/// The same, of the cuts behind so many calls as the range has.
pub fn within(
    mut disk: Disk,
    calls: &[Call],
    range: RangeInclusive<usize>,
    mut each: impl FnMut(Cut) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let last = last_change(disk.clone(), calls);
    let mut seen: HashSet<[u8; 32]> = HashSet::new();
    let mut at = |disk: &Disk, calls: usize| {
        if !range.contains(&calls) {
            return ControlFlow::Continue(());
        }
        let is_last = calls == last;
        if is_last {
            // The same state may have been right before, when the run had said nothing yet.
            seen.clear();
        }
        for (what, keeps, bytes) in choices(disk, calls) {
            let tree = disk.after(&keeps, |at| bytes.at(at));
            if seen.insert(digest(&tree)) {
                each(Cut { calls, is_last, what, tree })?;
            }
        }
        ControlFlow::Continue(())
    };
    at(&disk, 0)?;
    for (done, call) in calls.iter().enumerate() {
        if disk.play(call) {
            at(&disk, done + 1)?;
        }
    }
    ControlFlow::Continue(())
}

/// Behind how many calls nothing changes any more.
fn last_change(mut disk: Disk, calls: &[Call]) -> usize {
    let changes = calls.iter().enumerate().filter_map(|(at, call)| disk.play(call).then_some(at + 1));
    changes.last().unwrap_or_default()
}

/// What is left of the bytes of each write.
enum Left {
    All(Bytes),
    Drawn(u64),
}

impl Left {
    fn at(&self, at: usize) -> Bytes {
        match self {
            Left::All(bytes) => *bytes,
            Left::Drawn(seed) => match draw(*seed ^ 0x5bd1, at) % 4 {
                0 => Bytes::Whole,
                1 => Bytes::Zeros,
                2 => Bytes::Half,
                _ => Bytes::Rest,
            },
        }
    }
}

fn choices(disk: &Disk, calls: usize) -> Vec<(String, BTreeSet<usize>, Left)> {
    let n = disk.pending.len();
    let all: BTreeSet<usize> = (0..n).collect();
    let whole = || Left::All(Bytes::Whole);
    let mut choices = vec![
        ("nothing".to_owned(), BTreeSet::new(), whole()),
        ("everything".to_owned(), all.clone(), whole()),
    ];
    if disk.pending.iter().any(super::disk::Pending::is_data) {
        choices.push(("everything, bytes as zeros".to_owned(), all.clone(), Left::All(Bytes::Zeros)));
        choices.push(("everything, bytes by half".to_owned(), all.clone(), Left::All(Bytes::Half)));
        choices.push((
            "everything, bytes by their second half".to_owned(),
            all.clone(),
            Left::All(Bytes::Rest),
        ));
    }
    for one in 0..n {
        let change = format!("{:?}", disk.pending[one].change);
        let change: String = change.chars().take(160).collect();
        let gone = disk.with_followers(one);
        let but = all.difference(&gone).copied().collect();
        choices.push((format!("everything but no. {one}, {change}"), but, whole()));
        choices.push((format!("only no. {one}, {change}"), BTreeSet::from([one]), whole()));
    }
    for drawn in 0..DRAWN {
        let seed = (calls as u64) << 8 | drawn;
        let some = all.iter().copied().filter(|at| draw(seed, *at).is_multiple_of(2)).collect();
        choices.push((format!("a mixture, drawn by {seed}"), some, Left::Drawn(seed)));
    }
    choices
}

/// A number that looks like any other (the finaliser of splitmix64).
fn draw(seed: u64, at: usize) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at as u64 + 1);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn digest(tree: &Tree) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, item) in tree {
        let name = name_bytes(name);
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(format!("{:o} {:?} {:?} {:?} ", item.mode, item.owner, item.mtime, item.link));
        match &item.data {
            Some(data) => {
                hash.update((data.len() as u64).to_le_bytes());
                hash.update(data.as_slice());
            }
            None => hash.update([0xff; 8]),
        }
    }
    hash.finalize().into()
}
