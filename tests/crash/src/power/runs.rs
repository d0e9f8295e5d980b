//! The runs that are recorded, each as a command in a world of its own.

use super::{
    Cut, Shelf, Tree, cut,
    settle::Recorded,
    strace::Threads,
    tree,
    worlds::{acting, snapshot_behind_it},
};
use crate::guarded;
use backout_kit::World;
use std::{collections::BTreeMap, ops::ControlFlow, path::Path, process::Command};

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
    /// A guard of a folder, without a profile, whose installer does well.
    WatchKept,
    /// One whose installer fails, and its way back.
    WatchBackedOut,
    /// A guard that is to be confirmed and is, with the confirmation.
    Confirmed,
    /// One that nobody confirms, and its way back.
    Unconfirmed,
    /// A rollback to a snapshot: files, links, folders and their rights.
    Restore,
    /// A rollback with actions of a plugin.
    Acts,
    /// The undo of one.
    ActsUndone,
}

impl Scenario {
    /// Those that pass every barrier: a commit passes what a rollback does, and so do a restore and a guard's way back; one
    /// that is confirmed passes what other guards do.
    pub const ALL: [Scenario; 7] = [
        Scenario::Rollback,
        Scenario::Undo,
        Scenario::PutBack,
        Scenario::Staging,
        Scenario::Forwards,
        Scenario::Backwards,
        Scenario::Confirmed,
    ];

    /// Every so manyth of its states is settled in a day, all of them of those that everything else is made of: guards have many,
    /// and each state of a run with actions has its plugin's library in it.
    pub fn share(self) -> u64 {
        match self {
            // Few states of a staging wait already: a part of them might miss all of those.
            Scenario::Staging => 1,
            Scenario::Rollback | Scenario::Undo | Scenario::Forwards | Scenario::Backwards => 1,
            Scenario::Commit | Scenario::Kept => 2,
            Scenario::Restore | Scenario::WatchKept | Scenario::Confirmed => 4,
            Scenario::PutBack | Scenario::BackedOut | Scenario::WatchBackedOut | Scenario::Unconfirmed => 8,
            Scenario::Acts | Scenario::ActsUndone => 8,
        }
    }

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
            Scenario::Acts | Scenario::ActsUndone => {
                let world = acting();
                let run = match self {
                    Scenario::Acts => rollback(&world),
                    _ => {
                        world.rollback(&[]).ends(0);
                        world.command(&["undo", "--yes", "--json", "--jobs", "1", "--no-parent"])
                    }
                };
                self.record_all(world, shelf, &by(exe, run))
            }
            Scenario::Restore => {
                let id = snapshot_behind_it(&world);
                let back = ["--from", &format!("snapshot:{id}"), "--no-parent"];
                let back = world.verb_command("rollback", &back);
                let recorded = shelf.record(&world, "restore", &by(exe, back), &[]);
                (world, recorded)
            }
            Scenario::Kept | Scenario::BackedOut | Scenario::WatchKept | Scenario::WatchBackedOut => {
                let code = u8::from(matches!(self, Scenario::BackedOut | Scenario::WatchBackedOut));
                let guard = match self {
                    Scenario::Kept | Scenario::BackedOut => guarded::guard(&world, code),
                    _ => guarded::watch_folder(&world, code),
                };
                self.record_all(world, shelf, &by(exe, guard))
            }
            Scenario::Unconfirmed => {
                let guard = guarded::unconfirmed(&world);
                self.record_all(world, shelf, &by(exe, guard))
            }
            Scenario::Confirmed => {
                let mut shell = guarded::confirmed(&world, exe.get_program());
                for (name, value) in exe.get_envs() {
                    shell.env(name, value.unwrap_or_default());
                }
                self.record_all(world, shelf, &shell)
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

impl Scenario {
    /// Records a command and all that it starts.
    fn record_all(self, world: World, shelf: &Shelf, command: &Command) -> (World, Recorded) {
        let recorded = shelf.record_threads(&world, &format!("{self:?}"), command, &[], Threads::All);
        (world, recorded)
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
    tree::lay_out(&cut.medium.tree(), world.path());
    let command = world.command(&["recover", "--json", "--no-parent"]);
    shelf.record(world, &format!("recover-{name}"), &by(exe, command), &of.ends)
}

/// One state for each record that a cut leaves as the last, as far through the files as it goes.
pub fn last_of_each(recorded: &Recorded) -> BTreeMap<String, Cut> {
    let mut open = BTreeMap::new();
    let _ = cut::every(recorded.disk(), &recorded.calls(), |cut| {
        if let Some(last) = last_record(&cut.medium.tree()) {
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
        if last_record(&cut.medium.tree()).is_some_and(|l| l == last) {
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
