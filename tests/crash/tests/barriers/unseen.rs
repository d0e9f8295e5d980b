//! Barriers that nothing notices, and why they are there all the same.

use backout_crash::tree;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Barriers whose absence no power cut of these runs shows, each as it stands in the code, and why it is there all the same.
pub(crate) const UNSEEN: [(&str, &str); 19] = [
    (
        "sync aside.rs: folder.sync()",
        "folders of a snapshot: the syncfs before it covers their names on Linux",
    ),
    (
        "sync durable.rs: folder.sync()",
        "the name of the space for a way back: a full disk is to show that it is taken, and a cut takes away no disk's fullness",
    ),
    (
        "sync durable.rs: let synced = taken.and_then(|()| barrier::sync_file(&file).map_err(|e| Error::sync(&path, e)));",
        "the space for a way back, as above",
    ),
    (
        "sync durable.rs: parent.sync()?;",
        "a folder that an earlier run made and did not live to sync: one of the others covers it",
    ),
    (
        "sync mod.rs: live.sync_file_system().map_err(Refusal::Look)?;",
        "what a way back removed and a cut brings back is removed again; behind it the syncs of its run cover it",
    ),
    ("sync reserve.rs: above.sync().map_err(look::refusal)?;", "the space for a way back, as above"),
    (
        "sync stage.rs: folders.iter().try_for_each(|(folder, _)| folder.sync())",
        "folders that hold staging folders: the syncfs before it covers their names on Linux",
    ),
    (
        "sync staging.rs: barrier::sync_file(&file).map_err(|e| Error::sync(&id, e))?;",
        "the marker: the syncfs of staging covers it on Linux",
    ),
    ("sync staging.rs: folder.sync()", "names in staging folders: the syncfs before it covers them on Linux"),
    (
        "sync archive.rs: match durable::rename(from, name, to, name) {",
        "a run that is over may lie in either folder; what a rename holds back is not in these runs",
    ),
    (
        "sync ticket.rs: Preallocated::create(folder, OsStr::new(OPEN), BLOCK as u64).map(drop)",
        "the ticket's name: the syncs of `reserve` cover it, before the installer is let go; its blanks are for a full disk",
    ),
    (
        "sync ticket.rs: ticket.sync()",
        "what is waited for, told twice: the journal's record says it too, and is synced; the ticket is for where that is damaged",
    ),
    (
        "sync ticket.rs: match durable::rename(folder, OsStr::new(OPEN), folder, OsStr::new(name)) {",
        "the decision: `Kept` or `GoingBack` is synced before anybody is told; between the two, those who are refused as too late \
         are told by it, and so is who confirms while nobody takes it up; here nobody does either",
    ),
    (
        "sync holder.rs: let word = Preallocated::create(&folder, OsStr::new(WORD), 2 * BLOCK as u64).map_err(disk)?;",
        "the holder's word: the syncs of `reserve` cover its name; what it writes is synced, and what is not whole counts as let go",
    ),
    (
        "sync tidy.rs: match durable::rename(&transactions, OsStr::new(run.as_str()), &transactions, OsStr::new(&gone)) {",
        "a run that is forgotten is forgotten again; only the recoveries of states come here",
    ),
    (
        "sync writer.rs: durable::rename(folder, spare, folder, OsStr::new(NAME))?;",
        "a recovery's new journal: making the next spare behind it syncs the same folder before anything is acted on; on a full disk, \
         where there is no spare, this is the only one, and no run here has a full disk",
    ),
    (
        "sync writer.rs: Preallocated::create(folder, OsStr::new(SPARE), LENGTH as u64)?;",
        "the spare of a journal: a recovery writes all of it, and makes one where there is none",
    ),
    (
        "sync writer.rs: let file = Preallocated::create(folder, OsStr::new(NAME), LENGTH as u64)?;",
        "the journal's blanks: the sync of its first record covers them, and the full disk is to show; its name: the syncfs of \
         staging, or the syncs of a guard's other files, before anything is changed",
    ),
    (
        "sync writer.rs: if let Err(e) = Preallocated::create(folder, spare, LENGTH as u64) {",
        "the next spare, as above",
    ),
];

/// A barrier as it stands in the code: its line's number changes with every change above it.
pub(crate) fn as_it_stands(barrier: &str) -> String {
    let Some((file, line)) = barrier.strip_prefix("sync ").and_then(|at| at.split_once(':')) else {
        return barrier.to_owned();
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("core");
    let sources = ["disk", "journal", "engine"].map(|c| root.join(c).join("src"));
    let mut sources = sources.iter().flat_map(|folder| tree(folder)).filter(|at| at.ends_with(file));
    let text = |source: &PathBuf| {
        let text = fs::read_to_string(source).ok()?;
        let line = text.lines().nth(line.parse::<usize>().ok()? - 1)?.trim().to_owned();
        ["sync", "rename(", "create("].iter().any(|word| line.contains(word)).then_some(line)
    };
    match sources.find_map(|source| text(&source)) {
        Some(text) => format!("sync {file}: {text}"),
        None => format!("sync {file}"),
    }
}

#[test]
fn every_explanation_is_of_a_line_that_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("core");
    let sources: Vec<PathBuf> =
        ["disk", "journal", "engine"].iter().flat_map(|c| tree(&root.join(c).join("src"))).collect();
    for (barrier, _) in UNSEEN {
        let Some((file, line)) = barrier.strip_prefix("sync ").and_then(|at| at.split_once(": ")) else {
            continue;
        };
        let holds = |source: &&PathBuf| {
            source.ends_with(file)
                && fs::read_to_string(source).is_ok_and(|text| text.lines().any(|l| l.trim() == line))
        };
        assert!(sources.iter().any(|source| holds(&source)), "no line `{line}` in any {file}");
    }
}
