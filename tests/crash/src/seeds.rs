//! Bugs that somebody might make one day, each as a change of one place in the code, and the suite that must catch it.
//! They are made in a copy of the sources: none of them can reach what is shipped.

/// A bug.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// What would happen to a user.
    pub what: &'static str,
    /// The file, from the workspace's folder.
    pub file: &'static str,
    /// What stands there, once.
    pub right: &'static str,
    /// What stands there instead.
    pub wrong: &'static str,
    /// The suite, as `cargo test` names it.
    pub caught_by: &'static [&'static str],
}

const DISK: &[&str] = &["--package", "backout-disk", "--lib"];
const ENGINE: &[&str] = &["--package", "backout-engine", "--lib"];
const JOURNAL: &[&str] = &["--package", "backout-journal"];
const ROLLBACK: &[&str] = &["--package", "backout-crash", "--test", "power_states", "a_rollback_survives"];
const PUT_BACK: &[&str] = &["--package", "backout-crash", "--test", "power_states", "that_is_put_back"];

/// All of them.
pub const SEEDS: [Seed; 12] = [
    Seed {
        what: "without an exchange the way back leaves the new file in its place",
        file: "core/disk/src/swap.rs",
        right: "if self.staging.stat(&old)?.is_some() {",
        wrong: "if self.staging.stat(&old)?.is_some() && false {",
        caught_by: DISK,
    },
    Seed {
        what: "a file that somebody made meanwhile is replaced",
        file: "core/disk/src/swap.rs",
        right: "os::rename_new(&self.staging.handle, slot, &self.folder.handle, &self.name).map_err(|e| self.fail(e))",
        wrong: "os::rename(&self.staging.handle, slot, &self.folder.handle, &self.name).map_err(|e| self.fail(e))",
        caught_by: DISK,
    },
    Seed {
        what: "a journal's line may stand in another's place",
        file: "core/journal/src/reader.rs",
        right: "if line.seq as usize != reading.lines.len() || line.prev != prev {",
        wrong: "if line.seq as usize != reading.lines.len() && line.prev != prev {",
        caught_by: JOURNAL,
    },
    Seed {
        what: "a journal that is damaged in its middle is taken for one that is torn at its end",
        file: "core/journal/src/reader.rs",
        right: "        if line_at(bytes, at + start).is_some() {",
        wrong: "        if line_at(bytes, at + start).is_none() && start > MAX_LINE {",
        caught_by: JOURNAL,
    },
    Seed {
        what: "a run goes forwards again after it turned back",
        file: "core/journal/src/status.rs",
        right: "(S::Undoing, R::Unswapped) => Ok(S::Unswapped),",
        wrong: "(S::Undoing, R::Unswapped) => Ok(S::Unswapped), (S::Undoing, R::Swapped) => Ok(S::Swapped),",
        caught_by: JOURNAL,
    },
    Seed {
        what: "files are swapped before the record that says so",
        file: "core/engine/src/window.rs",
        right: "        if let Err(failure) = self.record(Record::Armed) {",
        wrong: "        let _ = self.swap_all(Look::Trust);\n        if let Err(failure) = self.record(Record::Armed) {",
        caught_by: ROLLBACK,
    },
    Seed {
        what: "a recovery swaps what is swapped already",
        file: "core/engine/src/recover.rs",
        right: "Ok(()) => self.swap_on(Look::First),",
        wrong: "Ok(()) => self.swap_on(Look::Trust),",
        caught_by: ROLLBACK,
    },
    Seed {
        what: "a run says that its files are back before the medium has them",
        file: "core/engine/src/unwind.rs",
        right: "        self.sync_folders().map_err(|(target, error)| Stuck::target(&target, error))?;\n",
        wrong: "",
        caught_by: PUT_BACK,
    },
    Seed {
        what: "a recovery of a run that had turned back leaves its files new",
        file: "core/engine/src/recover.rs",
        right: "Remedy::PutBack => run.put_back_all(recorded(reading)),",
        wrong: "Remedy::PutBack => run.resume_backwards(recorded(reading)),",
        caught_by: PUT_BACK,
    },
    Seed {
        what: "what a service wrote into a swapped file is lost when the file goes back",
        file: "core/engine/src/swap.rs",
        right: "Turn::Exchange if something && seen.target == swap.after => Backward::Turn,",
        wrong: "Turn::Exchange if something => Backward::Turn,",
        caught_by: ENGINE,
    },
    Seed {
        what: "before-images go with a power cut between the last record and the tidying up",
        file: "core/engine/src/tidy.rs",
        right: "    if !reading.status.is_committed() {\n        drop_staging(&tx)?;",
        wrong: "    if true {\n        drop_staging(&tx)?;",
        caught_by: ROLLBACK,
    },
    Seed {
        what: "a backup that is newer than the patch is taken for an old one",
        file: "core/engine/src/decide.rs",
        right: "        if version > limit {",
        wrong: "        if version < limit {",
        caught_by: ENGINE,
    },
];
