//! Words of the doctor: what each file is, where a good copy lies, what a rollback makes of it, and what explains it.

use super::{Said, lines, names, refusal, text};
use backout_engine::advice::Told;
use backout_engine::outlook::{FileFate, FileOutlook, FileState, Finding, GoodCopy, Way};
use backout_protocol::{Notice, notice::Stays};

/// What a rollback has left as it is, though nobody named it.
pub(crate) fn left_out(left: &[&Notice]) -> Said {
    let each: String = left.iter().filter_map(|notice| one_left(notice)).collect();
    Said::new(
        5003,
        format!("what could go back went back; these stay as they are:{each}"),
        "`backout doctor PROFILE` says file by file what is missing; give good copies with `--from dir:PATH` and run \
         it again",
    )
}

fn one_left(notice: &Notice) -> Option<String> {
    match notice {
        Notice::LeftOut { target, why } => Some(format!("\n  `{target}`: {}", stays(why))),
        Notice::ActionLeftOut { component, action } => {
            Some(format!("\n  the action `{action}` of `{component}`: files of that component stay"))
        }
        _ => None,
    }
}

/// The same where nothing went back.
pub(crate) fn nothing_safe(left: &[&Notice]) -> Said {
    let said = left_out(left);
    let message = said.message.replacen(
        "what could go back went back; these stay",
        "nothing was touched: no file can go back, or is still to; these stay",
        1,
    );
    Said { message, ..said }
}

/// Why a file stays.
pub(crate) fn stays(why: &Stays) -> String {
    match why {
        Stays::KeptLocal => "as you said".to_owned(),
        Stays::NoGoodBackup(seen) if seen.is_empty() => "no backup of it was found".to_owned(),
        Stays::NoGoodBackup(seen) => {
            let each = seen.iter().map(|(place, why)| format!("`{place}`: {}", refusal::rejected(why)));
            format!("it has no good backup ({})", each.collect::<Vec<_>>().join("; "))
        }
        Stays::BackupsDiffer => {
            "its good backups differ; `--prefer FILE=COMPONENT` says whose counts".to_owned()
        }
        Stays::NewerOnTop { live, patched } => {
            format!("it is {live}, newer than the patch ({patched}): something was installed on top")
        }
        Stays::Drifted => "somebody edited it since the patch".to_owned(),
    }
}

/// What a file is now.
pub(crate) fn state(state: FileState) -> &'static str {
    match state {
        FileState::Original => "original",
        FileState::Patched => "patched",
        FileState::Newer => "newer",
        FileState::Unknown => "unknown",
        FileState::Missing => "missing",
    }
}

/// Where a good copy lies.
pub(crate) fn copy(copy: &GoodCopy) -> String {
    match copy {
        GoodCopy::Live => "the file itself".to_owned(),
        GoodCopy::Vendor(path) => format!("backup `{path}`"),
        GoodCopy::Folder(path) => format!("given `{path}`"),
        GoodCopy::Snapshot(id) => format!("snapshot {id}"),
        GoodCopy::Nowhere => "none".to_owned(),
    }
}

/// What a rollback makes of a file.
pub(crate) fn fate(fate: &FileFate) -> String {
    match fate {
        FileFate::GoesBack => "goes back".to_owned(),
        FileFate::IsBack => "is back".to_owned(),
        FileFate::GoesAway => "goes away: the patch brought it".to_owned(),
        FileFate::Stays(why) => format!("stays: {}", stays(why)),
        FileFate::NotHere => "not touched".to_owned(),
        FileFate::NobodysTask => "no component rolls it back".to_owned(),
        FileFate::NotReached => "not looked at: a rollback is refused before".to_owned(),
    }
}

/// One file, in one line.
pub(crate) fn file(file: &FileOutlook) -> String {
    let version = file.version.map_or_else(|| "-".to_owned(), |v| v.to_string());
    let path = file.path.to_string();
    format!(
        "  {:<9} {version:<14} {path}; copy: {}; {}",
        state(file.state),
        copy(&file.copy),
        fate(&file.fate)
    )
}

/// The one word for a program.
pub(crate) fn way_id(way: &Way) -> &'static str {
    match way {
        Way::Whole => "whole",
        Way::NothingToDo => "nothing-to-do",
        Way::Part(_) => "part",
        Way::NotAtAll(_) => "not-at-all",
    }
}

/// How far a rollback gets.
pub(crate) fn way(way: &Way, stay: usize) -> String {
    match way {
        Way::Whole => "a rollback is possible: every file can go back".to_owned(),
        Way::NothingToDo => "nothing is left to roll back".to_owned(),
        Way::Part(_) => {
            format!("a rollback is possible in part; files that must stay, marked `stays` above: {stay}")
        }
        Way::NotAtAll(_) if stay > 0 => {
            format!("no rollback is possible; files without a way back, marked `stays` above: {stay}")
        }
        Way::NotAtAll(_) => "no rollback is possible as long as the problem below stands".to_owned(),
    }
}

/// The command with which all of it goes back, where backups alone do not do.
pub(crate) fn through(command: &str) -> String {
    format!("With snapshots all of it goes back: {command}\n")
}

/// A question of the profile that concerns this machine.
pub(crate) fn advice(told: &Told) -> String {
    let (what, help) = (text(&told.text), text(&told.remedy));
    match &told.seen {
        Some(seen) => format!("Seen: {what} ({seen})\n  help: {help}\n"),
        None => format!("Advice: {what}\n  help: {help}\n"),
    }
}

/// What explains the state, and what helps.
pub(crate) fn finding(finding: &Finding) -> (&'static str, String, String) {
    match finding {
        Finding::HalfApplied { component, patched, original } => (
            "half-applied",
            format!(
                "{component}: {patched} files are patched and {original} are as before; a patch, or a rollback by hand, \
                 stopped half-way"
            ),
            "a rollback takes the patched ones back and leaves the others".to_owned(),
        ),
        Finding::PatchedTwice { files } => (
            "patched-twice",
            format!(
                "the backups of these files are patched files themselves, as they are after a second run of the patch:{}",
                lines(files)
            ),
            "they are of no use; give copies from before the patch: a snapshot with `--from snapshot:ID`, or with `--from \
             dir:PATH` files from a backup of the machine or from a machine of the same build"
                .to_owned(),
        ),
        Finding::NewerOnTop { files } => {
            let each: String = files.iter().map(|(place, v)| format!("\n  `{place}` is {v}")).collect();
            (
                "newer-on-top",
                format!("something newer was installed on top of the patch:{each}"),
                "roll that back first, with the profile or the instructions of that patch".to_owned(),
            )
        }
        Finding::Edited { files } => (
            "edited",
            format!("these files are neither as the patch left them nor as they were before it:{}", lines(files)),
            format!(
                "for each of them say `--keep-local PATH` (it stays) or `--overwrite PATH` (it goes back; what it holds \
                 now is kept for `undo`): {}",
                names(files.iter().map(|f| f.rel.clone()))
            ),
        ),
    }
}
