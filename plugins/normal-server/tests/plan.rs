//! What the plugin proposes for folders as they are found.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_normal_server::NormalServer;
use backout_plugin::{
    protocol::{
        HostPath,
        message::{Expect, LeftReason, ListedFile, Need, Proposal, Proposed},
        step::Fate,
    },
    trial::Trial,
};
use std::{fs, path::Path};
use tempfile::TempDir;

const CONFIG: &str = r#"( folder: "ns_home", wait_exit: ["SpntSvc.exe"] )"#;
const PATCHED: &str = "5.80.0.1297";

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, path.to_str().unwrap()).unwrap();
}

fn home(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    files.iter().for_each(|f| touch(&dir.path().join(f)));
    dir
}

fn row(home: &TempDir, name: &str) -> ListedFile {
    ListedFile {
        name: name.to_owned(),
        aliases: Vec::new(),
        folder: HostPath(home.path().to_owned()),
        patched: Some(PATCHED.parse().unwrap()),
        sha256: None,
        before: None,
        added: false,
        removed: false,
    }
}

fn trial(home: &TempDir, names: &[&str]) -> Trial {
    let trial = Trial::new(CONFIG).folded().folder("home", home.path()).folder("ns_home", home.path());
    names.iter().fold(trial, |t, n| t.listed(row(home, n)))
}

/// Targets with their need and the names of their backups.
fn restores(proposal: &Proposal) -> Vec<(String, Need, Vec<String>)> {
    let restore = |step: &Proposed| match step {
        Proposed::RestoreFile { target, need, candidates } => {
            let names = candidates.iter().map(|c| c.place.rel.to_string()).collect();
            Some((target.rel.to_string(), *need, names))
        }
        _ => None,
    };
    proposal.steps.iter().filter_map(restore).collect()
}

fn listed(target: &str, backups: &[&str]) -> (String, Need, Vec<String>) {
    let backups = backups.iter().map(|b| (*b).to_owned()).collect();
    (target.to_owned(), Need::Patched(PATCHED.parse().unwrap()), backups)
}

fn left(proposal: &Proposal) -> Vec<(String, LeftReason)> {
    proposal.left_alone.iter().map(|l| (l.place.rel.to_string(), l.reason.clone())).collect()
}

#[test]
fn both_spellings_of_bak_are_understood_and_folders_below_are_not_looked_into() {
    let home = home(&[
        "StCommon.dll",
        "StCommon.dll.bak",
        "eng50.dll",
        "eng50.bak",
        "LogDb.dll",
        "LogDb.dll.bak",
        "LogDb.bak",
        "sub/TmNotify.dll.bak",
        ".backout-01/StCommon.dll.bak",
    ]);
    let names = ["StCommon.dll", "eng50.dll", "LogDb.dll", "TmNotify.dll"];
    let proposal = trial(&home, &names).plan::<NormalServer>().unwrap();
    assert_eq!(
        restores(&proposal),
        [
            listed("StCommon.dll", &["StCommon.dll.bak"]),
            listed("eng50.dll", &["eng50.bak"]),
            listed("LogDb.dll", &["LogDb.bak", "LogDb.dll.bak"]),
            listed("TmNotify.dll", &[]),
        ]
    );
    assert!(proposal.left_alone.is_empty());
    let consumed = proposal.steps.iter().all(|s| match s {
        Proposed::RestoreFile { candidates, .. } => candidates.iter().all(|c| c.fate == Fate::Consume),
        _ => true,
    });
    assert!(consumed, "a backup goes back under its own name");
}

#[test]
fn names_fold_and_the_live_spelling_stays() {
    let home = home(&["SPNTSVC.EXE", "spntsvc.exe.BAK"]);
    let proposal = trial(&home, &["SpntSvc.exe"]).plan::<NormalServer>().unwrap();
    assert_eq!(restores(&proposal), [listed("SPNTSVC.EXE", &["spntsvc.exe.BAK"])]);
}

