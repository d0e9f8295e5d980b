//! The command line, as clap reads it.

use crate::given;
use backout_engine::history::Retention;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::{ffi::OsString, path::PathBuf};

/// Rolls server software back to the state before a patch: all of it or none of it.
#[derive(Debug, Parser)]
#[command(name = "backout", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// This machine's answers (RON).
    #[arg(long, value_name = "FILE", global = true)]
    pub site: Option<PathBuf>,
    /// A variable's value; beats the site file.
    #[arg(long, value_name = "NAME=VALUE", global = true)]
    pub set: Vec<OsString>,
    /// The state folder [default: $BACKOUT_STATE_DIR, else /var/lib/backout].
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// A folder of plugins; may be given more than once [default: `plugins` beside the program].
    #[arg(long, value_name = "DIR", global = true)]
    pub plugin_dir: Vec<PathBuf>,
    /// A folder of profiles; may be given more than once.
    #[arg(long, value_name = "DIR", global = true)]
    pub profile_dir: Vec<PathBuf>,
    /// One result object on standard output; `=stream`: one event a line before it.
    #[arg(long, value_name = "HOW", global = true, num_args = 0..=1, require_equals = true, default_missing_value = "result")]
    pub json: Option<Json>,
    /// Language of messages.
    #[arg(long, value_name = "LANG", global = true, default_value = "en")]
    pub lang: String,
    /// Colours.
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto")]
    pub color: Color,
    /// Say less.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice: everything.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// How many files may be worked on at once.
    #[arg(long, value_name = "N", global = true, default_value_t = 1)]
    pub jobs: u32,
    /// Do not ask. Never overrides a safety check.
    #[arg(long, global = true)]
    pub yes: bool,
    /// Stop, and put everything back, after this many seconds.
    #[arg(long, value_name = "S", global = true)]
    pub timeout: Option<u64>,
    /// Wait this many seconds for another run to end.
    #[arg(long, value_name = "S", global = true, default_value_t = 0)]
    pub lock_timeout: u64,
    /// The caller's own id of this request; the same id again returns the first run's result.
    #[arg(long, value_name = "ID", global = true)]
    pub request_id: Option<String>,
    /// Where a reboot is needed, end with the code that Windows' installers use for it (3010 instead of 30); on Windows only.
    #[arg(long, global = true)]
    pub msi_codes: bool,
    /// Carry the run out in this process, with nobody to settle it if it dies. For tests.
    #[arg(long, global = true, hide = true)]
    pub no_parent: bool,
    /// How many seconds a plugin may take for one answer: 60, and 10 where it is checked, if nothing is said.
    #[arg(long, value_name = "S", global = true)]
    pub plugin_timeout: Option<u64>,
    /// Load no plugin that its folder's `plugins.lock` does not pin.
    #[arg(long, global = true)]
    pub require_pinned: bool,
    /// Run the plugins' code in this process, for a debugger.
    #[arg(long, global = true)]
    pub in_process: bool,
    /// What a parent tells its worker: whether somebody can be asked.
    #[arg(long, value_name = "ASKING", global = true, hide = true)]
    pub worker: Option<Asking>,
}

/// Whether a worker's parent can ask somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asking {
    /// A person at the terminal.
    Terminal,
    /// Nobody.
    Nobody,
}

/// How JSON is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Json {
    /// One object at the end.
    Result,
    /// Events, then the object.
    Stream,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do with a locked file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLocked {
    /// Put everything back.
    #[default]
    Fail,
    /// Replace it at the next reboot.
    Reboot,
}

/// What is asked of a profile.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Wish {
    /// A built-in profile's name, or a `.ron` file.
    pub profile: Option<String>,
    /// Only this component; may be given more than once [default: those found].
    #[arg(long, value_name = "C")]
    pub component: Vec<String>,
    /// Where files come from: `vendor`, `dir:PATH` with files under their own or their `.bak` names, or `snapshot:ID`.
    #[arg(long, value_name = "[COMPONENT=]SOURCE")]
    pub from: Vec<OsString>,
    /// Whose backup counts where several are good and differ.
    #[arg(long, value_name = "TARGET=COMPONENT")]
    pub prefer: Vec<String>,
    /// Roll back what can be, leave the rest and name it; ends 31 if anything stays.
    #[arg(long)]
    pub only_safe: bool,
    /// Leave this file as it is: an absolute path or the end of one; may be given more than once.
    #[arg(long, value_name = "PATH")]
    pub keep_local: Vec<String>,
    /// Roll this file back although somebody edited it since the patch; what it holds is kept for `undo`.
    #[arg(long, value_name = "PATH")]
    pub overwrite: Vec<String>,
    /// Also restore backups of files that the patch's list does not name.
    #[arg(long)]
    pub include_unlisted: bool,
    /// Also set aside what waits in HotFix.
    #[arg(long)]
    pub clear_hotfix: bool,
    /// End processes that outlive their service.
    #[arg(long)]
    pub end_lingering: bool,
    /// Also start services that were found stopped.
    #[arg(long)]
    pub start_all: bool,
    /// What to do with a file that is locked.
    #[arg(long, value_name = "HOW", default_value = "fail")]
    pub on_locked: OnLocked,
}

