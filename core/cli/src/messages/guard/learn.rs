//! Words about profiles that are learned from what an installer changed.

use crate::messages::{Said, names};
use backout_engine::learn::{Written, target::Cannot};
use backout_protocol::{HostPath, Notice, notice::NotLearned};
use serde_json::{Value, json};

/// So many names are told; the profile has all of them.
const SHOWN: usize = 8;

/// That no profile can be written to this file.
pub(crate) fn refused(path: &HostPath, why: &Cannot) -> Said {
    match why {
        Cannot::Exists => Said::new(
            5210,
            format!("`{path}` is there already, and a learned profile replaces nothing"),
            "name a new file with `--learn`, or move that one away",
        ),
        Cannot::Folder(why) => Said::new(
            5211,
            format!("no profile can be written to `{path}`: {why}"),
            "name a file with `--learn` in a folder that is there and that you may write to",
        ),
        Cannot::Name => Said::new(
            5212,
            format!("`{path}` is no name of a profile's file"),
            "name it NAME.ron, where NAME has only A-Z a-z 0-9 . _ - and begins with no dot",
        ),
        Cannot::Covered(folder) => Said::new(
            5213,
            format!(
                "`{path}` lies in `{folder}`, where the installer's changes or backout's own records are"
            ),
            "name a file with `--learn` elsewhere",
        ),
    }
}

/// Warnings.
pub(crate) fn warned(notice: &Notice) -> (u16, String) {
    match notice {
        Notice::LearnedWithout { file, names } => {
            (5220, format!("`{file}` has as comments alone what no profile can say, of {}", some(names)))
        }
        Notice::LearnedNoBackups { file, files } => (
            5221,
            format!(
                "the installer left no backups of {files} of the files in `{file}`: another machine goes back by `--from snapshot:ID` of its own, taken before the patch, or `--from dir:FOLDER` with good copies"
            ),
        ),
        Notice::LearnedNoData { file, names } => (
            5222,
            format!("`{file}` has as comments alone what looks like data and is in no list: {}", some(names)),
        ),
        Notice::NotLearned { file, why: NotLearned::NotGood } => {
            (5223, format!("no profile was written to `{file}`: the installer's work is not good"))
        }
        Notice::NotLearned { file, why: NotLearned::Nothing } => (
            5224,
            format!("no profile was written to `{file}`: the installer changed nothing that one could say"),
        ),
        Notice::NotLearned { file, why: NotLearned::Failed { why } } => (
            5225,
            format!(
                "no profile was written to `{file}`: {why}. The installer's work is kept all the same; `backout snapshot diff ID` shows what it changed, and after `backout undo` it can be guarded again"
            ),
        ),
        other => (5226, format!("{other:?}")),
    }
}

fn some(all: &[HostPath]) -> String {
    let more = all.len().saturating_sub(SHOWN);
    let shown = names(all.iter().take(SHOWN));
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// That a profile was written.
pub(crate) fn written(written: &Written) -> String {
    let counts = &written.counts;
    let (changed, added, removed) = (counts.changed, counts.added, counts.removed);
    format!(
        "learned: {changed} files changed, {added} added, {removed} removed; the profile is `{}`, look it through before you use it elsewhere",
        written.file
    )
}

/// The same for programs.
pub(crate) fn data(written: &Written) -> Value {
    let counts = &written.counts;
    json!({
        "file": written.file,
        "changed": counts.changed,
        "added": counts.added,
        "removed": counts.removed,
        "without_backup": counts.without_backup,
    })
}
