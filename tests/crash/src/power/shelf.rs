//! Worlds that a run is recorded in, and what is kept of them.

use super::{
    settle::{Found, LEFT_OUT, Part, Recorded},
    strace::{self, Threads},
    tree,
};
use backout_kit::{
    World,
    call::{self, can_be_parted},
    seed, snapshot,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// What is kept of worlds beside them: a world's own folder is used for its states.
#[derive(Debug)]
pub struct Shelf(TempDir);

impl Default for Shelf {
    fn default() -> Self {
        Self(TempDir::with_prefix("backout-shelf-").unwrap())
    }
}

impl Shelf {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A copy of the world as it is now.
    fn keep(&self, root: &Path, name: &str) -> PathBuf {
        let at = self.0.path().join(name);
        std::fs::create_dir(&at).unwrap();
        tree::lay_out(&tree::capture(root, &LEFT_OUT), &at);
        at
    }

    /// Runs a command that settles what it does, and records it. `ends`: what it may come to; empty: what is there
    /// before, or after.
    pub fn record(&self, world: &World, name: &str, command: &Command, ends: &[PathBuf]) -> Recorded {
        self.record_threads(world, name, command, ends, Threads::First)
    }

    /// The same, of these threads of it.
    pub fn record_threads(
        &self,
        world: &World,
        name: &str,
        command: &Command,
        ends: &[PathBuf],
        threads: Threads,
    ) -> Recorded {
        let before = self.keep(world.path(), &format!("{name}-before"));
        let log = self.0.path().join(format!("{name}-calls"));
        let (calls, output) = strace::record(command, threads, &log);
        assert!(
            matches!(output.status.code(), Some(0 | 20)),
            "{name}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        let after = self.keep(world.path(), &format!("{name}-after"));
        tells_all(&before, &after);
        let ends = if ends.is_empty() { vec![before.clone(), after.clone()] } else { ends.to_vec() };
        let files = |at: &Path| snapshot(&at.join("home"));
        let same = |end: &PathBuf| files(end) == files(&after);
        // Of two ends with the same files that of a run that waits is the later one, as when a state of it is settled.
        let waits = std::fs::read_dir(after.join("state/transactions")).is_ok_and(|runs| runs.count() > 0);
        let done = if waits { ends.iter().rposition(same) } else { ends.iter().position(same) };
        let done = done.expect("neither old nor new");
        let root = world.path().to_owned();
        let recorded = Recorded { root, before, log, ends, done, without: BTreeSet::new() };
        // The double is checked against the file system: the same calls have made the same tree.
        let mut disk = recorded.disk();
        for call in &calls {
            disk.play(call);
        }
        let differ = tree::differences(&disk.seen(), &tree::capture(&after, &LEFT_OUT));
        assert!(differ.is_empty(), "{name}: the double and the file system differ:\n{}", differ.join("\n"));
        recorded
    }
}

/// The last record of a run in a folder of the state folder.
fn says_last(run: &Path) -> String {
    let journal = std::fs::read_to_string(run.join("journal")).unwrap();
    journal.lines().filter_map(|l| l.split("record:").nth(1)).next_back().unwrap_or_default().to_owned()
}

/// A run that is left open on purpose says so. What people read in the history: each run that is over says so last, and one that was begun and committed in one go
/// says before that what it found of its services' health.
fn tells_all(before: &Path, after: &Path) {
    for run in std::fs::read_dir(after.join("state/transactions")).into_iter().flatten().map(Result::unwrap) {
        let last = says_last(&run.path());
        assert!(last.starts_with("CommitPending"), "it is left open and does not say so: {last}");
    }
    let Ok(runs) = std::fs::read_dir(after.join("state/history")) else { return };
    for run in runs.map(Result::unwrap) {
        let journal = std::fs::read_to_string(run.path().join("journal")).unwrap();
        let records: Vec<&str> = journal.lines().filter_map(|l| l.split("record:").nth(1)).collect();
        let at = |name: &str| records.iter().position(|r| r.starts_with(name));
        assert!(
            records.last().is_some_and(|r| r.starts_with("Clean")),
            "it is over and does not say so: {records:?}"
        );
        // A recovery writes the journal anew, without it.
        let recovered = before.join("state/transactions").join(run.file_name()).exists();
        if let (Some(committed), false) = (at("Committed"), recovered) {
            assert!(at("Health").is_some_and(|health| health < committed), "health is not told: {records:?}");
        }
    }
}

/// Settles one part of the states of a recorded run, with the program `settle_states`.
pub fn settle_part(settle_states: &Command, recorded: &Recorded, part: &Part) -> Found {
    let json = serde_json::to_string(recorded).unwrap();
    let mut outer = Command::new("env");
    if can_be_parted() {
        // Each part has the run's folder for itself.
        outer = Command::new("unshare");
        let mount = r#"mount -t tmpfs -o mode=700 tmpfs "$0" && exec "$@""#;
        outer.args(["-m", "--propagation", "private", "sh", "-c", mount]).arg(&recorded.root);
    }
    let mut command = call::wrapped(outer, settle_states);
    let part = serde_json::to_string(part).unwrap();
    let output = command.args([json, part]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "a part ended {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whoever only asks whether there is a violation sets this.
pub const ONE_IS_ENOUGH: &str = "BACKOUT_ONE_VIOLATION_IS_ENOUGH";

/// Settles the states of a recorded run, in as many parts at once as there are processors here, and in CI. Of those every
/// `share`th, by the seed; all of them where everything is asked for.
pub fn settle(settle_states: &Command, recorded: &Recorded, share: u64) -> Found {
    let parts = if can_be_parted() { 2 } else { 1 };
    let share = if crate::is_whole() { 1 } else { share };
    let first = seed() % share * parts;
    std::thread::scope(|scope| {
        let running: Vec<_> = (first..first + parts)
            .map(|nth| Part {
                until_violated: std::env::var_os(ONE_IS_ENOUGH).is_some(),
                ..Part::of(nth, parts * share)
            })
            .map(|part| scope.spawn(move || settle_part(settle_states, recorded, &part)))
            .collect();
        running.into_iter().map(|part| part.join().unwrap()).fold(Found::default(), Found::and)
    })
}
