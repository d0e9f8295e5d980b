//! Refusals: nothing was touched.

use super::{Said, bytes, failure, lines, names, text, whole};
use backout_engine::{
    Refusal,
    faces::{Cancelled, HostError},
    refusal::{NotUndoable, PathFlag, Trusted, Wanting},
};
use backout_protocol::{Place, RunId, message::Reject, path::encode, plan::PlanDrift, profile::Goes};

/// How a file is made one that only its owner may change.
const OWN_IT: &str = if cfg!(windows) {
    "it must belong to the administrators or to you, and nobody else may change it or a folder above it (`icacls FOLDER \
     /inheritance:r /grant:r *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F`)"
} else {
    "it must belong to root or to you, and neither it nor a folder above it may be writable by others (`chmod go-w`, \
     `chown root`)"
};

/// What is said of a refusal: why, and what state the machine is in.
pub(crate) fn said(refusal: &Refusal) -> Said {
    use Refusal as R;
    let mut said = why(refusal);
    let state = match refusal {
        // These say so themselves, as something had been begun and was taken away again, or was begun by another run.
        R::Unfinished { .. }
        | R::RebootPending { .. }
        | R::CommitPending { .. }
        | R::AwaitsConfirm { .. }
        | R::StillStaged { .. }
        | R::Cancelled(_)
        | R::StageFailed(_)
        | R::BeforeStop(_)
        | R::SourceChanged { .. }
        | R::JournalFailed { .. } => return said,
        R::SnapshotFailed(_) | R::Changing { .. } => "no file of the product was touched",
        R::Locked { .. } | R::ConfirmTooLate { .. } => "this call has touched nothing",
        _ => "nothing was touched",
    };
    // Below a list, not behind its last line.
    let joint = if said.message.contains('\n') { "\n" } else { "; " };
    said.message = format!("{}{joint}{state}", said.message);
    said
}

