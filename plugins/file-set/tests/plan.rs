//! What the plugin proposes for folders as they are found.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_file_set::FileSet;
use backout_plugin::{
    protocol::{
        HostPath,
        message::{LeftReason, ListedFile, Need, Proposal, Proposed},
        step::Fate,
    },
    trial::Trial,
};
use std::{fs, path::Path};
use tempfile::TempDir;

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, path.to_str().unwrap()).unwrap();
}

fn home(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    files.iter().for_each(|f| touch(&dir.path().join(f)));
    dir
}

fn row(folder: &Path, name: &str) -> ListedFile {
    let folder = HostPath(folder.to_owned());
    ListedFile {
        name: name.to_owned(),
        aliases: Vec::new(),
        folder,
        patched: None,
        sha256: None,
        before: None,
        added: false,
        removed: false,
    }
}

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

fn claim(target: &str, need: Need, backups: &[&str]) -> (String, Need, Vec<String>) {
    (target.to_owned(), need, backups.iter().map(|b| (*b).to_owned()).collect())
}

#[test]
fn without_a_list_every_file_goes_back_under_its_relative_path() {
    let home =
        home(&["live/a.conf", "backup/a.conf", "backup/new/deep/d.conf", "backup/.backout-1/x", "else"]);
    let config = r#"( from: "home/backup", to: "home/live", consume: true )"#;
    let proposal = Trial::new(config).folder("home", home.path()).plan::<FileSet>().unwrap();
    assert_eq!(
        restores(&proposal),
        [
            claim("live/a.conf", Need::Listed, &["backup/a.conf"]),
            claim("live/new/deep/d.conf", Need::Listed, &["backup/new/deep/d.conf"]),
        ]
    );
    assert!(
        matches!(&proposal.steps[0], Proposed::RestoreFile { candidates, .. } if candidates[0].fate == Fate::Consume)
    );
}

#[test]
fn with_a_list_only_listed_files_do_and_each_has_its_step() {
    let home = home(&["bin/d", "backup/bin/d", "backup/old/d.conf", "backup/stray"]);
    let config = r#"( from: "home/backup", to: "home", wait_exit: ["d"], wait_under: ["home/bin"] )"#;
    let trial = Trial::new(config).folder("home", home.path());
    let trial = ["bin/d", "etc/d.conf"].into_iter().fold(trial, |t, n| t.listed(row(home.path(), n)));
    let proposal = trial.clone().plan::<FileSet>().unwrap();
    let listed = [
        claim("bin/d", Need::Listed, &["backup/bin/d"]),
        claim("etc/d.conf", Need::Listed, &[]),
        // Its name is listed; the list only presumes where it lies.
        claim("old/d.conf", Need::Listed, &["backup/old/d.conf"]),
    ];
    assert_eq!(restores(&proposal), listed);
    assert_eq!(proposal.left_alone.len(), 1);
    assert_eq!(proposal.left_alone[0].reason, LeftReason::Unlisted);
    let under = vec![HostPath(home.path().join("bin"))];
    assert_eq!(proposal.steps[0], Proposed::WaitExit { images: vec!["d".to_owned()], under });

    let proposal = trial.option("include-unlisted").plan::<FileSet>().unwrap();
    assert_eq!(restores(&proposal)[3], claim("stray", Need::Unlisted, &["backup/stray"]));
    assert!(proposal.left_alone.is_empty());
}

#[test]
fn a_suffix_is_cut_off_and_files_without_it_are_no_backups() {
    let home = home(&["a.conf", "a.conf.orig", "sub/b.conf.orig", ".orig"]);
    let config = r#"( from: "home", to: "home", suffix: ".orig" )"#;
    let proposal = Trial::new(config).folder("home", home.path()).plan::<FileSet>().unwrap();
    assert_eq!(
        restores(&proposal),
        [
            claim("a.conf", Need::Listed, &["a.conf.orig"]),
            claim("sub/b.conf", Need::Listed, &["sub/b.conf.orig"]),
        ]
    );
}

#[test]
fn the_root_of_a_place_is_the_innermost_folder_that_the_profile_knows() {
    let home = home(&["tmi/Backup/x.dll"]);
    let tmi = home.path().join("tmi");
    let config = r#"( from: "home/tmi/Backup", to: "home/tmi" )"#;
    let trial = Trial::new(config).folder("home", home.path()).folder("tmi", &tmi);
    let proposal = trial.plan::<FileSet>().unwrap();
    let Proposed::RestoreFile { target, .. } = &proposal.steps[0] else { panic!("{proposal:?}") };
    assert_eq!((&target.root.0, target.rel.to_string().as_str()), (&tmi, "x.dll"));
}

