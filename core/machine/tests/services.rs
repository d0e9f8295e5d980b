//! Services behind real commands: those that do as told and every way in which they do not.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "writes the scripts that it runs")]

use backout_demo::{service::log, shell::write_shell_service};
use backout_machine::{Patience, ServiceError, ServiceState, Services, Verb, service::open};
use backout_protocol::{
    ServiceName,
    profile::Timeouts,
    site::{CommandSet, ServiceAccess},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(60);
/// Passes in some tests; a loaded machine must get a few shells done in it.
const SHORT: Duration = Duration::from_secs(2);

/// A service of three shell snippets. `$dir` is its folder; a file `running` in it makes the plain status say so.
struct Odd {
    dir: tempfile::TempDir,
    services: Box<dyn Services>,
    name: ServiceName,
}

const STATUS: &str = "if [ -e $dir/running ]; then exit 0; else exit 3; fi";

impl Odd {
    fn new(start: &str, stop: &str, status: &str) -> Self {
        Self::with_status_limit(start, stop, status, 10)
    }

    fn with_status_limit(start: &str, stop: &str, status: &str, limit: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let command = |verb: &str, text: &str| {
            let script = dir.path().join(verb);
            let head = format!("dir={}\necho {verb} >>$dir/told\n", dir.path().display());
            fs::write(&script, head + text + "\n").expect("room for a script");
            vec!["/bin/sh".to_owned(), script.display().to_string()]
        };
        let set = CommandSet {
            start: command("start", start),
            stop: command("stop", stop),
            status: command("status", status),
        };
        let name: ServiceName = "Odd Service".parse().expect("a name");
        let access = ServiceAccess::Commands(BTreeMap::from([(name.clone(), set)]));
        let timeouts = Timeouts { status: limit, ..Timeouts::default() };
        let services = open(&access, &BTreeMap::new(), &timeouts).expect("absolute paths");
        Self { dir, services, name }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// How often a command was run.
    fn told(&self, verb: &str) -> usize {
        let told = fs::read_to_string(self.path("told")).unwrap_or_default();
        told.lines().filter(|line| *line == verb).count()
    }
}

fn alive(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).expect("a pid file");
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ") && !stat.contains(") X ")
}

fn end(pid_file: &Path) {
    let pid = fs::read_to_string(pid_file).expect("a pid file");
    std::process::Command::new("kill").args(["-9", pid.trim()]).status().expect("kill");
}

#[test]
fn a_service_is_told_once_each_time_and_seen_to_have_done_so() {
    let dir = tempfile::tempdir().unwrap();
    let name: ServiceName = "Trend ServerProtect".parse().unwrap();
    let other: ServiceName = "Trend ServerProtect Agent".parse().unwrap();
    let set = write_shell_service(dir.path(), &name).unwrap();
    let access = ServiceAccess::Commands(BTreeMap::from([(name.clone(), set)]));
    let services = open(&access, &BTreeMap::new(), &Timeouts::default()).unwrap();
    assert_eq!(services.state(&other).unwrap(), ServiceState::NotInstalled);
    assert!(matches!(services.stop(&other, &Patience::firm(LONG)), Err(ServiceError::NotInstalled { .. })));

    assert_eq!(services.state(&name).unwrap(), ServiceState::Stopped);
    services.start(&name, &Patience::firm(LONG)).unwrap();
    assert_eq!(services.state(&name).unwrap(), ServiceState::Running);
    services.stop(&name, &Patience::firm(LONG)).unwrap();
    assert_eq!(services.state(&name).unwrap(), ServiceState::Stopped);
    assert_eq!(log(dir.path()).unwrap(), ["start Trend ServerProtect", "stop Trend ServerProtect"]);

    let ctl = dir.path().join("ctl");
    assert_eq!(services.programs(), [PathBuf::from("/bin/sh"), ctl.clone()]);
    let hint = services.start_hint(&name);
    assert!(hint.starts_with(&format!("/bin/sh {} start ", ctl.display())), "{hint}");
    assert!(hint.ends_with(" 'Trend ServerProtect'"), "{hint}");
}