/// Why, alone: where several are shown at once.
pub(crate) fn why(refusal: &Refusal) -> Said {
    use Refusal as R;
    match refusal {
        R::ProfileNotFound { name, searched } => {
            let places = if searched.is_empty() {
                String::new()
            } else {
                format!(", nor does it lie in {}", names(searched))
            };
            Said::new(
                1001,
                format!("there is no profile `{name}`: it is not built in{places}"),
                "`backout profile list` shows those there are; a profile of your own is named by its `.ron` file",
            )
        }
        R::Unreadable { path, why } => {
            Said::new(1002, format!("`{path}` cannot be read: {why}"), "look at its name and its permissions")
        }
        R::Malformed(e) => Said::new(
            1003,
            format!("{}:{}:{}: {}", e.file, e.line, e.column, e.why),
            "mend the file there; the handbook's page on profile and site has a commented example",
        ),
        R::ProfileInvalid { profile, why } => Said::new(
            1004,
            format!("the profile `{profile}` contradicts itself: {why}"),
            "mend the profile; `backout profile check FILE` looks at it again",
        ),
        R::Distrusted { what, path, why } => {
            Said::new(1005, format!("{} `{path}` is not to be trusted: {why}", trusted(*what)), OWN_IT)
        }
        R::ProgramNotAbsolute { program } => Said::new(
            1006,
            format!("the program `{program}` of a service or probe is not named by an absolute path"),
            "write its whole path into the site file",
        ),
        R::ComponentUnknown { component, known } => Said::new(
            1007,
            format!("the profile has no component `{component}`"),
            format!("it has {}", names(known)),
        ),
        R::ComponentAbsent { component, marker } => {
            let marker = marker.as_ref().map_or_else(String::new, |m| format!(": `{m}` is not there"));
            Said::new(
                1008,
                format!("the component `{component}` is not on this machine{marker}"),
                "leave `--component` out to work on those that are here; `backout doctor PROFILE` shows where it looked",
            )
        }
        R::ComponentNotRestorable { component, why } => Said::new(
            1009,
            format!(
                "nothing rolls the component `{component}` back{}",
                why.as_ref().map_or_else(String::new, |w| format!(": {}", text(w)))
            ),
            "`backout verify PROFILE` shows its files",
        ),
        R::NoListFor { component, machine } => Said::new(
            1010,
            format!(
                "no file list of the component `{component}` is for {}",
                machine.map_or_else(|| "a marker file that is no PE file".to_owned(), |m| m.to_string())
            ),
            "`backout doctor PROFILE` shows what was found",
        ),
        R::NothingPresent { profile } => Said::new(
            1011,
            format!("nothing that the profile `{profile}` rolls back is on this machine"),
            "`backout doctor PROFILE` shows where it looked; give other folders with `--set NAME=FOLDER` or a site file",
        ),
        R::NothingLive { component, variable, value } => Said::new(
            1082,
            format!(
                "none of the files of the component `{component}` is in `{}`, the value of `{variable}` ({}), where its \
                 backups would go",
                value.value,
                super::plan::origin(&value.origin)
            ),
            format!(
                "give the right folder in the site file or with `--set {variable}=FOLDER`; if it is the right one and all is \
                 gone, say both: `--component {component} --set {variable}={}`",
                value.value
            ),
        ),
        R::VariableMissing { variable, about } => Said::new(
            1012,
            format!("the variable `{variable}` ({}) has no value on this machine", text(about)),
            format!("give it with `--set {variable}=FOLDER` or in the site file's `vars`"),
        ),
        R::VariableUnknown { variable, known } => Said::new(
            1013,
            format!("the profile has no variable `{variable}`"),
            format!("it has {}", names(known)),
        ),
        R::VariableNotAbsolute { variable, value } => Said::new(
            1014,
            format!(
                "the value `{value}` of the variable `{variable}` is not an absolute path without `.` and `..`"
            ),
            "give the whole path",
        ),
        R::Plugin(e) => plugin(e),
        R::BadProposal { plugin, why } => Said::new(
            1020,
            format!("the plugin `{plugin}` proposes what it may not: {why}"),
            "that is a bug in the plugin; tell its author",
        ),
        R::TooManyActions { wanted, most } => Said::new(
            1110,
            format!("the plugins want {wanted} actions, and {most} are the most that one run may do"),
            "name fewer components with `--component`, and run it again for the others",
        ),
        R::ActionNotReady { component, action, why } => Said::new(
            1111,
            format!("the action `{action}` of `{component}` cannot be prepared: {why}"),
            "mend that, then run it again",
        ),
        R::UndoActionDrift { component, action } => Said::new(
            1112,
            format!(
                "what the action `{action}` of `{component}` changed is no longer as the run left it, and not as it was \
                 before"
            ),
            "find out who changed it and set it to either by hand, then run it again",
        ),
        R::WrongVerb { profile, goes } => {
            let (to, other, help) = match goes {
                Goes::Forward => (
                    "forward",
                    "back",
                    format!("`backout apply {profile}` does that, `backout undo` takes it back"),
                ),
                Goes::Back => ("back", "forward", format!("`backout rollback {profile}` does that")),
            };
            Said::new(1113, format!("the profile `{profile}` takes its product {to}, not {other}"), help)
        }
        R::SiteServiceUnknown { service, known } => Said::new(
            1022,
            format!("the site file names the service `{service}`, which the profile does not"),
            format!("the profile's services are {}", names(known)),
        ),
        R::ServiceMissing { service, component } => Said::new(
            1023,
            format!("the service `{service}`, which `{component}` must have, is not installed here"),
            "name its unit or its commands in the site file, or leave the component out with `--component`",
        ),
        R::Service(backout_machine::ServiceError::NoManager) => Said::new(
            1025,
            "the site file gives no commands for the services, and no service manager that this version speaks to \
             (systemd, the Windows service manager) runs this machine",
            "name the commands of each service in a site file (`--site FILE`); the handbook's page on profile and site \
             shows how",
        ),
        R::Service(e @ backout_machine::ServiceError::Unholdable { .. }) => {
            Said::new(1094, whole(e), "name another state folder with `--state-dir DIR`")
        }
        R::Service(e @ backout_machine::ServiceError::AtWork { .. }) => {
            Said::new(1096, whole(e), "wait until it has ended, then run it again")
        }
        R::Service(e) => Said::new(
            1024,
            whole(e),
            "look at the service and its commands in the site file; status exits 0 if it runs and 3 if it is stopped",
        ),
        R::NewerOnTop { files } => {
            let each: String = files
                .iter()
                .map(|(place, live, patched)| format!("\n  `{place}` is {live}, the patch is {patched}"))
                .collect();
            Said::new(
                1030,
                format!("something newer was installed on top of the patch:{each}"),
                "roll that back first, with the profile or the instructions of that patch",
            )
        }
        R::NoGoodBackup { wanting } => no_good_backup(wanting),
        R::BackupsDiffer { target, backups } => {
            let each: String = backups
                .iter()
                .map(|b| {
                    let version = b.version.map_or_else(|| "no version".to_owned(), |v| v.to_string());
                    format!("\n  {}: `{}`, {version}, {}", b.component, b.place, b.fingerprint)
                })
                .collect();
            let name = encode(target.rel.name());
            let one = backups.first().map_or_else(String::new, |b| b.component.to_string());
            let mine = backups.iter().all(|b| backups.iter().all(|o| o.component == b.component));
            let help = if mine {
                "set the right one aside in a folder of its own and give that with `--from dir:PATH`"
                    .to_owned()
            } else {
                format!("say whose counts, such as `--prefer {name}={one}`")
            };
            Said::new(1032, format!("`{target}` has good backups that differ:{each}"), help)
        }
        R::PreferUnused { target, component } => Said::new(
            1033,
            format!("`--prefer {target}={component}`: that component has no backup of such a file"),
            "`backout plan PROFILE` shows the files",
        ),
        R::Drifted { targets } => Said::new(
            1140,
            format!(
                "these files were edited since the patch; they are neither as it left them nor as they were before it:{}",
                lines(targets)
            ),
            "say for each `--keep-local PATH` (it stays as it is) or `--overwrite PATH` (it goes back; what it holds now \
             is kept for `undo`)",
        ),
        R::PathUnused { flag, path } => {
            let flag = match flag {
                PathFlag::KeepLocal => "--keep-local",
                PathFlag::Overwrite => "--overwrite",
                PathFlag::Undo => "--path",
            };
            Said::new(
                1141,
                format!("`{flag} {path}` names no file that this run is about"),
                "`backout plan PROFILE` shows the files of a rollback, `backout show ID` those of a run",
            )
        }
        R::NamesFoldAlike { names } => Said::new(
            1034,
            format!("the product takes these names for the same, and all are there:{}", lines(names)),
            "find out which one it uses and move the other away",
        ),
        R::StepsContradict { target } => Said::new(
            1035,
            format!("two components want different things of `{target}`"),
            "roll them back one by one with `--component`",
        ),
        R::MustBeClosed { processes, help } => {
            Said::new(1036, format!("still open: {}", failure::processes(processes)), text(help))
        }
        R::InTheWay { what: Trusted::State, path, of } => Said::new(
            1080,
            format!(
                "the state folder `{path}` lies in `{of}`, whose files are rolled back or read as backups"
            ),
            "give a state folder elsewhere with `--state-dir`",
        ),
        R::InTheWay { what, path, of } => Said::new(
            1081,
            format!(
                "{} `{path}` would itself be changed by this run: `{of}` is one of its targets",
                trusted(*what)
            ),
            "keep it outside of the product's folders and name it there",
        ),
        R::Symlink { path } => {
            let real =
                std::fs::canonicalize(&path.0).map_or_else(|_| String::new(), |r| encode(r.as_os_str()));
            let real = if real.is_empty() { String::new() } else { format!("; it leads to `{real}`") };
            Said::new(
                1040,
                format!("`{path}` is, or leads through, a symbolic link{real}"),
                "backout changes files only under their real paths: give the real folder in the site file or with `--set`",
            )
        }
        R::NotAFile { path } => Said::new(
            1041,
            format!("`{path}` is not a regular file"),
            "find out what put it there and move it away",
        ),
        R::HardLinked { path, links } => Said::new(
            1042,
            format!("`{path}` has {links} names (hard links); replacing one would part it from the others"),
            "find the others with `find / -samefile` and decide; a copy in its place has one name",
        ),
        R::Immutable { path } => Said::new(
            1043,
            format!("`{path}` is immutable or append-only"),
            "find out why, then `chattr -i -a` it",
        ),
        R::MountPoint { path } => Said::new(
            1044,
            format!("`{path}` is a mount point of its own"),
            "unmount it, or change the file where it comes from",
        ),
        R::MountGone { path } => Said::new(
            5195,
            format!(
                "`{path}` was a volume of its own when the snapshot was taken, and nothing is mounted on it now"
            ),
            "mount it again",
        ),
        R::ReadOnly { path } => {
            Said::new(1045, format!("`{path}` lies on a read-only file system"), "mount it writable")
        }
        R::FolderMissing { path } => Said::new(
            1046,
            format!("the folder `{path}` is not there"),
            "give the right one in the site file or with `--set`; `backout doctor PROFILE` shows where each came from",
        ),
        R::NoRights { path } => Said::new(
            1047,
            format!("you may not do this to `{path}`"),
            "run backout as root, or as the owner of the files",
        ),
        R::NoSpace { folder, needed, available } => Said::new(
            1048,
            format!(
                "there is not enough free space on the file system of `{folder}`: {} needed, {} free",
                bytes(*needed),
                bytes(*available)
            ),
            "free some, and run it again",
        ),
        R::BootManager { why } => Said::new(
            1092,
            format!("the recovery at boot cannot be changed: {why}"),
            "mend that and run it again; without it, run `backout recover` by hand after a power cut",
        ),
        R::BootElsewhere { state } => Said::new(
            1093,
            format!("the recovery at boot is installed for the state folder `{state}`"),
            "run `backout boot remove` with that `--state-dir` first, if nobody needs it any more",
        ),
        R::NotAPackage { folder, why } => Said::new(
            1101,
            format!("there is nothing to install in `{folder}`: {why}; nothing was touched"),
            "unpack the whole package and run the program in it: `backout install`",
        ),
        R::PackageSpoilt { file, why } => Said::new(
            1102,
            format!("`{file}` is not as the package was made: {why}; nothing was installed"),
            "get the package again, compare its digest, and unpack it into an empty folder",
        ),
        R::InstallFailed { path, why } => Said::new(
            1103,
            format!("`{path}` cannot be installed: {why}; what was installed before it stays, whole"),
            "mend that and run `backout install` again; it goes on where it was",
        ),
        R::HeldElsewhere { path } => Said::new(
            1091,
            format!("`{path}` holds services back and was not written for this state folder"),
            "look at the state folder that it names: run `backout recover` with that `--state-dir`; or remove the file if nobody needs it",
        ),
        R::ForeignRun { folder, run, state } => {
            let state = state.as_ref();
            Said::new(
                1049,
                format!(
                    "`{folder}` belongs to the run {run} of {}, which is not known to be over",
                    state.map_or_else(
                        || "another state folder".to_owned(),
                        |s| format!("the state folder `{s}`")
                    )
                ),
                state.map_or_else(
                    || "find out who left it".to_owned(),
                    |s| format!("settle it with `backout recover --state-dir {s}`"),
                ),
            )
        }
        R::StateTooNew { path, found } => Said::new(
            1050,
            format!(
                "the state folder `{path}` was written by a newer backout (format {}.{})",
                found.0, found.1
            ),
            "use that backout",
        ),
        R::State { path, why } => Said::new(
            1051,
            format!("the state folder `{path}` cannot be used: {why}"),
            "mend it, or give another one with `--state-dir`",
        ),
        R::DatabaseFiles { .. }
        | R::OpenForWriting { .. }
        | R::Packaged { .. }
        | R::PackageManager { .. } => super::delicate::refused(refusal),
        R::CannotLearn { path, why } => super::guard::learn::refused(path, why),
        R::NoInstaller { .. } | R::NoHolder { .. } => super::guard::refused(refusal),
        R::NotWatchable { .. } | R::WatchedServiceUnknown { .. } => super::guard::refused(refusal),
        R::Unfinished { run } => Said::new(
            3001,
            format!("the run {run} is unfinished, so nothing new is begun"),
            "`backout status` shows where it stands; `backout recover` settles it",
        ),
        R::Locked { pid } => Said::new(
            1053,
            format!(
                "another backout{} is working on this state folder",
                pid.map_or_else(String::new, |p| format!(" (process {p})"))
            ),
            "wait until it is done, or let backout wait with `--lock-timeout SECONDS`",
        ),
        R::PlanStale { drift } => Said::new(
            1054,
            format!(
                "the saved plan no longer fits this machine: {}",
                drift.iter().map(drifted).collect::<Vec<_>>().join("; ")
            ),
            "make a new one with `backout plan -o FILE`, look at it, and run that",
        ),
        R::InUse { path, holders } => Said::new(
            1077,
            format!("`{path}` is in use, and nobody else may read it{}", failure::held(holders)),
            "end that program or stop its service, and run it again",
        ),
        R::TooDeep { path, most } => Said::new(
            5194,
            format!("`{path}` lies below more than {most} folders, and nothing here goes deeper"),
            "move what lies so deep elsewhere, or leave it out (`--exclude GLOB` where a snapshot is taken); then run it again",
        ),
        R::Look(e) => Said::new(1055, e.to_string(), "look at that file and its permissions"),
        R::Cancelled(why) => Said::new(
            1056,
            format!("{} before any service was stopped; what was staged is removed", cancelled(*why)),
            "run it again",
        ),
        R::StageFailed(e) if e.kind == backout_disk::ErrorKind::NoSpace => Said::new(
            1057,
            format!("no space is left while staging: {e}; what was staged is removed"),
            "free some space, and run it again",
        )
        .at("stage"),
        R::StageFailed(e) => Said::new(
            1058,
            format!("staging failed: {e}; what was staged is removed"),
            "look at that file, and run it again",
        )
        .at("stage"),
        R::BeforeStop(e) => {
            let inner = failure::said(e);
            Said {
                code: 1059,
                message: format!("{}; no service was stopped and no file was changed", inner.message),
                ..inner
            }
        }
        R::SourceChanged { source } => Said::new(
            1060,
            format!("the backup `{source}` changed while it was staged; what was staged is removed"),
            "find out who writes to it, and run it again",
        )
        .at("stage"),
        R::JournalFailed { why } => Said::new(
            1061,
            format!("the journal cannot be written: {why}; no service was stopped and no file was changed"),
            "look at the file system of the state folder",
        ),
        R::MovedAtBoot { path } => Said::new(
            1076,
            format!(
                "`{path}` is moved, replaced or removed at the next boot, as an installer has left it to the system"
            ),
            "reboot, then run it again",
        ),
        R::NothingToUndo => Said::new(
            1062,
            "there is no finished rollback that could be undone",
            "`backout status` shows what there is",
        ),
        R::RunUnknown { run } => Said::new(
            1063,
            format!("no finished run has the id `{run}`"),
            "ids are in the state folder's `history`",
        ),
        R::RunNotUndoable { run, why } => {
            let help = match why {
                NotUndoable::Damaged(_) => {
                    "`backout history` lists the runs; to take back an older one all the same, name it: `backout undo ID`"
                }
                _ => "to go back again, run `backout rollback`",
            };
            let why = match why {
                NotUndoable::UndoneBy(by) => format!("the run {by} has undone it"),
                NotUndoable::RolledBack => "it was put back itself".to_owned(),
                NotUndoable::IsAnUndo => "it is an undo".to_owned(),
                NotUndoable::Damaged(what) => format!("its records cannot be read: {what}"),
            };
            Said::new(1064, format!("the run {run} cannot be undone: {why}"), help)
        }
        R::UndoDrift { targets, on_top } => undo_drift(targets, on_top),
        R::BeforeImageLost { target } => Said::new(
            1066,
            format!("what `{target}` was before the run is no longer kept, or has changed"),
            "bring it back from a backup of your own",
        ),
        R::NoDelayedMoves => Said::new(
            1072,
            "`--on-locked reboot` is for Windows: here a file in use is replaced all the same",
            "run it again without `--on-locked reboot`",
        ),
        R::RebootNotSettled => Said::new(
            1073,
            "nothing settles a run at boot, so no file can be left to the next reboot",
            "run `backout boot install`, then this again; or run it without `--on-locked reboot`",
        ),
        R::NoRebootPending { run } => {
            Said::new(1074, format!("the run {run} does not wait for a reboot"), "run `backout recover`")
        }
        R::RebootPending { run } => Said::new(
            3003,
            format!("the run {run} waits for a reboot, which replaces its files; nothing new is begun"),
            "reboot; or run `backout recover --cancel-reboot`",
        ),
        R::SnapshotUnknown { .. }
        | R::SnapshotDamaged { .. }
        | R::SnapshotTooNew { .. }
        | R::SnapshotKept { .. }
        | R::SnapshotElsewhere { .. }
        | R::SnapshotCannot { .. }
        | R::SnapshotFailed(_)
        | R::Changing { .. }
        | R::Registry(_)
        | R::SettingUnread { .. }
        | R::BadGlob { .. } => super::snapshot::refused(refusal),
        R::NotFit { .. } | R::ConfirmsNothing { .. } => super::guard::unfit(refusal),
        R::AwaitsConfirm { .. }
        | R::NothingAwaits
        | R::ConfirmUnknown { .. }
        | R::AwaitsNothing { .. }
        | R::ConfirmTooLate { .. }
        | R::NoWaiter { .. } => super::confirm::refused(refusal),
        R::CommitPending { .. }
        | R::NothingStaged
        | R::CommitUnknown { .. }
        | R::CommitOver { .. }
        | R::NoCommitPending { .. }
        | R::StagedDrift { .. }
        | R::StagedStale { .. }
        | R::StillStaged { .. }
        | R::StagedSpoilt { .. } => super::staged::refused(refusal),
        R::NotConfirmed => Said::new(
            1067,
            "there is no terminal to ask on, and `--yes` was not given",
            "look at `backout plan PROFILE`, then run it with `--yes`",
        ),
        R::Declined => Said::new(1068, "not done, as you said", "run it again when it suits you"),
        _ => Said::new(1099, format!("refused: {refusal:?}"), "tell the developers"),
    }
}

