//! Real libraries, found, checked, loaded and called.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

mod common;

use backout_host::{HostError, Hosting, LOCK_FILE, Pinning, Plugins};
use backout_protocol::{
    HostPath,
    abi::API,
    message::{Need, Proposal, Proposed},
};
use common::request;
use std::{
    collections::BTreeMap,
    env::consts::DLL_SUFFIX,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};
use tempfile::TempDir;

/// The libraries under test by target name, built once with the same cargo and into the same folder as this test.
fn built(name: &str) -> PathBuf {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let all = BUILT.get_or_init(|| {
        let mut all = BTreeMap::new();
        let targets: [&[&str]; 2] = [
            &["-p", "backout-file-set", "-p", "backout-normal-server"],
            &["-p", "backout-host", "--example", "rude", "--example", "alien"],
        ];
        for targets in targets {
            let mut build = Command::new(env!("CARGO"));
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            build.args(["build", "--quiet", "--message-format=json"]).args(targets).stdin(Stdio::null());
            let output = build.stderr(Stdio::inherit()).output().unwrap();
            assert!(output.status.success(), "the plugins must build");
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                let message: serde_json::Value = serde_json::from_str(line).unwrap();
                let Some(files) = message["filenames"].as_array() else { continue };
                let library = files.iter().filter_map(|f| f.as_str()).find(|f| f.ends_with(DLL_SUFFIX));
                let name = message["target"]["name"].as_str().unwrap().to_owned();
                all.extend(
                    library.filter(|_| message["reason"] == "compiler-artifact").map(|l| (name, l.into())),
                );
            }
        }
        all
    });
    all.get(name).unwrap_or_else(|| panic!("`{name}` is not among {:?}", all.keys())).clone()
}

/// A plugin folder with copies of these libraries: (target name, file name without suffix).
fn folder(libraries: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (library, name) in libraries {
        let to = dir.path().join(format!("{name}{DLL_SUFFIX}"));
        fs::copy(built(library), &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o644)).unwrap();
    }
    dir
}

fn plugins(dirs: &[&TempDir]) -> Plugins {
    Plugins::new(dirs.iter().map(|d| d.path().to_owned()), Pinning::WhereListed, Hosting::Here)
}

fn ask_rude(config: &str) -> Result<Proposal, HostError> {
    let dir = folder(&[("rude", "rude")]);
    let plugins = plugins(&[&dir]);
    plugins.plan(&plugins.find("rude").unwrap(), &request(config))
}

/// Whether the library is in this process's memory.
fn is_loaded(path: &Path) -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().contains(path.to_str().unwrap())
}

#[test]
fn a_plugin_is_found_by_its_manifest_loaded_and_asked() {
    let dir = folder(&[("backout_file_set", "whatever")]);
    fs::write(dir.path().join(format!("text{DLL_SUFFIX}")), "no library").unwrap();
    fs::write(dir.path().join("README"), "neither").unwrap();
    let plugins = plugins(&[&dir]);
    let listed = plugins.list();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].manifest.id.as_str(), listed[0].manifest.api), ("file-set", ((1, 0), API)));
    assert_eq!(listed[0].problem, None);

    let found = plugins.find("file-set").unwrap();
    assert_eq!(found.version, env!("CARGO_PKG_VERSION"));
    assert!(!is_loaded(&found.file.0), "found without loading");

    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("backup")).unwrap();
    fs::write(home.path().join("backup/a.conf"), "old").unwrap();
    let mut request = request(r#"( from: "home/backup", to: "home" )"#);
    request.folders.insert("home".to_owned(), HostPath(home.path().to_owned()));
    let proposal = plugins.plan(&found, &request).unwrap();
    let [Proposed::RestoreFile { target, need: Need::Listed, candidates }] = &proposal.steps[..] else {
        panic!("{proposal:?}")
    };
    assert_eq!(target.path(), home.path().join("a.conf"));
    assert_eq!(candidates[0].place.path(), home.path().join("backup/a.conf"));
    assert_eq!(plugins.plan(&found, &request).unwrap(), proposal, "asked again, the same answer");
}