/// What is asked of a guard.
#[derive(Debug, Clone, Args)]
pub(crate) struct GuardWish {
    /// A built-in profile's name, or a `.ron` file.
    #[arg(required_unless_present = "watch", conflicts_with = "watch")]
    pub profile: Option<String>,
    /// What becomes of a failure: everything goes back to the snapshot, a person is asked, or it stays and ends 31.
    #[arg(long, value_name = "WHAT", default_value = "rollback")]
    pub on_failure: OnFailure,
    /// How many seconds the product may take to be whole and healthy once the installer has ended well.
    #[arg(long, value_name = "S", default_value_t = 120)]
    pub settle: u32,
    /// A code of the installer's that says, as 0 does, that its work is done; may be given more than once.
    #[arg(long, value_name = "CODE", value_parser = given::code, allow_hyphen_values = true)]
    pub good_code: Vec<i32>,
    /// A code of the installer's that says, as 3010 and 1641 do, that a reboot finishes its work; may be given more than once.
    #[arg(long, value_name = "CODE", value_parser = given::code, allow_hyphen_values = true)]
    pub reboot_code: Vec<i32>,
    /// What the snapshot leaves out, as `snapshot create` takes it; may be given more than once.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Say that what the profile asks about is in order, such as `all-servers-5.8`; may be given more than once.
    #[arg(long, value_name = "ID")]
    pub confirm: Vec<String>,
    /// Say what is covered and what is not; run nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Instead of a profile: a folder that goes back; may be given more than once.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub watch: Vec<PathBuf>,
    /// With `--watch`: a service that is to run behind the installer as it does before; may be given more than once.
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "profile")]
    pub service: Vec<String>,
    /// With `--watch`: a key of the registry that goes back, `HKLM\SOFTWARE\Vendor\Product`; may be given more than once.
    #[arg(long, value_name = "KEY", num_args = 1.., conflicts_with = "profile")]
    pub registry: Vec<String>,
    /// Where the work is good: write the profile of what it changed, added and removed to this new file, `NAME.ron`.
    #[arg(long, value_name = "FILE", conflicts_with = "confirm_within")]
    pub learn: Option<PathBuf>,
    /// Take everything back unless `backout confirm` comes within this time, such as `10m`; at most 7 days.
    #[arg(long, value_name = "TIME")]
    pub confirm_within: Option<String>,
    /// Take along data of databases, and files that are open for writing, in folders that are watched. Stop the services
    /// that write to them before.
    #[arg(long, conflicts_with = "profile")]
    pub include_data: bool,
    /// Guard files of packages, or a package manager as the installer. Its records of what is installed are not taken back.
    #[arg(long)]
    pub allow_packaged: bool,
    /// The installer and its arguments.
    #[arg(last = true, required = true, value_name = "INSTALLER")]
    pub installer: Vec<OsString>,
}

/// What becomes of an installer's work that is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// Everything goes back to the snapshot.
    Rollback,
    /// A person is asked; where nobody can be, it stays.
    Ask,
    /// It stays.
    Keep,
}

/// The verb that the holder of an installer is started with.
pub(crate) const GUARD_HOLDER: &str = "guard-holder";

/// The verb that the process is started with that takes back what nobody confirms.
pub(crate) const GUARD_WAITER: &str = "guard-waiter";

