//! Processes, jobs and commands as Windows has them.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "makes the programs that it runs, stops at the first surprise"
)]

use backout_machine::{
    Patience, ProbeError, Process, ServiceState, Services,
    process::{end, running, wait_gone},
    service::Commands,
};
use backout_protocol::{
    ServiceName,
    profile::{Probe, Timeouts},
    site::CommandSet,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);

const MARK: &str = "stays:";

/// Not a test of its own: a program that says that it runs, and stays.
#[test]
fn stay() {
    if let Some(ran) = std::env::args().find_map(|a| a.strip_prefix(MARK).map(PathBuf::from)) {
        fs::write(ran, "").unwrap();
        loop {
            std::thread::park();
        }
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shell() -> PathBuf {
    Path::new(&std::env::var_os("SystemRoot").unwrap()).join(r"system32\cmd.exe")
}

/// The shell under another name; it waits for a line that is never sent.
fn waiter(path: &Path) -> Running {
    fs::write(path, fs::read(shell()).unwrap()).unwrap();
    Running(Command::new(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
}

fn find(image: &str, under: &Path) -> Vec<Process> {
    running(&[image.to_owned()], &[under.to_owned()]).unwrap()
}

fn pids(found: &[Process]) -> Vec<u32> {
    found.iter().map(|p| p.pid).collect()
}

#[test]
fn an_image_is_found_without_regard_to_case_below_its_folder_only() {
    let dir = tempfile::tempdir().unwrap();
    let sp = dir.path().join("sp");
    fs::create_dir(&sp).unwrap();
    fs::create_dir(dir.path().join("sp2")).unwrap();
    let child = waiter(&sp.join("EarthAgent.exe"));
    for under in [sp.clone(), sp.canonicalize().unwrap(), PathBuf::from(sp.to_string_lossy().to_uppercase())]
    {
        assert_eq!(pids(&find("EARTHAGENT.exe", &under)), [child.0.id()], "{}", under.display());
    }
    assert_eq!(find("earthagent.exe", &dir.path().join("sp2")), []);
    assert_eq!(find("earthagent", &sp), []);
}

#[test]
fn an_image_that_was_moved_away_is_still_found() {
    let dir = tempfile::tempdir().unwrap();
    let child = waiter(&dir.path().join("moved.exe"));
    fs::create_dir(dir.path().join(".backout-1")).unwrap();
    fs::rename(dir.path().join("moved.exe"), dir.path().join(r".backout-1\0000-moved.exe")).unwrap();
    assert_eq!(pids(&find("moved.exe", dir.path())), [child.0.id()]);
}

#[test]
fn a_process_is_ended_and_another_with_its_number_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = waiter(&dir.path().join("ended.exe"));
    let process = find("ended.exe", dir.path()).remove(0);
    let earlier = Process { started: process.started - 1, ..process.clone() };
    end(&earlier, &Patience::firm(LONG)).unwrap();
    assert!(child.0.try_wait().unwrap().is_none());
    let still = wait_gone(&["ended.exe".into()], &[dir.path().to_owned()], &Patience::firm(SHORT)).unwrap();
    assert_eq!(pids(&still), [process.pid]);
    end(&process, &Patience::firm(LONG)).unwrap();
    assert!(child.0.wait().is_ok());
    end(&process, &Patience::firm(LONG)).unwrap();
    assert_eq!(find("ended.exe", dir.path()), []);
}

fn command(line: &str) -> Vec<String> {
    vec![shell().to_string_lossy().into_owned(), "/c".to_owned(), line.to_owned()]
}

#[test]
fn a_probe_is_well_by_its_exit_code_and_is_ended_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let probe = |line: &str, limit| {
        backout_machine::probe(&Probe { name: "probe".into(), service: None, run: command(line) }, limit)
    };
    assert!(probe("exit 0", LONG).is_ok());
    let failed = probe("echo was gone& exit 7", LONG);
    let Err(ProbeError::Failed { code: Some(7), said, .. }) = failed else { panic!("{failed:?}") };
    assert_eq!(said, "was gone");
    // The shell starts another that stays for ever.
    let (image, ran) = (dir.path().join("grandchild.exe"), dir.path().join("ran"));
    fs::write(&image, fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
    let line = format!("{} --exact stay {MARK}{}", image.display(), ran.display());
    let late = probe(&line, Duration::from_secs(5));
    assert!(matches!(late, Err(ProbeError::TimedOut { .. })), "{late:?}");
    assert!(ran.exists(), "it was there");
    let left =
        wait_gone(&["grandchild.exe".into()], &[dir.path().to_owned()], &Patience::firm(LONG)).unwrap();
    assert_eq!(left, []);
}

#[test]
fn services_are_reached_by_commands_here_too() {
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("runs");
    let name: ServiceName = "Trend ServerProtect".parse().unwrap();
    let shown = flag.display();
    let set = CommandSet {
        start: command(&format!("echo x> {shown}")),
        stop: command(&format!("del {shown}")),
        status: command(&format!("if exist {shown} (exit 0) else (exit 3)")),
    };
    let services = Commands::new(BTreeMap::from([(name.clone(), set)]), Timeouts::default()).unwrap();
    assert_eq!(services.state(&name).unwrap(), ServiceState::Stopped);
    services.start(&name, &Patience::firm(LONG)).unwrap();
    assert_eq!(services.state(&name).unwrap(), ServiceState::Running);
    services.stop(&name, &Patience::firm(LONG)).unwrap();
    assert_eq!(services.state(&name).unwrap(), ServiceState::Stopped);
}

const RUN: &str = "stops:";

fn stopped_by(stop: Vec<String>) -> Commands {
    let set = CommandSet { start: command("exit 0"), stop, status: command("exit 0") };
    let name: ServiceName = "Trend ServerProtect".parse().unwrap();
    Commands::new(BTreeMap::from([(name, set)]), Timeouts::default()).unwrap()
}

fn alone(path: &Path) -> std::io::Result<fs::File> {
    use std::os::windows::fs::OpenOptionsExt;
    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).share_mode(0).open(path)
}

/// Not a test of its own: a run that stops its service by a command that never ends.
#[test]
fn stop_for_ever() {
    let Some(dir) = std::env::args().find_map(|a| a.strip_prefix(RUN).map(PathBuf::from)) else { return };
    let program = dir.join("stop.exe").to_string_lossy().into_owned();
    let mark = format!("{MARK}{}", dir.join("ran").display());
    let services = stopped_by(vec![program, "--exact".into(), "stay".into(), mark]);
    services.mark_stops(Some(alone(&dir.join("stopping")).unwrap()));
    let _ = services.stop(&"Trend ServerProtect".parse().unwrap(), &Patience::firm(Duration::MAX));
}

#[test]
fn a_stop_command_holds_its_file_after_the_run_that_gave_it_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (own, stopping) = (std::env::current_exe().unwrap(), dir.path().join("stopping"));
    fs::write(dir.path().join("stop.exe"), fs::read(&own).unwrap()).unwrap();
    let run = format!("{RUN}{}", dir.path().display());
    let mut command = Command::new(own);
    let spawned = command.args(["--exact", "stop_for_ever", &run]).stdout(Stdio::null()).spawn();
    let mut run = Running(spawned.unwrap());
    while !dir.path().join("ran").exists() {
        assert!(run.0.try_wait().unwrap().is_none(), "it runs");
        std::thread::yield_now();
    }
    drop(run);
    assert_eq!(alone(&stopping).unwrap_err().raw_os_error(), Some(32));
    for stop in find("stop.exe", dir.path()) {
        end(&stop, &Patience::firm(LONG)).unwrap();
    }
    // The system may close what an ended process had open a moment after its end.
    let begun = std::time::Instant::now();
    while let Err(e) = alone(&stopping) {
        assert_eq!((e.raw_os_error(), begun.elapsed() < LONG), (Some(32), true));
        std::thread::yield_now();
    }
}

#[test]
fn a_run_that_is_over_holds_its_file_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (services, stopping) = (stopped_by(command("exit 0")), dir.path().join("stopping"));
    services.mark_stops(Some(alone(&stopping).unwrap()));
    assert!(alone(&stopping).is_err());
    services.mark_stops(None);
    alone(&stopping).unwrap();
}

