//! The oracle: a state is settled by the real recovery, and the tree is wholly old or wholly new.

use super::{
    cut::{self, Cut},
    disk::Disk,
    recovery::{self, Copies},
    strace::{self, Call},
    tree::{self, Tree},
};
use backout_engine::Ending;
use backout_kit::{Snapshot, snapshot};
use backout_protocol::{Plan, text::from_ron};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Folders of a world that no recovery needs.
pub const LEFT_OUT: [&str; 1] = ["plugins"];

/// A recorded run: what there was, what was done, where it happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded {
    /// The world's folder: states are laid out there again, as records name its paths.
    pub root: PathBuf,
    /// Where the world was captured before the run, as files in a folder.
    pub before: PathBuf,
    /// What strace wrote.
    pub log: PathBuf,
    /// Which trees count as settled, each captured in a folder.
    pub ends: Vec<PathBuf>,
    /// What the run said it came to, of `ends`: then nothing may take that away again.
    pub done: usize,
    /// Calls, by their place, that are taken out of what was done: syncs, of which nothing that was done depends.
    pub without: BTreeSet<usize>,
}

/// What came out of one part of the states.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Found {
    /// States settled.
    pub states: u64,
    /// How many ended as which end.
    pub ends: BTreeMap<usize, u64>,
    /// What went wrong, in words.
    pub violations: Vec<String>,
}

/// A part of the states of a recorded run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Part {
    /// Which of the parts, from 0 on.
    pub nth: u64,
    /// How many parts there are: every so manyth state is in this one.
    pub of: u64,
    /// Only cuts behind at least so many calls.
    pub from: usize,
    /// And at most so many.
    pub to: usize,
    /// The first violation is enough.
    pub until_violated: bool,
}

impl Part {
    /// One of so many parts of all states.
    pub fn of(nth: u64, of: u64) -> Self {
        Self { nth, of, from: 0, to: usize::MAX, until_violated: false }
    }

    /// The states near a call, on both sides of it.
    pub fn near(call: usize) -> Self {
        Self { from: call.saturating_sub(5), to: call + 60, ..Self::of(0, 1) }
    }
}

impl Found {
    /// Both together.
    pub fn and(mut self, other: Found) -> Found {
        self.states += other.states;
        for (end, count) in other.ends {
            *self.ends.entry(end).or_insert(0) += count;
        }
        self.violations.extend(other.violations);
        self
    }
}

impl Recorded {
    /// The calls.
    pub fn calls(&self) -> Vec<Call> {
        let calls = strace::read(&self.log).into_iter().enumerate();
        calls.filter(|(at, _)| !self.without.contains(at)).map(|(_, call)| call).collect()
    }

    /// The medium before the run.
    pub fn disk(&self) -> Disk {
        Disk::new(&self.root, &tree::capture(&self.before, &LEFT_OUT))
    }

    /// Settles the states of one part. They are laid out where the run was: the caller sees to it that nobody else uses
    /// that folder.
    pub fn settle(&self, part: &Part) -> Found {
        let Part { nth, of, from, to, until_violated } = *part;
        let ends: Vec<Snapshot> = self.ends.iter().map(|at| snapshot(&at.join("home"))).collect();
        let calls = self.calls();
        let copies = Copies::default();
        let (mut found, mut number) = (Found::default(), 0);
        let _ = cut::within(self.disk(), &calls, from..=to, |cut| {
            number += 1;
            if number % of != nth {
                return ControlFlow::Continue(());
            }
            found.states += 1;
            match settled(&self.root, &cut.medium.tree(), &ends, &copies) {
                Ok(end) if cut.is_last && end != self.done => {
                    found.violations.push(format!("{}: it had said otherwise", told(&cut, &calls)));
                }
                Ok(end) => *found.ends.entry(end).or_insert(0) += 1,
                Err(why) => found.violations.push(format!("{}: {why}", told(&cut, &calls))),
            }
            if until_violated && !found.violations.is_empty() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        found
    }
}

fn told(cut: &Cut, calls: &[Call]) -> String {
    let call = cut.calls.checked_sub(1).map(|at| format!("{:?}", calls[at]));
    let call: String = call.unwrap_or_default().chars().take(300).collect();
    format!("behind call {} ({call}) {} survived", cut.calls, cut.what)
}

/// Lays a state out and settles it; says which of `ends` it came to.
fn settled(root: &Path, medium: &Tree, ends: &[Snapshot], copies: &Copies) -> Result<usize, String> {
    tree::lay_out(medium, root);
    let (home, state) = (root.join("home"), root.join("state"));
    let report = recovery::first(&state, &home, ends, copies)?;
    let waits = matches!(report.ending, Ending::Staged);
    if !waits && !matches!(report.ending, Ending::Completed | Ending::RolledBack(_) | Ending::NothingToDo) {
        return Err(format!("recover ended {:?}", report.ending));
    }
    let files = snapshot(&home);
    // A run that waits for its commit is old, and something came of it: the last end that is so.
    let end = match waits {
        true => ends.iter().rposition(|end| *end == files),
        false => ends.iter().position(|end| *end == files),
    };
    let end = end.ok_or_else(|| {
        let all = ends.iter().map(|end| snapshot::differences(&files, end).join("\n  "));
        format!(
            "a mixture, recover ended {:?}\n  {}",
            report.ending,
            all.collect::<Vec<_>>().join("\n or\n  ")
        )
    })?;
    let again = recovery::run(&state, copies);
    if !matches!((waits, &again.ending), (false, Ending::NothingToDo) | (true, Ending::Staged)) {
        return Err(format!("a second recover ended {:?}", again.ending));
    }
    if snapshot(&home) != files {
        return Err("a second recover changed something".to_owned());
    }
    let open = fs::read_dir(state.join("transactions")).map_or(0, Iterator::count);
    if open != usize::from(waits) {
        return Err(format!("{open} transactions are left"));
    }
    let left = snapshot::leftovers(&home);
    for run in fs::read_dir(state.join("history")).into_iter().flatten().map(Result::unwrap) {
        let journal = fs::read_to_string(run.path().join("journal")).unwrap();
        let id = run.file_name().to_str().unwrap().to_owned();
        if is_of_a_guard(&run.path()) {
            if left.iter().any(|folder| folder.ends_with(&id)) {
                return Err(format!("a guard, or its way back, is over and {id} still lies there"));
            }
            if let Some(held) = ["reserve", "space"].iter().find(|held| run.path().join(held).exists()) {
                return Err(format!("guard {id} is over and `{held}` still holds space"));
            }
        } else if journal.contains("record:Committed") && !left.iter().any(|folder| folder.ends_with(&id)) {
            return Err(format!("run {id} is done and its before-images are gone"));
        }
    }
    for folder in left {
        let run = folder.rsplit(".backout-").next().unwrap_or_default();
        let known = |part: &str| state.join(part).join(run).join("journal").is_file();
        let lies = known("history") || waits && known("transactions");
        if !lies {
            return Err(format!("{folder} without its journal"));
        }
    }
    Ok(end)
}

/// Whether a run is a guard or the way back of one: nothing of it stays beside the targets, and no space is held for it.
fn is_of_a_guard(run: &Path) -> bool {
    let Ok(text) = fs::read_to_string(run.join("plan.ron")) else { return false };
    let plan: Plan = from_ron("plan.ron", &text).unwrap();
    plan.guard.is_some() || plan.guards().is_some()
}