#[test]
fn a_service_that_refuses_is_quoted_and_not_told_twice() {
    let odd = Odd::new("echo no licence >&2; exit 7", "echo I will not; exit 1", STATUS);
    let error = odd.services.stop(&odd.name, &Patience::firm(LONG)).unwrap_err();
    let wanted = "the service `Odd Service` refused to stop (exit code 1), it said: I will not";
    assert_eq!(error.to_string(), wanted);
    let error = odd.services.start(&odd.name, &Patience::firm(LONG)).unwrap_err();
    assert!(
        matches!(&error, ServiceError::Refused { code: Some(7), verb: Verb::Start, said, .. } if said == "no licence")
    );
    assert_eq!([odd.told("stop"), odd.told("start"), odd.told("status")], [1, 1, 0]);
}

#[test]
fn a_service_that_ignores_its_stop_is_told_once_and_given_up_at_the_limit() {
    let odd = Odd::new("", "echo stopping", STATUS);
    fs::write(odd.path("running"), "").unwrap();
    let error = odd.services.stop(&odd.name, &Patience::firm(SHORT)).unwrap_err();
    assert!(
        matches!(&error, ServiceError::TimedOut { verb: Verb::Stop, said, .. } if said == "stopping"),
        "{error}"
    );
    assert_eq!(odd.told("stop"), 1);
    assert!(odd.told("status") > 1);
}

#[test]
fn a_stop_command_that_hangs_is_killed_with_all_it_started() {
    let stop = "sleep 1000 & echo $! >$dir/helper; echo $$ >$dir/pid; echo waiting; wait";
    let odd = Odd::new("", stop, STATUS);
    // Called off only once the helper is there, as a limit might fall before.
    let ready = || fs::read_to_string(odd.path("pid")).is_ok_and(|pid| pid.ends_with('\n'));
    let error = odd.services.stop(&odd.name, &Patience::new(LONG, &ready)).unwrap_err();
    assert!(matches!(error, ServiceError::Cancelled { verb: Verb::Stop, .. }), "{error}");
    while alive(&odd.path("helper")) || alive(&odd.path("pid")) {
        std::thread::yield_now();
    }
    let error = odd.services.stop(&odd.name, &Patience::firm(SHORT)).unwrap_err();
    assert!(matches!(error, ServiceError::TimedOut { verb: Verb::Stop, .. }), "{error}");
    assert_eq!(odd.told("status"), 0);
}

#[test]
fn a_start_command_that_hangs_is_killed_but_not_the_service_it_started() {
    let start = "sleep 1000 & echo $! >$dir/service; echo $$ >$dir/pid; wait";
    let odd = Odd::new(start, "", STATUS);
    let ready = || fs::read_to_string(odd.path("pid")).is_ok_and(|pid| pid.ends_with('\n'));
    let error = odd.services.start(&odd.name, &Patience::new(LONG, &ready)).unwrap_err();
    assert!(matches!(error, ServiceError::Cancelled { verb: Verb::Start, .. }), "{error}");
    while alive(&odd.path("pid")) {
        std::thread::yield_now();
    }
    assert!(alive(&odd.path("service")));
    end(&odd.path("service"));
}

#[test]
fn a_service_that_starts_and_dies_is_not_running() {
    let odd = Odd::new("echo up and away", "", STATUS);
    let error = odd.services.start(&odd.name, &Patience::firm(SHORT)).unwrap_err();
    let ServiceError::TimedOut { verb: Verb::Start, said, .. } = &error else { panic!("{error}") };
    assert_eq!(said, "up and away");
    assert_eq!(odd.told("start"), 1);
}

#[test]
fn a_daemon_that_keeps_its_output_open_neither_hangs_the_start_nor_dies_of_it() {
    let daemon = "while [ -d $dir ]; do echo still here; sleep 0.05; done";
    let start = format!("({daemon}) & echo $! >$dir/daemon; touch $dir/running");
    let odd = Odd::new(&start, "", STATUS);
    let begun = Instant::now();
    odd.services.start(&odd.name, &Patience::firm(LONG)).unwrap();
    assert!(begun.elapsed() < LONG);
    assert!(alive(&odd.path("daemon")));
    end(&odd.path("daemon"));
}

#[test]
fn only_the_end_of_a_long_output_is_quoted() {
    let odd =
        Odd::new("", "i=0; while [ $i -lt 600 ]; do echo サービス $i; i=$((i+1)); done; exit 1", STATUS);
    let error = odd.services.stop(&odd.name, &Patience::firm(LONG)).unwrap_err();
    let told = error.to_string();
    assert!(told.len() <= 2048 + 200 && told.ends_with("サービス 599"), "{told}");
    assert!(!told.contains('\u{fffd}'), "{told}");
}