/// The verb that the processes of plugins are started with.
pub(crate) const PLUGIN_HOST: &str = "plugin-host";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Is the process that a plugin's code runs in; it is told the rest by whoever has started it.
    #[command(name = PLUGIN_HOST, hide = true)]
    PluginHost,
    /// Shows what a rollback would do; changes nothing.
    Plan {
        #[command(flatten)]
        wish: Wish,
        /// Keep the plan in this file.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// End 2 if changes are pending.
        #[arg(long)]
        detailed_exitcode: bool,
        /// `runbook`: the procedure that does the same by hand on this machine.
        #[arg(long, value_name = "FORM")]
        format: Option<String>,
    },
    /// Takes the product back to the state before the patch.
    Rollback {
        #[command(flatten)]
        wish: Wish,
        /// Only if everything is still as this saved plan says.
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
        /// Prepare everything while the services run and leave it so, for `commit`.
        #[arg(long)]
        stage_only: bool,
        /// Do everything but change anything.
        #[arg(long)]
        dry_run: bool,
    },
    /// Carries out what `rollback --stage-only` has prepared, if everything is still as it was then.
    Commit {
        /// Which run, or as much of its id's beginning as no other has [default: the one that waits].
        id: Option<String>,
        /// Do everything but change anything.
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes a product forward, by a profile that is made for it: changes settings. `undo` takes it back.
    Apply {
        #[command(flatten)]
        wish: Wish,
        /// Only if everything is still as this saved plan says.
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
        /// Do everything but change anything.
        #[arg(long)]
        dry_run: bool,
    },
    /// Settles an unfinished run.
    Recover {
        /// At boot: `files` before the managed services start, `services` when everything else is up; both without.
        #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
        boot: Option<BootPart>,
        /// Give the run up: change no file, keep its records, list every file.
        #[arg(long)]
        abandon: bool,
        /// Call off what waits for a reboot.
        #[arg(long, conflicts_with_all = ["boot", "abandon"])]
        cancel_reboot: bool,
        /// Call off what waits for its `commit`: what was staged is removed.
        #[arg(long, conflicts_with_all = ["boot", "abandon", "cancel_reboot"])]
        cancel_staged: bool,
        /// Say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// What the system's service manager says when it runs the recovery at boot.
        #[arg(long, hide = true)]
        as_service: bool,
    },
    /// Takes a finished rollback back.
    Undo {
        /// Which run [default: the newest finished rollback].
        id: Option<String>,
        /// Only these of its files: absolute paths or the ends of some.
        #[arg(long, value_name = "FILE", num_args = 1..)]
        path: Vec<String>,
        /// Do everything but change anything.
        #[arg(long)]
        dry_run: bool,
    },
    /// Says whether a run is unfinished or under way, and what `recover` would do.
    Status {
        /// Show what the run that is under way does, until it ends.
        #[arg(long)]
        follow: bool,
        /// For an installer that asks without rights: ends 0 unless a run is known to be open.
        #[arg(long, hide = true, conflicts_with = "follow")]
        if_known: bool,
    },
    /// Lists the runs that are over, newest first.
    History {
        #[command(subcommand)]
        verb: Option<HistoryVerb>,
    },
    /// Shows one run: who, when, with what, every file before and after.
    Show {
        /// Its id, or as much of its beginning as no other run has.
        id: String,
    },
    /// Reads which files of the patch are in.
    Verify {
        #[command(flatten)]
        wish: Wish,
        /// End 31 unless every file is as the patch left it, or as before it.
        #[arg(long, value_name = "STATE")]
        expect: Option<Expect>,
        /// Look again until this time has passed, such as `5m`.
        #[arg(long, value_name = "TIME")]
        watch: Option<String>,
    },
    /// Shows what this machine answers to a profile, what each file is and what a rollback makes of it, and what would keep
    /// one from working.
    Doctor {
        #[command(flatten)]
        wish: Wish,
    },
    /// Says which products are here, their builds, and from where they can be taken back. Names no profile.
    Inventory,
    /// The recovery at boot: settles an unfinished run before its services start.
    Boot {
        #[command(subcommand)]
        verb: BootVerb,
    },
    /// Copies this package to where only administrators may change it.
    Install {
        /// Into this folder [default: %ProgramFiles%\\backout, /usr/local/lib/backout].
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Lists, shows and checks profiles.
    Profile {
        #[command(subcommand)]
        verb: ProfileVerb,
    },
    /// Lists plugins.
    Plugin {
        #[command(subcommand)]
        verb: PluginVerb,
    },
    /// Makes a throw-away ServerProtect, rolls it back, verifies, undoes.
    Demo {
        /// Keep the folder.
        #[arg(long)]
        keep: bool,
        /// Make it here.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// The demo's service process.
    #[command(hide = true)]
    DemoService { verb: String, folder: PathBuf, hold: Vec<PathBuf> },
    /// Sets files aside, and looks after what was set aside.
    Snapshot {
        #[command(subcommand)]
        verb: SnapshotVerb,
    },
    /// Runs an installer with a snapshot behind it: its work stays if it is good, and goes back whole if it is not.
    Guard(GuardWish),
    /// Keeps what a guard with `--confirm-within` waits with.
    Confirm {
        /// Which run, or as much of its id's beginning as no other has [default: the one that waits].
        id: Option<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Is the process that takes back what nobody confirms; it is told the rest by whoever has started it.
    #[command(name = GUARD_WAITER, hide = true)]
    GuardWaiter { run: String },
    /// Is the process that holds an installer's processes together; it is told the rest by whoever has started it.
    #[command(name = GUARD_HOLDER, hide = true)]
    GuardHolder { folder: PathBuf },
    /// Not in this version.
    #[command(hide = true)]
    Report(Later),
    /// Not in this version.
    #[command(hide = true)]
    Explain(Later),
}

/// Whatever follows a verb that is not in this version.
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Later {
    /// Anything.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}

/// What of a recovery is done at a moment of the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BootPart {
    /// Both.
    All,
    /// Files alone.
    Files,
    /// The rest.
    Services,
}

/// What every file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expect {
    /// As the patch left it.
    Patched,
    /// As before the patch.
    Before,
}

/// What to do with the history.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryVerb {
    /// Removes runs whose time is over, with what they keep beside their targets. They cannot be undone any more.
    Prune {
        /// The newest runs to keep, however old.
        #[arg(long, value_name = "N", default_value_t = Retention::default().newest)]
        keep: usize,
        /// Keep runs that are younger than so many days, however many.
        #[arg(long, value_name = "N", default_value_t = Retention::default().days)]
        days: u64,
        /// Only say which.
        #[arg(long)]
        dry_run: bool,
    },
}

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotVerb {
    /// Sets aside every file of a product, or of some folders.
    Create {
        /// A built-in profile's name, or a `.ron` file.
        #[arg(required_unless_present = "watch", conflicts_with = "watch")]
        profile: Option<String>,
        /// A folder; may be given more than once.
        #[arg(long, value_name = "DIR", num_args = 1..)]
        watch: Vec<PathBuf>,
        /// What it is called.
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// What is left out: a glob over the path below the root, without `/` over every name; may be given more than once.
        #[arg(long, value_name = "GLOB")]
        exclude: Vec<String>,
        /// With `--watch`: a key of the registry, `HKLM\SOFTWARE\Vendor\Product`; may be given more than once.
        #[arg(long, value_name = "KEY", num_args = 1.., conflicts_with = "profile")]
        registry: Vec<String>,
        /// Only say how much would be set aside.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists them, newest first.
    List,
    /// Shows one: when, of what, every name in it.
    Show {
        /// Its id, or as much of its beginning as no other has.
        id: String,
    },
    /// Says what differs between two, or between one and the machine now.
    Diff {
        /// The earlier one.
        from: String,
        /// The later one [default: the machine now].
        to: Option<String>,
    },
    /// Reads every file that was set aside; ends 31 if one is not as it was.
    Verify {
        /// Which [default: all].
        id: Option<String>,
    },
    /// Keeps one until `unpin`.
    Pin {
        /// Which.
        id: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lets one go by the rule again.
    Unpin {
        /// Which.
        id: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Removes one.
    Drop {
        /// Which.
        id: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

/// What to do with the recovery at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum BootVerb {
    /// Makes this program settle this state folder at boot.
    Install {
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes it away.
    Remove {
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Says whether it is there; ends 31 if it is not.
    Status,
}

/// What to do with profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileVerb {
    /// Lists those built in and those in `--profile-dir`.
    List,
    /// Shows one.
    Show {
        /// Its name or file.
        profile: String,
    },
    /// Reads one, finds its plugins and has each read its configuration.
    Check {
        /// Its name or file.
        profile: String,
    },
    /// Makes a commented profile to fill in.
    New {
        /// The product's name.
        product: String,
        /// Into this file, which is not there yet [default: print it].
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Shows what a profile may say, as a commented profile that says all of it.
    Schema,
}

/// How a schema is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaForm {
    /// A JSON schema.
    JsonSchema,
    /// RON with comments, to be filled in.
    Ron,
}

/// Which plugin is checked, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckPlugin {
    /// The library.
    #[arg(required_unless_present = "list")]
    pub file: Option<PathBuf>,
    /// Only checks whose ids are like this, where `*` stands for anything; may be given more than once.
    #[arg(short, long, value_name = "GLOB")]
    pub test: Vec<String>,
    /// No checks whose ids are like this; may be given more than once.
    #[arg(short = 'x', long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// What is mangled, is mangled from this number [default: another each time].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Show only what is not as it should be.
    #[arg(long)]
    pub only_failed: bool,
    /// Warnings count as failures.
    #[arg(long)]
    pub strict: bool,
    /// List the checks; check nothing.
    #[arg(long)]
    pub list: bool,
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// Lists those that can be seen. Runs none of their code.
    List,
    /// Shows one: who it is, its digest, what it speaks, whether it may be used. Runs none of its code.
    Show {
        /// Its id, or its library.
        plugin: PathBuf,
    },
    /// Shows what a profile may say in `config` of a component of this plugin.
    Schema {
        /// Its id.
        id: String,
        /// `ron`: a stanza to fill in; `json-schema`: for editors and programs.
        #[arg(long, value_name = "FORM", default_value = "ron")]
        format: SchemaForm,
    },
    /// Checks whether a plugin is fit to be used. Runs its code.
    Check(CheckPlugin),
    /// Makes a folder with a plugin that works.
    New {
        /// Its name: the package's, the library's and the plugin's id.
        name: String,
        /// The programming language: `rust` or `c`.
        #[arg(long, value_name = "LANG", default_value = "rust")]
        lang: String,
        /// In this folder [default: here].
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Pins one to the bytes its library has now: with others it is not loaded.
    Trust {
        /// Its library.
        file: PathBuf,
        /// The digest that it must have, as whoever made it says.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes the pin of one away.
    Untrust {
        /// Its id, or its library.
        plugin: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lets one plan on a machine in a file. Changes nothing.
    Plan(PluginPlan),
    /// Writes this machine's answers to a plugin's questions as a fixture.
    Record(PluginRecord),
}

/// What a plugin is to plan, and on which machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct PluginPlan {
    /// Its id, or its library's file.
    pub plugin: String,
    /// The machine: a fixture, such as `plugin record` writes.
    #[arg(long, value_name = "FILE")]
    pub machine: PathBuf,
    /// The component's configuration, as RON in a file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "component"])]
    pub config: Option<PathBuf>,
    /// The profile that holds it.
    #[arg(long, value_name = "PROFILE", requires = "component")]
    pub profile: Option<String>,
    /// The component of the profile.
    #[arg(long, value_name = "C", requires = "profile")]
    pub component: Option<String>,
}

/// What of this machine is recorded.
#[derive(Debug, Clone, Args)]
pub(crate) struct PluginRecord {
    /// The plugin's id.
    pub plugin: String,
    /// The profile.
    #[arg(long, value_name = "PROFILE")]
    pub profile: String,
    /// The component that it plans.
    #[arg(long, value_name = "C")]
    pub component: String,
    /// Into this new file.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_form_is_read() {
        let forms = [
            "plan p --component a --component b -o plan.ron",
            "plan p --detailed-exitcode",
            "rollback p --site s --state-dir d --plugin-dir x --plugin-dir y --profile-dir z --yes --json",
            "rollback --plan plan.ron --dry-run --json=stream",
            "rollback p --set home=/x --from vendor --from a=dir:/x --prefer f=a --include-unlisted --clear-hotfix",
            "rollback p --end-lingering --start-all --on-locked fail --jobs 1 --timeout 5 --lock-timeout 3 -q",
            "rollback p --on-locked reboot --msi-codes",
            "rollback p --only-safe --keep-local a.conf --overwrite /x/b.conf",
            "rollback p --request-id 7 --lang ja --color never -vv",
            "recover",
            "recover --boot",
            "recover --boot=files",
            "recover --abandon",
            "recover --cancel-reboot",
            "recover --cancel-staged",
            "rollback p --stage-only --yes",
            "commit",
            "commit 01jd --dry-run",
            "undo",
            "undo 01jd0000000000000000000000",
            "undo 01jd0000000000000000000000 --path /x/a.conf b.conf --yes",
            "status --json",
            "verify p --expect patched --watch 5m",
            "verify p --expect before",
            "doctor p",
            "install",
            "install --dir /opt/backout",
            "profile list",
            "profile show p",
            "profile check p.ron",
            "plugin list",
            "plugin plan x --machine m.ron",
            "plugin plan ./libx.so --machine m.ron --config c.ron",
            "plugin plan x --machine m.ron --profile p --component c",
            "plugin record x --profile p --component c -o m.ron",
            "history prune",
            "show 01jd",
            "guard p -- setup.exe /quiet",
            "guard p --on-failure keep --settle 30 --exclude *.log --timeout 60 --yes -- setup.exe --json -x",
            "guard --watch /x --service S -- setup",
            "guard --watch /x /y --watch /z --service S T --exclude *.log -- setup -x",
            "snapshot create p",
            "snapshot create p --label before --exclude *.log --exclude cache",
            "snapshot create --watch /x /y --watch /z",
            "snapshot list",
            "snapshot show 01jd",
            "snapshot diff 01jd 01je",
            "snapshot diff 01jd",
            "snapshot verify",
            "snapshot verify 01jd",
            "snapshot pin 01jd",
            "snapshot unpin 01jd",
            "snapshot drop 01jd",
            "rollback p --from snapshot:01jd --from a=snapshot:01jd",
            "report ID -o FILE.html",
            "explain BKO-1001",
            "plugin trust --sha256 00 f --dry-run",
            "plugin untrust x --dry-run",
            "boot install --dry-run",
            "boot remove --dry-run",
            "confirm --dry-run",
            "snapshot create p --dry-run",
            "snapshot pin 01jd --dry-run",
            "snapshot unpin 01jd --dry-run",
            "snapshot drop 01jd --dry-run",
            "plugin show x.so",
            "profile new x",
            "profile schema",
            "plugin check f.so -t plans-* -x huge-* --seed 7 --only-failed --strict --json",
            "plugin check --list",
            "plugin new x --lang c --dir d",
            "plugin schema x --format json-schema",
            "demo --keep",
        ];
        for form in forms {
            let words = std::iter::once("backout").chain(form.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{form}");
        }
    }

    #[test]
    fn every_global_flag_is_read_before_and_behind_every_verb() {
        let global = "--site s --set a=b --set c=d --state-dir d --plugin-dir p --plugin-dir q --profile-dir r \
                      --json --lang en --color never -q -vv --jobs 4 --yes --timeout 5 --lock-timeout 6 --request-id i";
        let wish = "--component a --component b --from vendor --from a=dir:/x --prefer f=a --include-unlisted \
                    --clear-hotfix --end-lingering --start-all --on-locked fail";
        for verb in [
            "plan p -o plan.ron --detailed-exitcode --format ron WISH",
            "rollback p --dry-run WISH",
            "recover --abandon --dry-run",
            "undo 01jd0000000000000000000000 --dry-run",
            "commit 01jd --dry-run",
            "status",
            "verify p --expect before --watch 5m WISH",
            "doctor p WISH",
            "profile list",
            "plugin list",
            "demo --keep --dir d",
        ] {
            let verb = verb.replace("WISH", wish);
            for line in [format!("backout {global} {verb}"), format!("backout {verb} {global}")] {
                let read = Cli::try_parse_from(line.split_whitespace());
                assert_eq!(read.map(|_| ()).map_err(|e| e.to_string()), Ok(()), "{line}");
            }
        }
    }

    #[test]
    fn json_takes_its_form_only_behind_an_equals_sign() {
        let read = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(read("backout status").global.json, None);
        assert_eq!(read("backout status --json").global.json, Some(Json::Result));
        assert_eq!(read("backout status --json=stream").global.json, Some(Json::Stream));
        let undo = read("backout undo --json stream").verb;
        assert!(matches!(undo, Verb::Undo { id: Some(id), .. } if id == "stream"));
    }

    #[test]
    fn what_nobody_documented_is_an_error() {
        for line in [
            "backout",
            "backout nonsense",
            "backout status --nonsense",
            "backout plan p q",
            "backout snapshot create",
            "backout guard p",
            "backout guard p --",
            "backout guard p setup.exe",
            "backout guard p --watch /x -- setup.exe",
            "backout guard p --service S -- setup.exe",
            "backout guard --watch /x setup.exe",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