/// What is said of a saved plan that can no longer be planned at all.
pub(crate) fn stale(why: &Refusal) -> Said {
    let inner = said(why);
    Said {
        code: 1070,
        message: format!("the saved plan no longer fits this machine: {}", inner.message),
        ..inner
    }
}

fn trusted(what: Trusted) -> &'static str {
    match what {
        Trusted::Profile => "the profile",
        Trusted::Site => "the site file",
        Trusted::Plan => "the saved plan",
        Trusted::Program => "the program",
        Trusted::State => "the state folder",
        Trusted::Backups => "the folder of backups",
        Trusted::Plugins => "the plugin or folder of plugins",
    }
}

pub(crate) fn cancelled(why: Cancelled) -> &'static str {
    match why {
        Cancelled::Asked => "stopped by the operator",
        Cancelled::Deadline => "out of time (`--timeout`)",
    }
}

fn plugin(error: &HostError) -> Said {
    match error {
        HostError::NotFound { id, searched } => Said::new(
            1015,
            format!("no plugin `{id}` is in {}", names(searched)),
            "give the folder that holds it with `--plugin-dir`; `backout plugin list` shows those that can be seen",
        ),
        HostError::Distrusted { file, why } => Said::new(
            1016,
            format!("the plugin `{file}` is not to be trusted: {why}; none of its code ran"),
            "it must belong to root or to you, and neither it nor a folder above it may be writable by others",
        ),
        HostError::Unfit { file, why } => Said::new(
            1017,
            format!("the plugin `{file}` does not fit this backout: {why}"),
            "install the plugin of this version",
        ),
        HostError::Broken { plugin, why } => Said::new(
            1018,
            format!("the plugin `{plugin}` broke: {why}"),
            "that is a bug in the plugin; tell its author",
        ),
        HostError::Failed { plugin, failure } => Said::new(
            1019,
            format!(
                "the plugin `{plugin}` cannot plan: {}{}",
                failure.message,
                failure
                    .at
                    .map_or_else(String::new, |(l, c)| format!(" (line {l}, column {c} of its config)"))
            ),
            "mend the component's `config` in the profile, or what the message names",
        ),
        _ => Said::new(1098, format!("a plugin cannot be used: {error:?}"), "tell the developers"),
    }
}