#[test]
fn moves_for_the_next_boot_stand_beside_those_of_others_until_they_are_taken_out() {
    use backout_machine::delayed::{Delayed, Standing, Taken, enqueue, standing, take_out};
    use winreg::enums::{HKEY_LOCAL_MACHINE, KEY_ALL_ACCESS};
    let path = r"SYSTEM\CurrentControlSet\Control\Session Manager";
    let machine = winreg::RegKey::predef(HKEY_LOCAL_MACHINE);
    let key = machine.open_subkey_with_flags(path, KEY_ALL_ACCESS).unwrap();
    let moved = |from: &str, to: &str| Delayed { from: from.into(), to: to.into(), taken: Taken::Replace };
    let ours = [moved(r"C:\nowhere\a", r"C:\nowhere\b"), moved(r"C:\nowhere\c", r"C:\nowhere\a")];
    let others = [moved(r"C:\nowhere\x", r"C:\nowhere\y")];
    enqueue(&others).unwrap();
    let before = key.get_raw_value("PendingFileRenameOperations").unwrap();
    assert_eq!(standing(&ours).unwrap(), Standing::None);
    for _ in 0..2 {
        enqueue(&ours).unwrap();
        assert_eq!(standing(&ours).unwrap(), Standing::All);
    }
    take_out(&ours).unwrap();
    assert_eq!(standing(&ours).unwrap(), Standing::None);
    assert_eq!(key.get_raw_value("PendingFileRenameOperations").unwrap().bytes, before.bytes);
    // Those that somebody moved to the second queue are found and taken out too.
    key.set_raw_value("PendingFileRenameOperations2", &before).unwrap();
    take_out(&others).unwrap();
    for value in ["PendingFileRenameOperations", "PendingFileRenameOperations2"] {
        assert!(key.get_raw_value(value).is_err(), "no empty value: {value}");
    }
    key.set_value("PendingFileRenameOperations", &"no list").unwrap();
    assert!(enqueue(&ours).is_err());
    key.delete_value("PendingFileRenameOperations").unwrap();
}

