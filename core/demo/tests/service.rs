//! The throw-away services are real processes that start, stop and answer.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "makes the files that a service holds")]

use backout_demo::service::{self, Status};
use backout_demo::shell::write_shell_service;
use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, ExitStatus},
};

/// Set in the environment of the process that is the service.
const FOLDER: &str = "BACKOUT_DEMO_TEST_FOLDER";

/// Not a test of its own: the process that `a_service_is_a_process` starts, told by the variable.
#[test]
fn the_service_itself() {
    let folder = std::env::vars_os().find(|(name, _)| name == FOLDER);
    if let Some((_, folder)) = folder {
        let held = Path::new(&folder).with_extension("dll");
        service::run(Path::new(&folder), &[held]).unwrap();
    }
}

fn program(folder: &Path) -> Vec<OsString> {
    let mut variable = OsString::from(format!("{FOLDER}="));
    variable.push(folder);
    let this = std::env::current_exe().expect("the path of this test");
    vec!["/usr/bin/env".into(), variable, this.into(), "--exact".into(), "the_service_itself".into()]
}

#[test]
fn a_service_is_a_process_that_holds_its_files_until_it_is_stopped() {
    let products = tempfile::tempdir().unwrap();
    let folder = products.path().join("spnt");
    fs::write(folder.with_extension("dll"), b"held").unwrap();
    assert_eq!(service::status(&folder).unwrap(), Status::Stopped);
    service::start(&folder, &program(&folder)).unwrap();
    assert_eq!(service::status(&folder).unwrap(), Status::Running);
    service::start(&folder, &program(&folder)).unwrap();
    service::stop(&folder).unwrap();
    assert_eq!(service::status(&folder).unwrap(), Status::Stopped);
    service::stop(&folder).unwrap();
    assert_eq!(
        service::log(products.path()).unwrap(),
        ["start spnt", "start spnt", "stop spnt", "stop spnt"]
    );
}

#[test]
fn a_killed_service_is_stopped_and_can_be_started_again() {
    let products = tempfile::tempdir().unwrap();
    let folder = products.path().join("spnt");
    fs::write(folder.with_extension("dll"), b"held").unwrap();
    service::start(&folder, &program(&folder)).unwrap();
    let pid = fs::read_to_string(folder.join("pid")).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    while service::status(&folder).unwrap() == Status::Running {
        std::thread::yield_now();
    }
    service::start(&folder, &program(&folder)).unwrap();
    assert_eq!(service::status(&folder).unwrap(), Status::Running);
    service::stop(&folder).unwrap();
}

#[test]
fn a_service_that_cannot_open_its_files_is_told_at_once() {
    let products = tempfile::tempdir().unwrap();
    let folder = products.path().join("spnt");
    let error = service::start(&folder, &program(&folder)).unwrap_err();
    assert!(error.to_string().contains("ended at once"), "{error}");
}

#[test]
fn shell_services_start_stop_and_answer_each_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let ja = write_shell_service(dir.path(), &"サービス hold".parse().unwrap()).unwrap();
    let en = write_shell_service(dir.path(), &"Trend ServerProtect".parse().unwrap()).unwrap();
    let run = |argv: &[String]| -> Option<i32> {
        let status: ExitStatus = Command::new(&argv[0]).args(&argv[1..]).status().expect("sh");
        status.code()
    };
    assert_eq!([run(&ja.status), run(&en.status)], [Some(3), Some(3)]);
    assert_eq!(run(&ja.start), Some(0));
    while run(&ja.status) != Some(0) {}
    assert_eq!(run(&en.status), Some(3));
    assert_eq!(run(&ja.start), Some(0), "starting twice is no error");
    assert_eq!([run(&ja.stop), run(&ja.status)], [Some(0), Some(3)]);
    assert_eq!(run(&en.stop), Some(0), "stopping what does not run is no error");
    let log = service::log(dir.path()).unwrap();
    assert_eq!(
        log,
        ["start サービス hold", "start サービス hold", "stop サービス hold", "stop Trend ServerProtect"]
    );
}