fn undo_drift(targets: &[Place], on_top: &[(Place, RunId)]) -> Said {
    let by = |target: &Place| on_top.iter().find(|(place, _)| place == target).map(|(_, run)| run);
    let each = |target: &Place| match by(target) {
        Some(run) => format!("\n  `{target}`: the run {run} changed it later"),
        None => format!("\n  `{target}`"),
    };
    let each: String = targets.iter().map(each).collect();
    let message = format!("these files are neither as the run left them nor as they were before it:{each}");
    let help = match on_top.iter().map(|(_, run)| run).max() {
        // The newest first: it may itself lie on others.
        Some(run) => format!(
            "undo what was done later first, such as `backout undo {run}`; or take back only other files with `--path`"
        ),
        None => "find out who changed them; put them as they were after the run, and undo again; or take back only other \
                 files with `--path`"
            .to_owned(),
    };
    Said::new(1065, message, help)
}

fn no_good_backup(wanting: &[Wanting]) -> Said {
    let mut message = "these files are patched and have no good backup:".to_owned();
    let mut others = std::collections::BTreeSet::new();
    for want in wanting {
        message.push_str(&format!("\n  `{}` ({})", want.target, want.component));
        if want.rejected.is_empty() {
            message.push_str(": no backup was found");
        }
        for (place, reject) in &want.rejected {
            message.push_str(&format!("\n    `{place}`: {}", rejected(reject)));
        }
        others.extend(want.elsewhere.clone());
    }
    let also: String =
        others.iter().map(|c| format!("`--component {c}` has a good one for some of them; ")).collect();
    let help = format!(
        "{also}if the patch was run more than once, give the files you set aside yourself with `--from dir:PATH`, or a snapshot with \
         `--from snapshot:ID`"
    );
    Said::new(1031, message, help)
}