#[test]
fn several_plugins_in_one_process_stay_apart() {
    let dir = folder(&[("backout_file_set", "a"), ("backout_normal_server", "b"), ("rude", "c")]);
    let plugins = plugins(&[&dir]);
    let answer = |id: &str| plugins.plan(&plugins.find(id).unwrap(), &request("Behave"));
    for id in ["file-set", "normal-server"] {
        assert!(matches!(answer(id), Err(HostError::Failed { plugin, .. }) if plugin == id));
    }
    assert_eq!(answer("rude").unwrap(), Proposal::default());
}

#[test]
fn a_plugin_that_others_may_write_to_is_refused_before_it_is_loaded() {
    let dir = folder(&[("backout_file_set", "open")]);
    let path = dir.path().join(format!("open{DLL_SUFFIX}"));
    let plugins = plugins(&[&dir]);
    let found = plugins.find("file-set").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(plugins.find("file-set"), Err(HostError::Distrusted { .. })));
    // Also if it was found while it still was to be trusted.
    let error = plugins.plan(&found, &request("()")).unwrap_err();
    assert!(matches!(&error, HostError::Distrusted { path: named, .. } if named.0 == path), "{error:?}");
    assert!(!is_loaded(&path));
    assert!(plugins.list()[0].problem.as_ref().unwrap().contains("0777"));
}

#[test]
fn a_plugin_in_a_folder_that_others_may_write_to_is_refused() {
    let dir = folder(&[("backout_file_set", "a")]);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(plugins(&[&dir]).find("file-set"), Err(HostError::Distrusted { .. })));
}

#[test]
fn a_plugin_that_changed_since_it_was_found_is_refused() {
    let dir = folder(&[("backout_file_set", "a")]);
    let plugins = plugins(&[&dir]);
    let found = plugins.find("file-set").unwrap();
    let mut bytes = fs::read(&found.file.0).unwrap();
    bytes.push(0);
    fs::write(&found.file.0, bytes).unwrap();
    assert!(matches!(plugins.plan(&found, &request("()")), Err(HostError::Changed { .. })));
}

#[test]
fn a_pin_binds_where_there_is_one() {
    let dir = folder(&[("backout_file_set", "a"), ("rude", "b")]);
    let lock = dir.path().join(LOCK_FILE);
    let lax = plugins(&[&dir]);
    let strict = Plugins::new([dir.path().to_owned()], Pinning::Required, Hosting::Here);
    let digest = lax.find("file-set").unwrap().sha256;

    assert!(matches!(strict.find("file-set"), Err(HostError::NotPinned { .. })));
    fs::write(&lock, format!("{{ \"file-set\": \"{digest}\" }}")).unwrap();
    assert!(strict.find("file-set").is_ok() && lax.find("rude").is_ok());
    assert!(matches!(strict.find("rude"), Err(HostError::NotPinned { .. })));

    fs::write(&lock, format!("{{ \"file-set\": \"{}\" }}", "0".repeat(64))).unwrap();
    assert!(matches!(lax.find("file-set"), Err(HostError::Pinned { found, .. }) if found == digest));
    fs::write(&lock, "{ \"file-set\": \"short\" }").unwrap();
    let error = lax.find("file-set").unwrap_err().to_string();
    assert!(error.contains(LOCK_FILE) && error.contains("line 1"), "{error}");
    fs::write(&lock, "{}").unwrap();
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(lax.find("file-set"), Err(HostError::Lock { .. })), "who can write it can pin anything");
}

#[test]
fn a_lock_file_is_only_read_if_it_is_one() {
    let dir = folder(&[("backout_file_set", "a")]);
    let lock = dir.path().join(LOCK_FILE);
    let plugins = plugins(&[&dir]);
    let says = |words: &str| {
        let error = plugins.find("file-set").unwrap_err();
        assert!(matches!(error, HostError::Lock { .. }) && error.to_string().contains(words), "{error}");
    };
    // Neither waited for nor filled from: a pipe nobody writes to, a device without end.
    rustix::fs::mkfifoat(rustix::fs::CWD, &lock, rustix::fs::Mode::RUSR).unwrap();
    says("not a regular file");
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &lock).unwrap();
    says("/dev/zero");
    fs::remove_file(&lock).unwrap();
    let file = fs::File::create(&lock).unwrap();
    file.set_len(1 << 40).unwrap();
    says("longer than it can be");
    file.set_permissions(fs::Permissions::from_mode(0o666)).unwrap();
    says("may be written to by others");
    fs::remove_file(&lock).unwrap();
    assert!(plugins.find("file-set").is_ok());
}