#[test]
fn a_folder_is_found_in_either_view_of_the_registry() {
    use winreg::enums::{HKEY_LOCAL_MACHINE, KEY_ALL_ACCESS, KEY_WOW64_32KEY, KEY_WOW64_64KEY};
    let key = format!(r"SOFTWARE\backout-test-{}", std::process::id());
    let machine = winreg::RegKey::predef(HKEY_LOCAL_MACHINE);
    let found = |value: &str| {
        let texts = backout_machine::registry::texts(&key, value);
        texts.into_iter().map(|t| (t.text.into_string().unwrap(), t.name)).collect::<Vec<_>>()
    };
    assert!(found("Home").is_empty());
    for (view, home) in [(KEY_WOW64_64KEY, r"C:\64"), (KEY_WOW64_32KEY, r"C:\32 日本")] {
        let (made, _) = machine.create_subkey_with_flags(&key, KEY_ALL_ACCESS | view).unwrap();
        made.set_value("Home", &home).unwrap();
        made.set_value("Same", &r"C:\same").unwrap();
        made.set_value("Number", &7u32).unwrap();
    }
    let homes = found("Home");
    assert_eq!((homes[0].0.as_str(), homes[1].0.as_str()), (r"C:\64", r"C:\32 日本"));
    assert!(homes[0].1.contains("64-bit view") && homes[1].1.contains("32-bit view"), "{homes:?}");
    assert_eq!(found("Same").len(), 1);
    assert!(found("Number").is_empty(), "a number is no folder");
    for view in [KEY_WOW64_64KEY, KEY_WOW64_32KEY] {
        let software = machine.open_subkey_with_flags("SOFTWARE", KEY_ALL_ACCESS | view).unwrap();
        let _ =
            software.delete_subkey_with_flags(key.trim_start_matches(r"SOFTWARE\"), KEY_ALL_ACCESS | view);
    }
}
