//! What packages own, by the records that a real dpkg writes.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "makes a package, stops at the first surprise"
)]

use backout_machine::packages::{Records, owners, owners_by_dpkg};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

fn run(program: &str, args: &[&str]) {
    let ended = Command::new(program).args(args).output().unwrap();
    assert!(ended.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// A machine's root with two packages on it, put there by the real `dpkg`; `None`: there is none here.
fn installed() -> Option<tempfile::TempDir> {
    if !Path::new("/usr/bin/dpkg-deb").exists() {
        eprintln!("skipped: no dpkg here");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    for (name, file) in [("tool", "bin/tool"), ("product", "opt/product/a.conf")] {
        let tree = at.join(name);
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        let control = format!(
            "Package: {name}\nVersion: 1:2-3\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        fs::create_dir_all(tree.join(file).parent().unwrap()).unwrap();
        fs::write(tree.join(file), "x").unwrap();
    }
    fs::write(at.join("product/opt/product/b.conf"), "x").unwrap();
    let root = at.join("root");
    // As on a machine with a merged `/usr`.
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    let admin = root.join("var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        fs::create_dir_all(admin.join(folder)).unwrap();
    }
    fs::write(admin.join("status"), "").unwrap();
    let root = root.to_str().unwrap();
    for name in ["tool", "product"] {
        let package = at.join(format!("{name}.deb"));
        let package = package.to_str().unwrap();
        run("dpkg-deb", &["--root-owner-group", "-b", at.join(name).to_str().unwrap(), package]);
        run("dpkg", &["--force-not-root", "--force-bad-path", &format!("--root={root}"), "-i", package]);
    }
    Some(dir)
}

#[test]
fn the_packages_that_dpkg_has_installed_own_their_files_where_these_really_lie() {
    let Some(dir) = installed() else { return };
    let root = dir.path().canonicalize().unwrap().join("root");
    let owned = |files: &[&str]| {
        let files: BTreeSet<PathBuf> = files.iter().map(|file| root.join(file)).collect();
        let owners = owners_by_dpkg(&root.join("var/lib/dpkg"), &root, &files).unwrap();
        owners.into_iter().map(|o| (o.package, o.version, o.files, o.first)).collect::<Vec<_>>()
    };
    let of = |package: &str, files, first: &str| {
        (package.to_owned(), "1:2-3".to_owned(), files, Some(root.join(first)))
    };
    let all = ["opt/product/a.conf", "opt/product/b.conf", "opt/product/own.conf"];
    assert_eq!(owned(&all), [of("product", 2, "opt/product/a.conf")]);
    assert_eq!(owned(&["usr/bin/tool", "opt/product/b.conf"]).len(), 2);
    assert_eq!(owned(&["usr/bin/tool"]), [of("tool", 1, "usr/bin/tool")], "the list says /bin/tool");
    assert!(owned(&["opt/product/own.conf"]).is_empty());

    // The machine's owner has put the product on another volume.
    fs::create_dir(root.join("volume")).unwrap();
    fs::rename(root.join("opt/product"), root.join("volume/product")).unwrap();
    symlink("../volume/product", root.join("opt/product")).unwrap();
    assert_eq!(owned(&["volume/product/a.conf"]), [of("product", 1, "volume/product/a.conf")]);

    // What is diverted lies under the other name, and the name is somebody else's.
    let divert = format!("--root={}", root.display());
    run(
        "dpkg-divert",
        &[&divert, "--local", "--rename", "--divert", "/usr/bin/tool.dist", "--add", "/bin/tool"],
    );
    assert!(owned(&["usr/bin/tool"]).is_empty());
    assert_eq!(owned(&["usr/bin/tool.dist"]), [of("tool", 1, "usr/bin/tool.dist")]);

    run("dpkg", &["--force-not-root", &format!("--root={}", root.display()), "-P", "tool"]);
    assert!(owned(&["usr/bin/tool.dist"]).is_empty());
}

#[test]
fn records_that_cannot_be_read_are_told_and_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("status")).unwrap();
    let error =
        owners_by_dpkg(dir.path(), Path::new("/"), &BTreeSet::from([PathBuf::from("/x")])).unwrap_err();
    assert!(error.to_string().starts_with("the records of dpkg cannot be read: "), "{error}");
}

#[test]
fn this_machines_own_packages_are_known() {
    let program = Path::new("/usr/bin/dpkg").canonicalize();
    let Ok(program) = program.map_err(|_| eprintln!("skipped: no dpkg here")) else { return };
    let owners = owners(&BTreeSet::from([program])).unwrap();
    assert!(owners.iter().any(|o| o.package == "dpkg" && o.records == Records::Dpkg), "{owners:?}");
}

#[test]
fn this_machines_own_rpm_packages_are_known() {
    let there = Path::new("/usr/bin/rpm").exists() && Path::new("/var/lib/rpm").is_dir();
    let list = ["-qa", "--qf", "[%{=NAME}\\t%{FILENAMES}\\n]"];
    let listed = Command::new("/usr/bin/rpm").args(list).output().map(|o| o.stdout);
    let first = if there { listed.unwrap() } else { Vec::new() };
    let first = String::from_utf8_lossy(&first).into_owned();
    let mut lines = first.lines().filter_map(|line| line.split_once('\t'));
    let Some((package, file)) = lines.find(|(_, file)| Path::new(file).is_file()) else {
        eprintln!("skipped: no rpm with packages here");
        return;
    };
    let owners = owners(&BTreeSet::from([PathBuf::from(file), "/nowhere".into()])).unwrap();
    let rpm = owners.iter().find(|o| matches!(o.records, Records::Rpm(_))).unwrap();
    assert_eq!((rpm.package.as_str(), rpm.files), (package, 1));
    assert_eq!(rpm.first.as_deref(), Some(Path::new(file)));
}