#[test]
fn a_status_that_is_neither_running_nor_stopped_is_an_error() {
    for (text, code) in [("echo dead; exit 1", Some(1)), ("exit 4", Some(4)), ("kill -9 $$", None)] {
        let odd = Odd::new("", "", text);
        let error = odd.services.state(&odd.name).unwrap_err();
        assert!(matches!(&error, ServiceError::Nonsense { code: it, .. } if *it == code), "{error}");
    }
}

#[test]
fn a_status_that_hangs_is_killed_at_its_own_limit() {
    let odd = Odd::with_status_limit("", "", "exec sleep 1000", 0);
    let error = odd.services.state(&odd.name).unwrap_err();
    assert!(matches!(error, ServiceError::StatusTimedOut { seconds: 0, .. }), "{error}");
}

#[test]
fn a_status_that_fails_while_the_service_changes_is_asked_again() {
    let status = "[ $(grep -c status $dir/told) -gt 3 ] || exit 4; exit 3";
    let odd = Odd::new("", "", status);
    odd.services.stop(&odd.name, &Patience::firm(LONG)).unwrap();
    assert_eq!([odd.told("stop"), odd.told("status")], [1, 4]);
}

#[test]
fn a_status_that_never_makes_sense_is_told_at_the_limit() {
    let odd = Odd::new("", "", "echo what; exit 4");
    let error = odd.services.stop(&odd.name, &Patience::firm(SHORT)).unwrap_err();
    assert!(
        matches!(&error, ServiceError::Nonsense { code: Some(4), said, .. } if said == "what"),
        "{error}"
    );
}

#[test]
fn a_wait_for_a_service_can_be_called_off() {
    let odd = Odd::new("", "", STATUS);
    fs::write(odd.path("running"), "").unwrap();
    let asked = || odd.told("status") > 0;
    let error = odd.services.stop(&odd.name, &Patience::new(LONG, &asked)).unwrap_err();
    assert!(matches!(error, ServiceError::Cancelled { verb: Verb::Stop, .. }), "{error}");
}

#[test]
fn commands_run_without_input_in_the_root_folder_and_in_a_group_of_their_own() {
    let group = r#"read -r pid comm state parent group rest </proc/self/stat; echo $group $$"#;
    let odd = Odd::new("", &format!("read -r line && echo input; pwd; {group}; exit 1"), STATUS);
    let error = odd.services.stop(&odd.name, &Patience::firm(LONG)).unwrap_err();
    let ServiceError::Refused { said, .. } = error else { panic!("{error}") };
    let lines: Vec<_> = said.lines().collect();
    let [folder, groups] = lines[..] else { panic!("{said}") };
    assert_eq!(folder, "/");
    let (group, own) = groups.split_once(' ').unwrap();
    assert_eq!(group, own);
}

#[test]
fn programs_must_be_named_by_absolute_paths_and_must_exist() {
    let name: ServiceName = "s".parse().unwrap();
    let with = |start: &[&str]| {
        let argv = |a: &[&str]| a.iter().map(|s| (*s).to_owned()).collect();
        let set =
            CommandSet { start: argv(start), stop: argv(&["/nowhere/ctl"]), status: argv(&["/nowhere/ctl"]) };
        open(
            &ServiceAccess::Commands(BTreeMap::from([(name.clone(), set)])),
            &BTreeMap::new(),
            &Timeouts::default(),
        )
    };
    for bad in [&["ctl"][..], &["./ctl"], &[""], &[]] {
        assert!(matches!(with(bad), Err(ServiceError::NotAbsolute { verb: Verb::Start, .. })), "{bad:?}");
    }
    let services = with(&["/bin/bash", "-o", "errexit", "srv/ctl"]).unwrap();
    assert!(matches!(services.state(&name), Err(ServiceError::Spawn { .. })));
    let programs = ["/bin/bash", "/nowhere/ctl", "/srv/ctl"].map(PathBuf::from);
    assert_eq!(services.programs(), programs, "a relative script is found from where commands run");
}

#[test]
fn the_system_s_own_manager_is_only_there_where_systemd_runs() {
    let open = open(&ServiceAccess::System, &BTreeMap::new(), &Timeouts::default());
    match Path::new("/run/systemd/system").is_dir() {
        true => assert!(open.is_ok_and(|services| !services.programs().is_empty())),
        false => assert!(matches!(open, Err(ServiceError::NoManager))),
    }
}
