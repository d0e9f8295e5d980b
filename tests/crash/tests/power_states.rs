//! Every state that a power cut can leave behind any system call of a rollback, an undo, a recovery, as far as POSIX
//! promises nothing better, is settled by the real recovery: old or new, nothing else.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests make files, stop at the first surprise and print their figures"
)]

use backout_crash::{
    have_strace,
    power::{
        Cut, Tree, cut,
        settle::{Found, LEFT_OUT, Recorded},
        strace, tree,
    },
};
use backout_kit::{World, snapshot};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// As many at once as there are processors here, and in CI.
const PARTS: u64 = 2;

/// What is kept of a world beside it.
struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(TempDir::with_prefix("backout-shelf-").unwrap())
    }

    /// A copy of the world as it is now.
    fn keep(&self, root: &Path, name: &str) -> PathBuf {
        let at = self.0.path().join(name);
        std::fs::create_dir(&at).unwrap();
        tree::lay_out(&tree::capture(root, &LEFT_OUT), &at);
        at
    }
}

/// Runs a command that settles what it does, and records it. `ends`: what it may come to; empty: what is there before, or
/// after.
fn record(world: &World, shelf: &Shelf, name: &str, command: &Command, ends: &[PathBuf]) -> Recorded {
    let before = shelf.keep(world.path(), &format!("{name}-before"));
    let log = shelf.0.path().join(format!("{name}-calls"));
    let (calls, output) = strace::record(command, &log);
    assert!(
        matches!(output.status.code(), Some(0 | 20)),
        "{name}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    let after = shelf.keep(world.path(), &format!("{name}-after"));
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

/// Settles all states of a recorded run, in parts that each have the run's folder for themselves.
fn settle(recorded: &Recorded) -> Found {
    let json = serde_json::to_string(recorded).unwrap();
    let apart = Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success());
    let parts = if apart { PARTS } else { 1 };
    let part = |nth: u64| {
        let (nth, parts) = (nth.to_string(), parts.to_string());
        let own = [env!("CARGO_BIN_EXE_settle-states"), &json, &nth, &parts];
        let mut command = Command::new(if apart { "unshare" } else { own[0] });
        if apart {
            let mount = r#"mount -t tmpfs -o mode=700 tmpfs "$0" && exec "$@""#;
            command.args(["-m", "--propagation", "private", "sh", "-c", mount]).arg(&recorded.root).args(own);
        } else {
            command.args(&own[1..]);
        }
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..parts).map(part).collect();
    let found = running.into_iter().map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "a part ended {}", output.status);
        serde_json::from_slice::<Found>(&output.stdout).unwrap()
    });
    found.fold(Found::default(), Found::and)
}

fn no_violations(name: &str, found: &Found) {
    let shown: Vec<&String> = found.violations.iter().take(5).collect();
    assert!(shown.is_empty(), "{name}: {} violations, the first:\n{shown:#?}", found.violations.len());
    eprintln!("{name}: {} states, by end {:?}, 0 violations", found.states, found.ends);
}

/// A rollback and its undo, each recorded.
fn rollback_and_undo(world: &World, shelf: &Shelf) -> [Recorded; 2] {
    let command = world.verb_command("rollback", &["--no-parent"]);
    let rollback = record(world, shelf, "rollback", &command, &[]);
    let command = world.command(&["undo", "--yes", "--json", "--jobs", "1", "--no-parent"]);
    [rollback, record(world, shelf, "undo", &command, &[])]
}

#[test]
fn a_rollback_and_its_undo_survive_every_cut() {
    if !have_strace() {
        return;
    }
    let (world, shelf) = (World::without_services(), Shelf::new());
    for (name, recorded) in ["rollback", "undo"].iter().zip(rollback_and_undo(&world, &shelf)) {
        let found = settle(&recorded);
        no_violations(name, &found);
        assert!(found.ends.len() == 2, "{name}: {:?}", found.ends);
    }
}

/// A rollback that is put back, as a probe is not content with what it made.
fn put_back(world: &World, shelf: &Shelf) -> Recorded {
    world.write_site(&[], r#"health: [(name: "never well", run: ["/bin/false"])]"#);
    record(world, shelf, "put-back", &world.verb_command("rollback", &["--no-parent"]), &[])
}

#[test]
fn a_rollback_that_is_put_back_survives_every_cut() {
    if !have_strace() {
        return;
    }
    let (world, shelf) = (World::without_services(), Shelf::new());
    let found = settle(&put_back(&world, &shelf));
    no_violations("put back", &found);
}

#[test]
fn a_recovery_survives_every_cut() {
    if !have_strace() {
        return;
    }
    let (world, shelf) = (World::without_services(), Shelf::new());
    let mut all = Found::default();
    let [rollback, _] = rollback_and_undo(&world, &shelf);
    let other = World::without_services();
    let back = put_back(&other, &shelf);
    // One state for each record that a cut leaves as the last, as far through the files as it goes; those of an undo are
    // the same.
    let mut open: BTreeMap<String, (&World, &Recorded, Cut)> = BTreeMap::new();
    for (world, recorded) in [(&other, &back), (&world, &rollback)] {
        cut::every(recorded.disk(), &recorded.calls(), |cut| {
            if let Some(last) = last_record(&cut.tree) {
                open.insert(last, (world, recorded, cut));
            }
        });
    }
    assert!(open.contains_key("Armed") && open.contains_key("Undo"), "{:?}", open.keys());
    for (last, (world, recorded, cut)) in open {
        tree::lay_out(&cut.tree, world.path());
        let command = world.command(&["recover", "--json", "--no-parent"]);
        let name = format!("recover-{last}");
        all = all.and(settle(&record(world, &shelf, &name, &command, &recorded.ends)));
    }
    no_violations("recover", &all);
}

/// The last record of the run that is open in this state.
fn last_record(tree: &Tree) -> Option<String> {
    let mut journals = tree.iter().filter(|(name, _)| {
        name.starts_with("state/transactions") && name.file_name().is_some_and(|n| n == "journal")
    });
    let text = String::from_utf8_lossy(journals.next()?.1.data.as_ref()?).into_owned();
    let line = text.lines().rfind(|line| line.contains("record:"))?;
    let record = line.split("record:").nth(1)?;
    Some(record.chars().take_while(|c| c.is_alphanumeric()).collect())
}