/// Why a backup is none.
pub(crate) fn rejected(reject: &Reject) -> String {
    match reject {
        Reject::Missing => "it is not there".into(),
        Reject::Unreadable(why) => format!("it cannot be read: {why}"),
        Reject::NotAFile => "it is not a regular file".into(),
        Reject::Symlink => "it is, or leads through, a symbolic link".into(),
        Reject::Empty => "it is empty".into(),
        Reject::CutShort => "it is cut short".into(),
        Reject::EqualsLive => "it is the live file itself, byte for byte".into(),
        Reject::Patched(v) => format!("it is patched itself ({v})"),
        Reject::Newer(v) => format!("it is newer than the patch ({v})"),
        Reject::NotPe => "it is no PE file, as the file it would replace is".into(),
        Reject::WrongMachine(m) => format!("it is made for another machine type ({m})"),
    }
}

pub(super) fn drifted(drift: &PlanDrift) -> String {
    match drift {
        PlanDrift::Profile => "the profile is another".into(),
        PlanDrift::Plugin(id) => format!("the plugin `{id}` is another"),
        PlanDrift::Service(name) => format!("the service `{name}` is in another state"),
        PlanDrift::Target(target) => format!("`{target}` has changed"),
        PlanDrift::Setting(name) => format!("`{name}` is set in another way"),
        PlanDrift::Action(name) => format!("the action {name} is another"),
        PlanDrift::Site => "folders, commands, waiting times or probes have changed".into(),
        PlanDrift::Order => "the order of the steps has changed".into(),
        PlanDrift::Tool => "it was made by another version of backout, or for another purpose".into(),
    }
}