#[test]
fn services_are_stopped_then_waited_for_and_started_in_the_same_order() {
    let home = home(&[]);
    let proposal = trial(&home, &["a.dll"]).service("One").service("Two").plan::<NormalServer>().unwrap();
    let (one, two) = ("One".parse().unwrap(), "Two".parse().unwrap());
    let stop = |service| Proposed::StopService { service };
    let start = |service| Proposed::StartService { service };
    let wait = Proposed::WaitExit {
        images: vec!["SpntSvc.exe".to_owned()],
        under: vec![HostPath(home.path().to_owned())],
    };
    assert_eq!(&proposal.steps[..3], [stop(one), stop(two), wait]);
    let (one, two) = ("One".parse().unwrap(), "Two".parse().unwrap());
    assert_eq!(&proposal.steps[4..], [start(one), start(two)]);
}

#[test]
fn a_stem_that_two_listed_files_share_is_left_alone_with_both_names() {
    let home = home(&["Log.dll", "Log.exe", "Log.bak", "Log.exe.bak"]);
    let proposal = trial(&home, &["Log.dll", "Log.exe"]).plan::<NormalServer>().unwrap();
    assert_eq!(restores(&proposal), [listed("Log.dll", &[]), listed("Log.exe", &["Log.exe.bak"])]);
    let both = LeftReason::Ambiguous(vec!["Log.dll".to_owned(), "Log.exe".to_owned()]);
    assert_eq!(left(&proposal), [("Log.bak".to_owned(), both)]);
}

#[test]
fn the_alias_is_taken_where_it_is_what_is_live() {
    let aliased = |home: &TempDir| {
        let row = ListedFile { aliases: vec!["StUpdate_32.exe".to_owned()], ..row(home, "StUpadte_32.exe") };
        trial(home, &[]).listed(row).plan::<NormalServer>().unwrap()
    };
    let live_alias = home(&["StUpdate_32.exe", "StUpadte_32.exe.bak"]);
    assert_eq!(restores(&aliased(&live_alias)), [listed("StUpdate_32.exe", &["StUpadte_32.exe.bak"])]);
    let live_name = home(&["StUpadte_32.exe", "StUpdate_32.bak"]);
    assert_eq!(restores(&aliased(&live_name)), [listed("StUpadte_32.exe", &["StUpdate_32.bak"])]);
    let neither = home(&["StUpdate_32.exe.bak"]);
    assert_eq!(restores(&aliased(&neither)), [listed("StUpdate_32.exe", &["StUpdate_32.exe.bak"])]);
    let nothing = home(&[]);
    assert_eq!(restores(&aliased(&nothing)), [listed("StUpadte_32.exe", &[])]);
    let both = home(&["StUpadte_32.exe", "StUpdate_32.exe", "StUpdate_32.exe.bak"]);
    assert_eq!(
        restores(&aliased(&both)),
        [listed("StUpadte_32.exe", &[]), listed("StUpdate_32.exe", &["StUpdate_32.exe.bak"])]
    );
}

#[test]
fn an_unlisted_backup_is_named_and_taken_along_only_when_asked_for() {
    let home = home(&["custom.ini", "custom.ini.bak", "other.cfg", "other.bak", ".bak"]);
    let proposal = trial(&home, &["a.dll"]).plan::<NormalServer>().unwrap();
    assert_eq!(restores(&proposal), [listed("a.dll", &[])]);
    let unlisted = |name: &str| (name.to_owned(), LeftReason::Unlisted);
    assert_eq!(left(&proposal), [unlisted("custom.ini.bak"), unlisted("other.bak")]);

    let proposal = trial(&home, &["a.dll"]).option("include-unlisted").plan::<NormalServer>().unwrap();
    let custom = ("custom.ini".to_owned(), Need::Unlisted, vec!["custom.ini.bak".to_owned()]);
    assert_eq!(restores(&proposal), [listed("a.dll", &[]), custom]);
    let guess = LeftReason::Ambiguous(vec!["other.cfg".to_owned()]);
    assert_eq!(left(&proposal), [("other.bak".to_owned(), guess)], "only the list tells what a stem is of");
}