#[test]
fn a_folder_set_aside_takes_the_backup_folders_place() {
    let live = home(&["a.conf", "sub/b.conf", "backup/a.conf"]);
    let aside = home(&["a.conf", "sub/b.conf"]);
    let config = r#"( from: "home/backup", to: "home", consume: true )"#;
    let trial = Trial::new(config).folder("home", live.path()).from_dir(aside.path());
    let proposal = trial.clone().plan::<FileSet>().unwrap();
    let expected =
        [claim("a.conf", Need::Listed, &["a.conf"]), claim("sub/b.conf", Need::Listed, &["sub/b.conf"])];
    assert_eq!(restores(&proposal), expected);
    for step in &proposal.steps {
        assert!(matches!(step, Proposed::RestoreFile { candidates, .. }
            if candidates[0].fate == Fate::Keep && candidates[0].place.root.0 == aside.path()));
    }
    let proposal = trial.listed(row(live.path(), "sub/b.conf")).plan::<FileSet>().unwrap();
    assert_eq!(restores(&proposal), [claim("sub/b.conf", Need::Listed, &["sub/b.conf"])]);
}

#[test]
fn without_a_list_files_set_aside_may_have_their_own_names_or_end_in_bak() {
    let live = home(&["a.conf", "b.conf", "kept.bak"]);
    let aside = home(&["a.conf.bak", "b.conf", "gone.conf.bak", "kept.bak", "sub/c.conf.bak"]);
    let config = r#"( from: "home/backup", to: "home" )"#;
    let trial = Trial::new(config).folder("home", live.path()).from_dir(aside.path());
    let expected = [
        claim("a.conf", Need::Listed, &["a.conf.bak"]),
        claim("b.conf", Need::Listed, &["b.conf"]),
        claim("gone.conf", Need::Listed, &["gone.conf.bak"]),
        // A file whose own name ends so.
        claim("kept.bak", Need::Listed, &["kept.bak"]),
        claim("sub/c.conf", Need::Listed, &["sub/c.conf.bak"]),
    ];
    assert_eq!(restores(&trial.plan::<FileSet>().unwrap()), expected);

    let live = home(&["a.conf", "a.conf.orig", "b.conf"]);
    let aside = home(&["a.conf.orig", "b.conf"]);
    let config = r#"( from: "home", to: "home", suffix: ".orig" )"#;
    let trial = Trial::new(config).folder("home", live.path()).from_dir(aside.path());
    let expected =
        [claim("a.conf", Need::Listed, &["a.conf.orig"]), claim("b.conf", Need::Listed, &["b.conf"])];
    assert_eq!(restores(&trial.plan::<FileSet>().unwrap()), expected);
}

#[test]
fn a_name_that_two_listed_files_share_is_not_guessed() {
    let live = home(&["a/x.conf", "b/x.conf"]);
    let aside = home(&["x.conf", "deep/a/x.conf"]);
    let config = r#"( from: "home/backup", to: "home" )"#;
    let trial = Trial::new(config).folder("home", live.path()).from_dir(aside.path());
    let trial = trial.listed(row(live.path(), "a/x.conf")).listed(row(live.path(), "b/x.conf"));
    let proposal = trial.plan::<FileSet>().unwrap();
    let expected =
        [claim("a/x.conf", Need::Listed, &["deep/a/x.conf"]), claim("b/x.conf", Need::Listed, &[])];
    assert_eq!(restores(&proposal), expected);
    let both = LeftReason::Ambiguous(vec!["a/x.conf".to_owned(), "b/x.conf".to_owned()]);
    assert_eq!(proposal.left_alone[0].reason, both);
}

#[cfg(unix)]
#[test]
fn links_are_named_and_not_followed() {
    let home = home(&["backup/a", "secret/b"]);
    std::os::unix::fs::symlink(home.path().join("secret"), home.path().join("backup/link")).unwrap();
    let config = r#"( from: "home/backup", to: "home/live" )"#;
    let proposal = Trial::new(config).folder("home", home.path()).plan::<FileSet>().unwrap();
    let targets: Vec<String> = restores(&proposal).into_iter().map(|r| r.0).collect();
    assert_eq!(targets, ["live/a", "live/link"]);
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_survive() {
    use std::os::unix::ffi::OsStrExt;
    let home = home(&["backup/a"]);
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe.conf.bak");
    touch_bytes(&home.path().join("backup").join(odd));
    let config = r#"( from: "home/backup", to: "home/live", suffix: ".bak" )"#;
    let proposal = Trial::new(config).folder("home", home.path()).plan::<FileSet>().unwrap();
    assert_eq!(restores(&proposal), [claim("live/%FF%FE.conf", Need::Listed, &["backup/%FF%FE.conf.bak"])]);
}

#[cfg(unix)]
fn touch_bytes(path: &Path) {
    fs::write(path, "x").unwrap();
}
