//! What a guard of folders refuses before it starts, on real trees, processes and packages.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "makes the trees that are looked at, stops at the first surprise"
)]

use backout_engine::{
    Refusal,
    guard::delicate::{self, Leave, Named},
};
use backout_protocol::{HostPath, NameRule, Notice};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const PYTHON: &str = "/usr/bin/python3";
const SETUP: &str = "/srv/setup.sh";

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for file in files {
            let path = tree.root().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        tree
    }

    fn root(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn check(&self, exclude: &[&str], leave: Leave) -> Result<Vec<Notice>, Refusal> {
        check(&self.root(), exclude, SETUP, leave)
    }
}

fn check(root: &Path, exclude: &[&str], program: &str, leave: Leave) -> Result<Vec<Notice>, Refusal> {
    let exclude: Vec<String> = exclude.iter().map(|glob| (*glob).to_owned()).collect();
    let roots = [HostPath(root.to_owned())];
    let program = HostPath(program.into());
    let notices = delicate::check(&roots, Named::ByHand, NameRule::Exact, &exclude, &program, leave)?;
    // Whoever runs the tests need not be root.
    Ok(notices.into_iter().filter(|notice| !matches!(notice, Notice::WritersUnseen { .. })).collect())
}

const NOTHING: Leave = Leave { include_data: false, allow_packaged: false };
const DATA: Leave = Leave { include_data: true, allow_packaged: false };
const PACKAGED: Leave = Leave { include_data: false, allow_packaged: true };

#[test]
fn a_folder_with_a_postgresql_data_directory_is_refused_until_it_is_left_out_or_taken_along() {
    let tree = Tree::new(&["bin/app", "var/pg/PG_VERSION", "var/pg/base/1/PG_VERSION", "var/pg/base/1/1259"]);
    let Err(Refusal::DatabaseFiles { found }) = tree.check(&[], NOTHING) else { panic!("not refused") };
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].of, found[0].glob.as_deref()), ("PostgreSQL", Some("var/pg")));
    assert_eq!(found[0].path.0, tree.root().join("var/pg/PG_VERSION"));
    assert_eq!(tree.check(&["var/pg"], NOTHING).unwrap(), []);
    let taken = tree.check(&[], DATA).unwrap();
    assert!(matches!(&taken[..], [Notice::DataIncluded { count: 1, .. }]), "{taken:?}");
    assert!(matches!(tree.check(&[], PACKAGED), Err(Refusal::DatabaseFiles { .. })));
}

#[test]
fn a_data_directory_that_postgresql_made_itself_is_refused() {
    let programs = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let initdb = programs.map(|version| version.path().join("bin/initdb")).find(|path| path.exists());
    let tree = Tree::new(&["bin/app"]);
    let data = tree.root().join("data");
    fs::create_dir(&data).unwrap();
    // It does not run as root.
    let made = initdb.is_some_and(|initdb| {
        let owned = Command::new("chown").arg("-R").arg("postgres").arg(tree.root()).status();
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(initdb).arg("-N").arg("-D").arg(&data);
        owned.unwrap().success() && command.output().unwrap().status.success()
    });
    if !made {
        eprintln!("skipped: no PostgreSQL here, or not root");
        return;
    }
    let Err(Refusal::DatabaseFiles { found }) = tree.check(&[], NOTHING) else { panic!("not refused") };
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].of, found[0].glob.as_deref()), ("PostgreSQL", Some("data")));
    assert_eq!(tree.check(&["data"], NOTHING).unwrap(), []);
}

#[test]
fn a_database_that_sqlite_has_open_is_refused() {
    if !Path::new(PYTHON).exists() {
        eprintln!("skipped: no python here");
        return;
    }
    let tree = Tree::new(&["bin/app"]);
    let code = "import sqlite3,sys,os\nc=sqlite3.connect('shop.sqlite')\nc.execute('pragma journal_mode=wal')\n\
                c.execute('create table t(x)')\nc.commit()\nos._exit(0)";
    assert!(Command::new(PYTHON).args(["-c", code]).current_dir(tree.root()).status().unwrap().success());
    assert!(tree.root().join("shop.sqlite-wal").exists());
    let Err(Refusal::DatabaseFiles { found }) = tree.check(&[], NOTHING) else { panic!("not refused") };
    assert_eq!((found[0].of, found[0].glob.as_deref()), ("SQLite", Some("shop.sqlite*")));
    assert_eq!(tree.check(&["shop.sqlite*"], NOTHING).unwrap(), []);
}

#[test]
fn a_log_that_a_service_writes_to_is_refused_with_its_name_until_logs_are_left_out() {
    let tree = Tree::new(&["bin/app", "log/app.log"]);
    // A service is nobody's child: a shell that ends leaves it behind.
    let writer = "setsid sleep 600 >>log/app.log & echo $!";
    let started = Command::new("/bin/sh")
        .args(["-c", writer])
        .current_dir(tree.root())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let pid = String::from_utf8(started.stdout).unwrap().trim().to_owned();
    let refused = tree.check(&[], NOTHING);
    let (left, taken) = (tree.check(&["*.log"], NOTHING), tree.check(&[], DATA));
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let Err(Refusal::OpenForWriting { files }) = refused else { panic!("{refused:?}") };
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].path.0, tree.root().join("log/app.log"));
    assert_eq!(files[0].holders.iter().map(|(_, pid)| pid.to_string()).collect::<Vec<_>>(), [pid]);
    assert_eq!(left.unwrap(), []);
    let taken = taken.unwrap();
    assert!(matches!(&taken[..], [Notice::OpenIncluded { count: 1, .. }]), "{taken:?}");
}

#[test]
fn files_of_packages_are_refused_with_their_package_until_they_are_allowed() {
    // There wherever dpkg is, and nothing writes to it.
    let folder = Path::new("/usr/share/doc/dpkg");
    if !Path::new("/var/lib/dpkg/status").exists() || !folder.is_dir() || folder.is_symlink() {
        eprintln!("skipped: no dpkg here");
        return;
    }
    let refused = check(folder, &[], SETUP, NOTHING);
    let Err(Refusal::Packaged { owners }) = refused else { panic!("{refused:?}") };
    // Another one may have put something there, too.
    let own = owners.iter().find(|owner| owner.package == "dpkg").unwrap();
    assert!(!own.version.is_empty() && own.files > 0);
    let allowed = check(folder, &[], SETUP, PACKAGED).unwrap();
    let [Notice::PackagedIncluded { packages, check: command, .. }] = &allowed[..] else {
        panic!("{allowed:?}")
    };
    assert!(packages.contains(&"dpkg".to_owned()), "{packages:?}");
    assert!(command[0].starts_with("dpkg -V dpkg"), "{command:?}");
}

#[test]
fn a_package_manager_as_the_installer_is_refused_whatever_is_watched() {
    let tree = Tree::new(&["a"]);
    let refused = check(&tree.root(), &[], "/usr/bin/apt-get", DATA);
    let Err(Refusal::PackageManager { manager, .. }) = refused else { panic!("{refused:?}") };
    assert!(manager.back.contains("--allow-downgrades"));
    let allowed = check(&tree.root(), &[], "/usr/bin/apt-get", PACKAGED).unwrap();
    assert!(matches!(&allowed[..], [Notice::PackageManagerRuns { .. }]), "{allowed:?}");
}