#[test]
fn two_files_with_one_id_are_an_error_in_one_folder_and_an_order_in_two() {
    let both = folder(&[("backout_file_set", "a"), ("backout_file_set", "b")]);
    let error = plugins(&[&both]).find("file-set").unwrap_err();
    let HostError::Twice { files, .. } = &error else { panic!("{error:?}") };
    assert!(files[0] != files[1] && error.to_string().contains(&files[1].to_string()));
    let (first, second) = (folder(&[("backout_file_set", "x")]), folder(&[("backout_file_set", "y")]));
    let plugins = plugins(&[&first, &second]);
    assert!(plugins.find("file-set").unwrap().file.0.starts_with(first.path()));
    assert_eq!(plugins.list().iter().map(|l| l.problem.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_plugin_that_is_not_there_is_said_with_the_folders_searched() {
    let dir = folder(&[("rude", "a")]);
    let error = plugins(&[&dir]).find("file-set").unwrap_err();
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    let nowhere = Plugins::new([PathBuf::from("/nowhere/plugins")], Pinning::WhereListed, Hosting::Here);
    assert!(matches!(nowhere.find("file-set"), Err(HostError::NotFound { .. })));
    assert!(nowhere.list().is_empty());
}

#[test]
fn a_plugin_of_another_abi_is_not_called() {
    let dir = folder(&[("alien", "a")]);
    let plugins = plugins(&[&dir]);
    let found = plugins.find("alien").unwrap();
    let error = plugins.plan(&found, &request("()")).unwrap_err();
    assert!(matches!(error, HostError::WrongAbi { abi: 999, size: 16, .. }), "{error:?}");
}

#[test]
fn a_library_with_a_manifest_and_no_entry_is_said_so() {
    let dir = folder(&[("rude", "a")]);
    let path = dir.path().join(format!("a{DLL_SUFFIX}"));
    replace(&path, b"backout_plugin\0", b"backout_plugim\0");
    let plugins = plugins(&[&dir]);
    let found = plugins.find("rude").unwrap();
    let error = plugins.plan(&found, &request("()")).unwrap_err();
    assert!(
        matches!(&error, HostError::NoSuchSymbol { symbol, .. } if symbol == "backout_plugin"),
        "{error:?}"
    );
}

#[test]
fn a_plugin_that_speaks_later_messages_only_is_not_loaded() {
    let dir = folder(&[("rude", "a")]);
    replace(&dir.path().join(format!("a{DLL_SUFFIX}")), b"\"api\":[[1,0],[1,1]]", b"\"api\":[[9,0],[9,1]]");
    let error = plugins(&[&dir]).find("rude").unwrap_err();
    assert!(matches!(error, HostError::WrongApi { api: ((9, 0), (9, 1)), .. }), "{error:?}");
}

/// Replaces all occurrences of some bytes in a file.
fn replace(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at: Vec<usize> = (0..bytes.len() - from.len()).filter(|i| bytes[*i..].starts_with(from)).collect();
    assert!(!at.is_empty());
    at.iter().for_each(|i| bytes[*i..][..to.len()].copy_from_slice(to));
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_panic_in_a_plugin_is_a_failure_that_says_so() {
    let error = ask_rude("Panic").unwrap_err();
    assert!(matches!(&error, HostError::Failed { failure, .. } if failure.message.contains("as I was told")));
}

#[test]
fn a_plugins_own_words_are_kept() {
    let error = ask_rude("Fail").unwrap_err();
    assert!(
        matches!(&error, HostError::Failed { failure, .. } if failure.message == "I cannot"),
        "{error:?}"
    );
    let error = ask_rude("(\n  what)").unwrap_err();
    assert!(matches!(&error, HostError::Failed { failure, .. } if failure.at.is_some()), "{error:?}");
}

#[test]
fn an_answer_that_is_not_understood_is_refused() {
    for config in ["unknown-field", "unknown-step", "silence", "flood"] {
        let error = ask_rude(config).unwrap_err();
        assert!(matches!(error, HostError::BadAnswer { .. }), "{config}: {error:?}");
    }
    assert!(matches!(ask_rude("give-up"), Err(HostError::Broken { .. })));
}
