//! The runs that are recorded, each as a command in a world of its own.

use super::{Cut, Shelf, Tree, cut, settle::Recorded, strace::Threads, tree};
use crate::guarded;
use backout_kit::{Run, World, write};
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A rollback.
    Rollback,
    /// The undo of a rollback.
    Undo,
    /// A rollback that is put back, as a probe is not content with what it made.
    PutBack,
    /// A rollback that is staged and left waiting.
    Staging,
    /// The commit of such a one.
    Commit,
    /// A recovery of a rollback that was cut off in the middle of its swaps.
    Forwards,
    /// A recovery of a rollback that was cut off while it was put back.
    Backwards,
    /// A guard of an installer that does well.
    Kept,
    /// A guard of one that fails, and its way back.
    BackedOut,
    /// A rollback to a snapshot: files, links, folders and their rights.
    Restore,
}

impl Scenario {
    /// Those that pass every barrier: a commit passes what a rollback does, and so do a restore and a guard's way back.
    pub const ALL: [Scenario; 7] = [
        Scenario::Rollback,
        Scenario::Undo,
        Scenario::PutBack,
        Scenario::Staging,
        Scenario::Forwards,
        Scenario::Backwards,
        Scenario::Kept,
    ];

    /// Records it, in a world that is returned. `exe`: the binary, with what is in its environment.
    pub fn record(self, shelf: &Shelf, exe: &Command) -> (World, Recorded) {
        let world = World::without_services();
        match self {
            Scenario::Rollback => {
                let recorded = shelf.record(&world, "rollback", &by(exe, rollback(&world)), &[]);
                (world, recorded)
            }
            Scenario::Undo => {
                world.rollback(&[]).ends(0);
                let undo = world.command(&["undo", "--yes", "--json", "--jobs", "1", "--no-parent"]);
                let recorded = shelf.record(&world, "undo", &by(exe, undo), &[]);
                (world, recorded)
            }
            Scenario::PutBack => {
                never_well(&world);
                let recorded = shelf.record(&world, "put-back", &by(exe, rollback(&world)), &[]);
                (world, recorded)
            }
            Scenario::Staging => {
                let stage = world.verb_command("rollback", &["--stage-only", "--no-parent"]);
                let recorded = shelf.record(&world, "staging", &by(exe, stage), &[]);
                (world, recorded)
            }
            Scenario::Commit => {
                world.rollback(&["--stage-only"]).ends(0);
                let commit = world.command(&["commit", "--yes", "--json", "--jobs", "1", "--no-parent"]);
                let recorded = shelf.record(&world, "commit", &by(exe, commit), &[]);
                (world, recorded)
            }
            Scenario::Restore => {
                let id = snapshot_behind_it(&world);
                let back = ["--from", &format!("snapshot:{id}"), "--no-parent"];
                let back = world.verb_command("rollback", &back);
                let recorded = shelf.record(&world, "restore", &by(exe, back), &[]);
                (world, recorded)
            }
            Scenario::Kept | Scenario::BackedOut => {
                let code = u8::from(self == Scenario::BackedOut);
                let guard = guarded::guard(&world, code);
                let name = format!("{self:?}");
                let recorded = shelf.record_threads(&world, &name, &by(exe, guard), &[], Threads::All);
                (world, recorded)
            }
            Scenario::Forwards | Scenario::Backwards => {
                let last = if self == Scenario::Forwards { "Armed" } else { "Undo" };
                if self == Scenario::Backwards {
                    never_well(&world);
                }
                let recorded = shelf.record(&world, &format!("{last}-run"), &rollback(&world), &[]);
                let (_, cut) = middle_of_swaps(&recorded, last);
                let recovered = recovery(shelf, &world, &recorded, &cut, last, exe);
                (world, recovered)
            }
        }
    }
}

/// Records the recovery of a state.
pub fn recovery(
    shelf: &Shelf,
    world: &World,
    of: &Recorded,
    cut: &Cut,
    name: &str,
    exe: &Command,
) -> Recorded {
    tree::lay_out(&cut.tree, world.path());
    let command = world.command(&["recover", "--json", "--no-parent"]);
    shelf.record(world, &format!("recover-{name}"), &by(exe, command), &of.ends)
}

/// One state for each record that a cut leaves as the last, as far through the files as it goes.
pub fn last_of_each(recorded: &Recorded) -> BTreeMap<String, Cut> {
    let mut open = BTreeMap::new();
    let _ = cut::every(recorded.disk(), &recorded.calls(), |cut| {
        if let Some(last) = last_record(&cut.tree) {
            open.insert(last, cut);
        }
        ControlFlow::Continue(())
    });
    open
}

/// Of the states with this last record, one in the middle; and how many there are.
fn middle_of_swaps(recorded: &Recorded, last: &str) -> (usize, Cut) {
    let mut all = Vec::new();
    let _ = cut::every(recorded.disk(), &recorded.calls(), |cut| {
        if last_record(&cut.tree).is_some_and(|l| l == last) {
            all.push(cut);
        }
        ControlFlow::Continue(())
    });
    let count = all.len();
    (count, all.swap_remove(count / 2))
}

/// The last record of the run that is open in this state.
fn last_record(tree: &Tree) -> Option<String> {
    let is_journal = |name: &Path| {
        name.starts_with("state/transactions") && name.file_name().is_some_and(|n| n == "journal")
    };
    let journal = tree.iter().find(|(name, _)| is_journal(name))?.1.data.as_ref()?;
    // Most of the file is blanks, each of them a line end.
    let end = journal.iter().rposition(|b| !matches!(b, b'\n' | 0))?;
    let text = String::from_utf8_lossy(&journal[..=end]);
    let record = text.lines().rfind(|line| line.contains("record:"))?.split("record:").nth(1)?;
    Some(record.chars().take_while(|c| c.is_alphanumeric()).collect())
}

/// A snapshot of the world, which is changed behind it in every way that a snapshot takes back.
fn snapshot_behind_it(world: &World) -> String {
    let live = world.home.join("live");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let link = |to: &str, name: &str| {
        let _ = fs::remove_file(live.join(name));
        symlink(to, live.join(name)).unwrap();
        let then = filetime::FileTime::from_unix_time(1_200_000_000, 7);
        filetime::set_symlink_file_times(live.join(name), then, then).unwrap();
    };
    link("a.conf", "turned");
    link("nowhere", "lost");
    fs::create_dir(live.join("empty")).unwrap();
    let mut create = world.command(&["snapshot", "create", &world.profile]);
    let taken = Run::to_its_end(create.args(world.flags()).arg("--json")).ends(0);
    write(&live.join("b.conf"), "other");
    mode(&live.join("a.conf"), 0o600);
    mode(&live.join("sub"), 0o700);
    mode(&world.home, 0o750);
    link("b.conf", "turned");
    fs::remove_file(live.join("lost")).unwrap();
    link("sub", "came");
    fs::remove_dir(live.join("empty")).unwrap();
    write(&world.home.join("fresh/deep/x"), "x");
    taken.json["data"]["id"].as_str().unwrap().to_owned()
}

fn rollback(world: &World) -> Command {
    world.verb_command("rollback", &["--no-parent"])
}

fn never_well(world: &World) {
    world.write_site(&[], r#"health: [(name: "never well", run: ["/bin/false"])]"#);
}

/// The same call of another binary, with its environment.
fn by(exe: &Command, call: Command) -> Command {
    let mut command = Command::new(exe.get_program());
    command.args(call.get_args());
    for (name, value) in call.get_envs().chain(exe.get_envs()) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
