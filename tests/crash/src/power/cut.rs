//! Which of the changes that nothing has made durable survive a power cut.

use super::{
    disk::{Disk, Pending, Ties, Variants},
    medium::{Bytes, Medium},
    strace::Call,
};
use std::{
    collections::HashSet,
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
    /// What is left.
    pub medium: Medium,
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
    let mut variants = Variants::default();
    let mut at = |disk: &Disk, calls: usize| {
        if !range.contains(&calls) {
            return ControlFlow::Continue(());
        }
        let is_last = calls == last;
        if is_last {
            // The same state may have been right before, when the run had said nothing yet.
            seen.clear();
        }
        let ties = disk.ties();
        for choice in choices(disk, calls) {
            let (keeps, bytes) = choice.survives(disk, &ties);
            let medium = disk.after(keeps, |at| bytes.at(at), &ties, &mut variants);
            if seen.insert(medium.digest()) {
                each(Cut { calls, is_last, what: choice.told(&disk.pending), medium })?;
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

/// What of the pending changes is chosen to survive.
#[derive(Debug, Clone, Copy)]
enum Choice {
    Nothing,
    /// All, and of the bytes that are written this.
    Everything(Bytes),
    /// All but one.
    But(usize),
    /// One alone.
    Only(usize),
    /// A mixture, drawn by this number.
    Drawn(u64),
}

fn choices(disk: &Disk, calls: usize) -> Vec<Choice> {
    let mut choices = vec![Choice::Nothing, Choice::Everything(Bytes::Whole)];
    if disk.pending.iter().any(Pending::is_data) {
        choices.extend([Bytes::Zeros, Bytes::Half, Bytes::Rest].map(Choice::Everything));
    }
    choices.extend((0..disk.pending.len()).flat_map(|one| [Choice::But(one), Choice::Only(one)]));
    choices.extend((0..DRAWN).map(|drawn| Choice::Drawn((calls as u64) << 8 | drawn)));
    choices
}

impl Choice {
    /// Which changes, and what of their bytes.
    fn survives(self, disk: &Disk, ties: &Ties) -> (Vec<bool>, Left) {
        let these = |which: &dyn Fn(usize) -> bool| (0..disk.pending.len()).map(which).collect();
        let whole = Left::All(Bytes::Whole);
        match self {
            Choice::Nothing => (these(&|_| false), whole),
            Choice::Everything(bytes) => (these(&|_| true), Left::All(bytes)),
            Choice::But(one) => (disk.without(one, ties), whole),
            Choice::Only(one) => (these(&|at| at == one), whole),
            Choice::Drawn(seed) => (these(&|at| draw(seed, at).is_multiple_of(2)), Left::Drawn(seed)),
        }
    }

    fn told(self, pending: &[Pending]) -> String {
        match self {
            Choice::Nothing => "nothing".to_owned(),
            Choice::Everything(Bytes::Whole) => "everything".to_owned(),
            Choice::Everything(Bytes::Zeros) => "everything, bytes as zeros".to_owned(),
            Choice::Everything(Bytes::Half) => "everything, bytes by half".to_owned(),
            Choice::Everything(Bytes::Rest) => "everything, bytes by their second half".to_owned(),
            Choice::But(one) => format!("everything but no. {one}, {}", pending[one].told()),
            Choice::Only(one) => format!("only no. {one}, {}", pending[one].told()),
            Choice::Drawn(seed) => format!("a mixture, drawn by {seed}"),
        }
    }
}

/// A number that looks like any other (the finaliser of splitmix64).
fn draw(seed: u64, at: usize) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at as u64 + 1);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
