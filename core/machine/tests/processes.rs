//! Real processes: found by image and folder, waited for, ended.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "makes the programs that it runs")]

use backout_machine::{
    Patience, Process, ProcessError,
    process::{below, end, running, wait_gone},
};
use std::{
    cell::Cell,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program that was just written: a child that another test forks meanwhile may hold it open for writing.
fn spawn(command: &mut Command) -> Running {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            spawned => return Running(spawned.expect("a program that runs")),
        }
    }
}

fn sleeper(path: &Path) -> Running {
    fs::copy("/bin/sleep", path).expect("room for a program");
    spawn(Command::new(path).arg("1000"))
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("room for a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own file");
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// Looks until there is one: a child just forked is not what it is going to be yet.
fn find(image: &str, under: &Path) -> Process {
    loop {
        let mut found = running(&names(&[image]), &[under.to_owned()]).expect("a list of processes");
        assert!(found.len() < 2, "{found:?}");
        if let Some(process) = found.pop() {
            return process;
        }
    }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let real = dir.path().canonicalize().expect("it is there");
    (dir, real)
}

#[test]
fn an_image_is_found_without_regard_to_case_below_its_folder_only() {
    let (_dir, home) = folder();
    fs::create_dir_all(home.join("sp/bin")).unwrap();
    fs::create_dir(home.join("sp2")).unwrap();
    let child = sleeper(&home.join("sp/bin/EarthAgent.exe"));
    let found = find("earthagent.EXE", &home.join("sp"));
    assert_eq!((found.pid, found.image.as_str()), (child.0.id(), "EarthAgent.exe"));
    assert_eq!(found.path, home.join("sp/bin/EarthAgent.exe"));
    let none = |image: &str, under: &[PathBuf]| running(&names(&[image]), under).unwrap().is_empty();
    assert!(none("EarthAgent.exe", &[home.join("sp2")]));
    assert!(none("EarthAgent", &[home.join("sp")]));
    assert!(none("EarthAgent.exe", &[]));
    assert_eq!(below(&[home.join("sp")]).unwrap(), std::slice::from_ref(&found));
    assert_eq!(below(&[home.join("sp2")]).unwrap(), []);
    // Through a link, as an operator may have named the folder.
    std::os::unix::fs::symlink(home.join("sp"), home.join("link")).unwrap();
    assert_eq!(find("EarthAgent.exe", &home.join("link")).pid, found.pid);
}

#[test]
fn an_image_that_was_deleted_or_set_aside_is_still_found() {
    let (_dir, home) = folder();
    let deleted = sleeper(&home.join("deleted.exe"));
    let moved = sleeper(&home.join("moved.exe"));
    find("deleted.exe", &home);
    find("moved.exe", &home);
    fs::remove_file(home.join("deleted.exe")).unwrap();
    fs::create_dir(home.join(".backout-1")).unwrap();
    fs::rename(home.join("moved.exe"), home.join(".backout-1/00000007")).unwrap();
    assert_eq!(find("deleted.exe", &home).pid, deleted.0.id());
    assert_eq!(find("moved.exe", &home).pid, moved.0.id());
}

#[test]
fn a_script_counts_by_its_own_name() {
    let (_dir, home) = folder();
    script(&home.join("mrf.exe"), "#!/bin/sh\nread -r line\n");
    script(&home.join("told.sh"), "read -r line\n");
    let with_input = |command: &mut Command| spawn(command.stdin(std::process::Stdio::piped()));
    let itself = with_input(Command::new(home.join("mrf.exe")).current_dir("/"));
    let told = with_input(Command::new("/bin/sh").args(["-u", "told.sh"]).current_dir(&home));
    let found = find("MRF.exe", &home);
    assert_eq!((found.pid, found.path), (itself.0.id(), home.join("mrf.exe")));
    assert_eq!(find("told.sh", &home).pid, told.0.id());
}

#[test]
fn a_script_of_an_unknown_interpreter_counts_by_the_name_the_system_gave_it() {
    let (_dir, home) = folder();
    fs::copy("/bin/sh", home.join("interp")).unwrap();
    let name = "a-very-long-name-of-a-script.exe";
    script(&home.join(name), &format!("#!{}\nread -r line\n", home.join("interp").display()));
    let child = spawn(Command::new(home.join(name)).stdin(std::process::Stdio::piped()));
    assert_eq!(find(name, &home).pid, child.0.id());
}

#[test]
fn a_process_that_only_waits_for_its_parent_does_not_count() {
    let (_dir, home) = folder();
    let mut child = sleeper(&home.join("zombie.exe"));
    find("zombie.exe", &home);
    child.0.kill().unwrap();
    let left = wait_gone(&names(&["zombie.exe"]), &[home], &Patience::firm(LONG)).unwrap();
    assert_eq!(left, []);
    assert!(child.0.try_wait().unwrap().is_some());
}

#[test]
fn who_is_still_there_at_the_limit_is_named_and_a_wait_can_be_called_off() {
    let (_dir, home) = folder();
    let child = sleeper(&home.join("stays.exe"));
    find("stays.exe", &home);
    let (images, under) = (names(&["stays.exe", "other.exe"]), [home]);
    let left = wait_gone(&images, &under, &Patience::firm(SHORT)).unwrap();
    assert_eq!(left.iter().map(|p| p.pid).collect::<Vec<_>>(), [child.0.id()]);
    let looked = Cell::new(false);
    let second_look = || looked.replace(true);
    let called_off = wait_gone(&images, &under, &Patience::new(LONG, &second_look));
    assert!(matches!(called_off, Err(ProcessError::Cancelled)));
}

#[test]
fn a_process_that_ignores_the_request_is_killed() {
    let (_dir, home) = folder();
    let ready = home.join("ready");
    // A blank line of input is never sent: the shell waits for it, deaf to the request.
    script(
        &home.join("deaf.exe"),
        &format!("#!/bin/sh\ntrap '' TERM\n: >{}\nread -r line\n", ready.display()),
    );
    let mut child = spawn(Command::new(home.join("deaf.exe")).stdin(std::process::Stdio::piped()));
    while !ready.exists() {
        std::thread::yield_now();
    }
    let process = find("deaf.exe", &home);
    end(&process, &Patience::firm(SHORT)).unwrap();
    let status = child.0.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    end(&process, &Patience::firm(LONG)).unwrap();
}

#[test]
fn a_process_that_takes_the_request_is_not_killed() {
    let (_dir, home) = folder();
    let mut child = sleeper(&home.join("polite.exe"));
    end(&find("polite.exe", &home), &Patience::firm(LONG)).unwrap();
    let status = child.0.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

#[test]
fn a_number_that_went_to_another_process_is_left_alone() {
    let (_dir, home) = folder();
    let mut child = sleeper(&home.join("bystander.exe"));
    let process = find("bystander.exe", &home);
    let earlier = Process { started: process.started - 1, ..process };
    end(&earlier, &Patience::firm(LONG)).unwrap();
    assert!(child.0.try_wait().unwrap().is_none());
}
