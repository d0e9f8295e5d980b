//! What the plugin proposes for folders as they are found.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_information_server::InformationServer;
use backout_plugin::{
    protocol::{
        HostPath,
        message::{Expect, LeftReason, ListedFile, Proposal, Proposed},
    },
    trial::Trial,
};
use std::{fs, path::Path};
use tempfile::TempDir;

const CONFIG: &str = r#"( backup: "home/is_backup/filegroup10", to: "is_home", hotfix: "home/HotFix" )"#;

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, path.to_str().unwrap()).unwrap();
}

fn home(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    files.iter().for_each(|f| touch(&dir.path().join(f)));
    dir
}

fn trial(home: &TempDir) -> Trial {
    let row = ListedFile {
        name: "Earthagent.exe".to_owned(),
        aliases: Vec::new(),
        folder: HostPath(home.path().to_owned()),
        patched: Some("5.80.0.1297".parse().unwrap()),
        sha256: None,
        before: None,
        added: false,
        removed: false,
    };
    Trial::new(CONFIG).folded().folder("home", home.path()).folder("is_home", home.path()).listed(row)
}

fn removals(proposal: &Proposal) -> Vec<String> {
    let removal = |step: &Proposed| match step {
        Proposed::RemoveFile { target, expect: Expect::Anything } => Some(target.rel.to_string()),
        Proposed::RemoveFolder { target } => Some(format!("{}/", target.rel)),
        _ => None,
    };
    proposal.steps.iter().filter_map(removal).collect()
}

#[test]
fn every_file_of_the_group_goes_back_under_the_live_spelling() {
    let home = home(&["EarthAgent.exe", "IS_BACKUP/filegroup10/EARTHAGENT.exe", "is_backup2/filegroup10/x"]);
    let proposal = trial(&home).plan::<InformationServer>().unwrap();
    let Proposed::RestoreFile { target, candidates, .. } = &proposal.steps[0] else { panic!("{proposal:?}") };
    assert_eq!(target.rel.to_string(), "EarthAgent.exe");
    assert_eq!(candidates[0].place.rel.to_string(), "IS_BACKUP/filegroup10/EARTHAGENT.exe");
    assert_eq!((proposal.steps.len(), candidates.len()), (1, 1));
    assert!(proposal.notes.is_empty(), "no HotFix, no note");
}

#[test]
fn hotfix_is_only_shown_unless_it_is_to_be_cleared() {
    let home = home(&["EarthAgent.exe", "hotfix/Hotfix.ini", "hotfix/sub/deep/x.dll", "hotfix/sub/y.dll"]);
    fs::create_dir(home.path().join("hotfix/empty")).unwrap();
    let proposal = trial(&home).plan::<InformationServer>().unwrap();
    assert!(removals(&proposal).is_empty() && proposal.keep_clear.is_empty());
    let note = &proposal.notes[0];
    for text in [&note.en, note.ja.as_ref().unwrap()] {
        assert!(
            text.contains("Hotfix.ini, sub/deep/x.dll, sub/y.dll") && text.contains("--clear-hotfix"),
            "{text}"
        );
    }
    assert!(note.en.contains("may deploy"), "an inference is said to be one: {}", note.en);

    let proposal = trial(&home).option("clear-hotfix").plan::<InformationServer>().unwrap();
    assert_eq!(
        removals(&proposal),
        [
            "hotfix/Hotfix.ini",
            "hotfix/sub/deep/x.dll",
            "hotfix/sub/y.dll",
            "hotfix/sub/deep/",
            "hotfix/sub/",
            "hotfix/empty/"
        ]
    );
    let clear: Vec<String> = proposal.keep_clear.iter().map(|p| p.rel.to_string()).collect();
    assert_eq!(clear, ["hotfix"]);
}

#[test]
fn an_empty_hotfix_is_not_worth_a_note() {
    let home = home(&["EarthAgent.exe"]);
    fs::create_dir(home.path().join("HotFix")).unwrap();
    let proposal = trial(&home).option("clear-hotfix").plan::<InformationServer>().unwrap();
    assert!(proposal.notes.is_empty() && removals(&proposal).is_empty());
}

#[cfg(unix)]
#[test]
fn a_link_in_hotfix_stays_and_so_do_the_folders_above_it() {
    let home = home(&["HotFix/a/b/x.dll", "HotFix/c/y.dll"]);
    std::os::unix::fs::symlink("/etc", home.path().join("HotFix/a/link")).unwrap();
    let proposal = trial(&home).option("clear-hotfix").plan::<InformationServer>().unwrap();
    assert_eq!(removals(&proposal), ["HotFix/a/b/x.dll", "HotFix/c/y.dll", "HotFix/c/", "HotFix/a/b/"]);
    assert_eq!(proposal.left_alone[0].reason, LeftReason::NotAFile);
}

#[test]
fn many_names_are_cut_short() {
    let home = home(&[]);
    (0..25).for_each(|n| touch(&home.path().join(format!("HotFix/{n:02}.dll"))));
    let proposal = trial(&home).plan::<InformationServer>().unwrap();
    assert!(proposal.notes[0].en.contains("19.dll and 5 more"), "{}", proposal.notes[0].en);
}