#[test]
fn what_is_no_file_is_still_named_so_that_the_engine_can_say_what_is_wrong_with_it() {
    let home = home(&["a.dll", "b.dll"]);
    fs::create_dir(home.path().join("a.dll.bak")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/nowhere", home.path().join("b.dll.bak")).unwrap();
    let proposal = trial(&home, &["a.dll", "b.dll"]).plan::<NormalServer>().unwrap();
    assert_eq!(restores(&proposal)[0], listed("a.dll", &["a.dll.bak"]));
    #[cfg(unix)]
    assert_eq!(restores(&proposal)[1], listed("b.dll", &["b.dll.bak"]));
}

#[test]
fn a_file_the_patch_added_is_taken_away_if_it_still_is_what_the_patch_put_there() {
    let home = home(&["New.dll", "new.txt"]);
    let added = |name, patched: Option<&str>| ListedFile {
        added: true,
        patched: patched.map(|p| p.parse().unwrap()),
        ..row(&home, name)
    };
    let trial = trial(&home, &[]);
    let trial = [("New.dll", Some(PATCHED)), ("new.txt", None), ("gone.dll", Some(PATCHED))]
        .into_iter()
        .fold(trial, |t, (name, version)| t.listed(added(name, version)));
    let proposal = trial.plan::<NormalServer>().unwrap();
    let removed: Vec<_> = proposal
        .steps
        .iter()
        .filter_map(|s| match s {
            Proposed::RemoveFile { target, expect } => Some((target.rel.to_string(), *expect)),
            _ => None,
        })
        .collect();
    assert_eq!(removed, [("New.dll".to_owned(), Expect::Version(PATCHED.parse().unwrap()))]);
    assert_eq!(left(&proposal), [("new.txt".to_owned(), LeftReason::NotExpected)]);
}

#[test]
fn a_folder_set_aside_is_searched_whole_for_every_spelling_and_nothing_in_it_goes_away() {
    let home = home(&["a.dll", "a.dll.bak", "b.dll", "c.exe", "d.dll", "StUpdate_32.exe"]);
    let aside =
        self::home(&["x/A.DLL", "b.dll.bak", "deep/er/c.bak", "StUpadte_32.exe", "else.txt", "else.bak"]);
    let updater = ListedFile { aliases: vec!["StUpdate_32.exe".to_owned()], ..row(&home, "StUpadte_32.exe") };
    let trial = trial(&home, &["a.dll", "b.dll", "c.exe", "d.dll"]).listed(updater).from_dir(aside.path());
    let proposal = trial.plan::<NormalServer>().unwrap();
    assert_eq!(
        restores(&proposal),
        [
            listed("a.dll", &["x/A.DLL"]),
            listed("b.dll", &["b.dll.bak"]),
            listed("c.exe", &["deep/er/c.bak"]),
            listed("d.dll", &[]),
            listed("StUpdate_32.exe", &["StUpadte_32.exe"]),
        ]
    );
    let kept = proposal.steps.iter().all(|s| match s {
        Proposed::RestoreFile { candidates, .. } => {
            candidates.iter().all(|c| c.fate == Fate::Keep && c.place.root.0 == aside.path())
        }
        _ => true,
    });
    assert!(kept);
    assert!(proposal.left_alone.is_empty());
}

#[test]
fn a_folder_set_aside_that_is_not_there_is_said_so() {
    let home = home(&[]);
    let failure = trial(&home, &["a.dll"]).from_dir("/nowhere/at/all").plan::<NormalServer>().unwrap_err();
    assert!(failure.message.contains("/nowhere/at/all"), "{failure:?}");
}

#[test]
fn a_mistake_in_the_configuration_is_said_with_its_place() {
    let failure = Trial::new("( folder: \"ns_home\",\n  fodler: 1 )").plan::<NormalServer>().unwrap_err();
    assert!(failure.message.contains("fodler"), "{failure:?}");
    assert_eq!(failure.at.unwrap().0, 2);
    let failure = Trial::new(CONFIG).plan::<NormalServer>().unwrap_err();
    assert!(failure.message.contains("ns_home"), "{failure:?}");
}
