//! A plugin's code in a child: whatever it does there, its host gets an answer or a clean error, and nothing is left.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

mod common;

use backout_host::{HostError, Hosting, Leave, Pinning, Plugins, Spawner};
use backout_kit::{bad, binary::example};
use backout_protocol::message::{Answer, Proposal, Request};
use common::request;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Long enough for whoever answers at all.
const LONG: Duration = Duration::from_secs(120);
/// Not long for somebody who never does.
const SHORT: Duration = Duration::from_secs(2);

/// The C plugin in a folder of its own. A constructor of it makes the file `mark`, if one is named.
fn folder(mark: Option<&Path>) -> TempDir {
    let mark: Vec<String> = mark.iter().map(|mark| format!("-DMARK=\"{}\"", mark.display())).collect();
    folder_of(&mark)
}

/// The same, with other options.
fn folder_of(options: &[String]) -> TempDir {
    let dir = TempDir::new().unwrap();
    bad::compile(&dir.path().join("bad.so"), options);
    dir
}

fn plugins(dir: &TempDir, deadline: Duration) -> Plugins {
    let spawner = Spawner { program: example("backout-host", "serve"), arguments: Vec::new(), deadline };
    Plugins::new([dir.path().to_owned()], Pinning::WhereListed, Hosting::Child(spawner))
}

fn ask(plugins: &Plugins, config: &str) -> Result<Proposal, HostError> {
    plugins.plan(&plugins.find("bad").unwrap(), &request(config))
}

/// What is said of a plugin that gave no answer: its id, what it was doing, and how it ended.
#[track_caller]
fn broken(plugins: &Plugins, config: &str) -> String {
    match ask(plugins, config) {
        Err(HostError::Broken { plugin, what }) if plugin == "bad" => {
            assert!(what.contains("planned component `part`"), "{what}");
            assert!(config == "give-up" || what.contains("bad.so"), "{what}");
            what
        }
        other => panic!("{config}: {other:?}"),
    }
}

/// How many processes have a library of this folder in memory.
fn left_in(dir: &TempDir) -> usize {
    let maps = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("maps")).unwrap_or_default();
    let name = dir.path().to_str().unwrap();
    fs::read_dir("/proc").unwrap().flatten().map(maps).filter(|m| m.contains(name)).count()
}

#[test]
fn an_answer_comes_over_and_what_is_printed_does_not() {
    let dir = folder(None);
    let plugins = plugins(&dir, LONG);
    for config in ["behave", "print-a-little", "read-input", "leave-a-child", "daemonise", "later-fields"] {
        assert_eq!(ask(&plugins, config).unwrap(), Proposal::default(), "{config}");
    }
    assert_eq!(left_in(&dir), 0, "nothing of it runs any more");
}

#[test]
fn however_a_plugin_ends_it_is_said_what_it_did_and_how() {
    let dir = folder(None);
    let patient = plugins(&dir, LONG);
    for (config, said) in [
        ("segfault", "was ended by SIGSEGV"),
        (
            "abort-it",
            "was ended by SIGABRT before it gave an answer; the last it printed: something is wrong",
        ),
        ("overflow", "stack overflow"),
        ("exit-zero", "ended with exit code 0 before it gave an answer"),
        ("exit-at-once", "ended with exit code 3 before it gave an answer"),
        ("close-everything", "before it gave an answer"),
        ("close-and-stay", "closed its answer before it gave an answer"),
        ("forge-garbage", "its process wrote no answer: something else was written there"),
        ("forge-an-answer", "its process wrote no answer: more than one was written"),
        ("give-up", "it returned 1"),
        ("print-without-end", "printed more than"),
        ("allocate-without-end", "was ended by SIG"),
    ] {
        let what = broken(&patient, config);
        assert!(what.contains(said), "{config}: {what}");
    }
    let begun = Instant::now();
    let what = broken(&plugins(&dir, SHORT), "loop");
    assert!(what.contains("no answer within 2 s"), "{what}");
    assert!(begun.elapsed() < LONG);
    assert_eq!(left_in(&dir), 0, "nothing of it runs any more");
    assert_eq!(ask(&patient, "behave").unwrap(), Proposal::default(), "the host goes on");
}

#[test]
fn an_answer_that_is_not_understood_is_refused_with_what_was_asked() {
    let dir = folder(None);
    let plugins = plugins(&dir, LONG);
    for config in ["answer-without-end", "answer-twice", "answer-garbage", "answer-above"] {
        match ask(&plugins, config) {
            Err(HostError::BadAnswer { plugin, why }) => {
                assert!(plugin == "bad" && why.contains("planned component `part`"), "{config}: {why}");
            }
            other => panic!("{config}: {other:?}"),
        }
    }
}

