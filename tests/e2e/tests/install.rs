//! A package is installed whole or not at all, and never under a run.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, World, built, place};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// An unpacked package, and a world whose state folder it works on.
struct Package {
    world: World,
    folder: PathBuf,
    to: PathBuf,
}

impl Package {
    fn new() -> Self {
        let world = World::small();
        let folder = world.path().join("backout-0.0.0-test");
        fs::create_dir_all(folder.join("plugins")).unwrap();
        place::program(&built().backout, &folder.join("backout"));
        for library in &built().plugins {
            fs::copy(library, folder.join("plugins").join(library.file_name().unwrap())).unwrap();
        }
        fs::write(folder.join("README.txt"), "read me").unwrap();
        let to = world.path().join("installed");
        let package = Self { world, folder, to };
        package.sum();
        package
    }

    /// Writes the sums as they are made for a package.
    fn sum(&self) {
        let script =
            "find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs sha256sum > SHA256SUMS";
        let done = Command::new("sh").args(["-c", script]).current_dir(&self.folder).status().unwrap();
        assert!(done.success());
    }

    fn install(&self, more: &[&str]) -> Run {
        let mut command = Command::new(self.folder.join("backout"));
        command.args(["install", "--json", "--dir"]).arg(&self.to).args(more);
        command.arg("--state-dir").arg(&self.world.state).stdin(Stdio::null());
        Run::of(&command.output().unwrap())
    }

    #[track_caller]
    fn refused(&self, code: i32, error: &str) -> Run {
        let run = self.install(&[]).ends(code);
        assert_eq!(run.error_code(), error, "{run:?}");
        assert_eq!(run.json["changed"], false);
        run
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_installed_runs_and_is_not_installed_twice() {
    let package = Package::new();
    let run = package.install(&[]).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"done".into(), &true.into()));
    for file in ["backout", "README.txt", "SHA256SUMS"] {
        assert_eq!(fs::read(package.to.join(file)).unwrap(), fs::read(package.folder.join(file)).unwrap());
    }
    assert_eq!([mode(&package.to), mode(&package.to.join("backout"))], [0o755, 0o755]);
    let listed =
        Command::new(package.to.join("backout")).args(["plugin", "list", "--json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("file-set"), "{listed:?}");

    let again = package.install(&[]).ends(0);
    assert_eq!((&again.json["outcome"], &again.json["changed"]), (&"nothing-to-do".into(), &false.into()));

    // A file that somebody spoilt is mended; one that the next version does not have goes; others' files stay.
    fs::write(package.to.join("README.txt"), "spoilt").unwrap();
    fs::write(package.to.join("plugins/own.txt"), "own").unwrap();
    let gone = built().plugins[0].file_name().unwrap();
    fs::remove_file(package.folder.join("plugins").join(gone)).unwrap();
    package.sum();
    let upgraded = package.install(&[]).ends(0);
    assert_eq!(upgraded.json["data"]["written"], serde_json::json!(["README.txt"]));
    assert_eq!(fs::read(package.to.join("README.txt")).unwrap(), b"read me");
    assert!(!package.to.join("plugins").join(gone).exists());
    assert!(package.to.join("plugins/own.txt").exists());
}

#[test]
fn a_package_that_is_not_whole_is_refused_and_nothing_is_written() {
    let package = Package::new();
    fs::write(package.folder.join("README.txt"), "other").unwrap();
    package.refused(10, "BKO-1102");
    fs::remove_file(package.folder.join("README.txt")).unwrap();
    package.refused(10, "BKO-1102");
    for sums in ["", "no list", "00  README.txt\n", "../../etc\n"] {
        fs::write(package.folder.join("SHA256SUMS"), sums).unwrap();
        package.refused(10, "BKO-1101");
    }
    let outside = format!("{}  ../outside\n", "0".repeat(64));
    fs::write(package.folder.join("SHA256SUMS"), outside).unwrap();
    package.refused(10, "BKO-1101");
    fs::remove_file(package.folder.join("SHA256SUMS")).unwrap();
    package.refused(10, "BKO-1101");
    assert!(!package.to.exists());
}

#[test]
fn nothing_is_installed_where_others_may_change_it() {
    let mut package = Package::new();
    let open = package.world.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    package.to = open.join("backout");
    package.refused(10, "BKO-1005");
    assert!(!package.to.exists(), "the folder made for it is taken away again");
    package.to = open;
    package.refused(10, "BKO-1005");
}

#[test]
fn nothing_is_installed_while_a_run_is_open() {
    let package = Package::new();
    package.install(&[]).ends(0);
    package.world.plain(&["status", "--if-known"]).ends(0);
    package.world.rollback(&[]).ends(0);
    // What cannot be looked at is not known to be open.
    fs::set_permissions(&package.world.state, fs::Permissions::from_mode(0o777)).unwrap();
    package.world.plain(&["status"]).ends(10);
    package.world.plain(&["status", "--if-known"]).ends(0);
    fs::set_permissions(&package.world.state, fs::Permissions::from_mode(0o700)).unwrap();
    // A run whose journal is damaged is open until somebody settles it.
    let [from, to] = ["history", "transactions"].map(|name| package.world.state.join(name));
    let run = fs::read_dir(&from).unwrap().next().unwrap().unwrap().file_name();
    fs::rename(from.join(&run), to.join(&run)).unwrap();
    let journal = to.join(&run).join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[20] ^= 1;
    fs::write(&journal, bytes).unwrap();
    fs::write(package.to.join("README.txt"), "older").unwrap();
    package.refused(21, "BKO-3001");
    package.world.plain(&["status", "--if-known"]).ends(21);
    assert_eq!(fs::read(package.to.join("README.txt")).unwrap(), b"older");
}
