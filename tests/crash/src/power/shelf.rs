//! Worlds that a run is recorded in, and what is kept of them.

use super::{
    settle::{Found, LEFT_OUT, Recorded},
    strace, tree,
};
use backout_kit::{World, snapshot};
use std::{
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
        let before = self.keep(world.path(), &format!("{name}-before"));
        let log = self.0.path().join(format!("{name}-calls"));
        let (calls, output) = strace::record(command, &log);
        assert!(
            matches!(output.status.code(), Some(0 | 20)),
            "{name}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        let after = self.keep(world.path(), &format!("{name}-after"));
        let ends = if ends.is_empty() { vec![before.clone(), after.clone()] } else { ends.to_vec() };
        let files = |at: &Path| snapshot(&at.join("home"));
        let done = ends.iter().rposition(|end| files(end) == files(&after)).expect("neither old nor new");
        let recorded = Recorded { root: world.path().to_owned(), before, log, ends, done };
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

/// Whether parts can have the run's folder each for itself.
pub fn can_be_parted() -> bool {
    Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success())
}

/// Settles one of `of` parts of the states of a recorded run, with the program `settle_states`.
pub fn settle_part(settle_states: &Command, recorded: &Recorded, nth: u64, of: u64) -> Found {
    let json = serde_json::to_string(recorded).unwrap();
    let mut command = Command::new("unshare");
    if can_be_parted() {
        let mount = r#"mount -t tmpfs -o mode=700 tmpfs "$0" && exec "$@""#;
        command.args(["-m", "--propagation", "private", "sh", "-c", mount]).arg(&recorded.root);
        command.arg(settle_states.get_program()).args(settle_states.get_args());
    } else {
        assert_eq!(of, 1, "parts need a folder each");
        command = Command::new(settle_states.get_program());
        command.args(settle_states.get_args());
    }
    for (name, value) in settle_states.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.arg(json).args([nth.to_string(), of.to_string()]).stderr(Stdio::inherit()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "a part ended {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Settles all states of a recorded run, in as many parts at once as there are processors here, and in CI.
pub fn settle(settle_states: &Command, recorded: &Recorded) -> Found {
    let parts = if can_be_parted() { 2 } else { 1 };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..parts)
            .map(|nth| scope.spawn(move || settle_part(settle_states, recorded, nth, parts)))
            .collect();
        running.into_iter().map(|part| part.join().unwrap()).fold(Found::default(), Found::and)
    })
}