/// What the plugin says to this.
#[track_caller]
fn said(plugins: &Plugins, what: &str, path: &Path) -> String {
    match ask(plugins, &format!("{what} {} .", path.display())) {
        Err(HostError::Failed { failure, .. }) => failure.message,
        Ok(_) => String::new(),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn the_kernel_keeps_a_plugin_from_writing_while_it_plans() {
    let dir = folder(None);
    let plugins = plugins(&dir, LONG);
    let (file, new) = (dir.path().join("file"), dir.path().join("new"));
    fs::write(&file, "untouched").unwrap();
    assert_eq!(said(&plugins, "create", &new), "nothing can be created");
    assert_eq!(said(&plugins, "append", &file), "nothing can be written");
    assert_eq!(said(&plugins, "remove", &file), "nothing can be removed");
    assert_eq!(fs::read_to_string(&file).unwrap(), "untouched");
    assert!(!new.exists());
}

#[test]
fn nothing_but_reading_is_let_through_while_it_plans() {
    let dir = folder(None);
    let plugins = plugins(&dir, LONG);
    let file = dir.path().join("file");
    fs::write(&file, "untouched").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&file).unwrap();
    assert_eq!(said(&plugins, "what-is-let-through", &file), "");
    assert_eq!(said(&plugins, "run-another", &file), "", "nor are its programs let through more");
    let after = fs::metadata(&file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "untouched");
    assert_eq!(
        (after.mode(), after.ctime(), after.ctime_nsec()),
        (before.mode(), before.ctime(), before.ctime_nsec())
    );
}

#[test]
fn what_belongs_to_others_can_be_read_by_root() {
    let dir = folder(None);
    let (folder, file) = (dir.path().join("theirs"), dir.path().join("theirs/file"));
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    // Whoever may give files away is root.
    if [&file, &folder].iter().any(|path| chown(path, Some(12345), Some(12345)).is_err()) {
        return;
    }
    assert_eq!(said(&plugins(&dir, LONG), "look-at", &file), "");
}

#[test]
fn a_plugin_is_asked_nothing_that_came_after_the_messages_it_speaks() {
    let dir = folder(None);
    let plugins = plugins(&dir, LONG);
    let found = plugins.find("bad").unwrap();
    assert_eq!(ask(&plugins, "later-fields").unwrap(), Proposal::default());
    let error = plugins.ask(&found, &Request::Examples, Leave::ReadOnly).unwrap_err();
    let wanted = format!(
        "the plugin `{}` speaks messages up to 1.0; the question for its examples came with 1.1, so it was not asked",
        found.file
    );
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_plugin_of_messages_too_new_or_too_old_is_refused_with_what_helps() {
    for (speaks, said) in
        [("[[9,0],[9,1]]", "a newer backout is needed"), ("[[0,1],[0,9]]", "must be built anew")]
    {
        let mark = TempDir::new().unwrap();
        let mark = mark.path().join("mark");
        let dir = folder_of(&[format!("-DSPEAKS=\"{speaks}\""), format!("-DMARK=\"{}\"", mark.display())]);
        let error = plugins(&dir, LONG).find("bad").unwrap_err();
        assert!(matches!(error, HostError::WrongApi { .. }) && error.to_string().contains(said), "{error}");
        assert!(!mark.exists());
    }
    let dir = folder_of(&["-DSPEAKS=\"[[1,0],[9,1]]\"".to_owned()]);
    assert_eq!(ask(&plugins(&dir, LONG), "behave").unwrap(), Proposal::default(), "it still speaks ours");
}

#[test]
fn who_is_asked_to_act_may_write_and_is_ended_like_anybody_else() {
    let dir = folder(None);
    let file = dir.path().join("new");
    let act = |plugins: &Plugins, config: &str| {
        let request = Request::Plan(Box::new(request(config)));
        plugins.ask(&plugins.find("bad").unwrap(), &request, Leave::Change)
    };
    let patient = plugins(&dir, LONG);
    let answer = act(&patient, &format!("create {} .", file.display())).unwrap();
    assert!(matches!(answer, Answer::Proposal(_)) && file.exists());
    assert!(matches!(act(&plugins(&dir, SHORT), "loop"), Err(HostError::Broken { .. })));
    for left in ["leave-a-child", "daemonise"] {
        assert!(matches!(act(&patient, left), Ok(Answer::Proposal(_))));
        assert_eq!(left_in(&dir), 0, "{left}: nothing of it runs any more");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "what it makes is its own");
}

#[test]
fn code_of_a_library_that_is_not_trusted_does_not_run() {
    let mark = TempDir::new().unwrap();
    let mark = mark.path().join("mark");
    let dir = folder(Some(&mark));
    let library = dir.path().join("bad.so");
    let lock = dir.path().join(backout_host::LOCK_FILE);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let hosts =
        || [plugins(&dir, LONG), Plugins::new([dir.path().to_owned()], Pinning::WhereListed, Hosting::Here)];
    type Change<'a> = &'a dyn Fn(bool);
    let open_file: Change<'_> = &|on| mode(&library, if on { 0o666 } else { 0o644 });
    let open_folder: Change<'_> = &|on| mode(dir.path(), if on { 0o777 } else { 0o700 });
    let pin: Change<'_> = &|on| {
        if on {
            fs::write(&lock, format!("{{ \"bad\": \"{}\" }}", "0".repeat(64))).unwrap();
            mode(&lock, 0o600);
        } else {
            fs::remove_file(&lock).unwrap();
        }
    };
    for host in hosts() {
        for change in [open_file, open_folder, pin] {
            // Found while all was well, asked when it is not.
            let found = host.find("bad").unwrap();
            change(true);
            let refused = host.plan(&found, &request("behave"));
            assert!(
                matches!(refused, Err(HostError::Distrusted { .. } | HostError::Pinned { .. })),
                "{refused:?}"
            );
            assert!(host.find("bad").is_err());
            change(false);
        }
    }
    assert!(!mark.exists(), "its constructor has not run");
    assert_eq!(ask(&hosts()[1], "behave").unwrap(), Proposal::default());
    assert!(mark.exists(), "where it is loaded it does");
}
