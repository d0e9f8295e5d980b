//! Services that are units of a real systemd, booted for the test.
#![cfg(target_os = "linux")]

use backout_kit::Booted;
use std::path::{Path, PathBuf};

/// The example `services`, which does by hand what the engine does.
fn program() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().nth(2).unwrap().join("examples/services")
}

/// A machine with some units, running. `None` where there can be none.
fn machine(units: &[(&str, &str)]) -> Option<Booted> {
    let mut machine = Booted::off()?;
    machine.share_for_reading(program().parent().unwrap());
    for (name, text) in units {
        machine.unit(name, text);
    }
    machine.boot();
    machine.settled();
    Some(machine)
}

trait Call {
    /// Calls the example inside, with a limit.
    fn call_within(&self, seconds: u32, arguments: &[&str]) -> String;
    fn call(&self, arguments: &[&str]) -> String {
        self.call_within(60, arguments)
    }
}

impl Call for Booted {
    fn call_within(&self, seconds: u32, arguments: &[&str]) -> String {
        let mut command = self.command(program().to_str().unwrap());
        command.args(arguments).env("SERVICES_LIMIT", seconds.to_string());
        command.env(
            "SERVICES_UNITS",
            "Trend ServerProtect=spnt;Trend ServerProtect Agent=agent.service;Strange=a/b",
        );
        if arguments.contains(&"spnt") || !arguments.contains(&"Strange") {
            command.env("SERVICES_UNITS", "Trend ServerProtect=spnt;Trend ServerProtect Agent=agent.service");
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap().trim().to_owned()
    }
}

const SLEEP: &str = "[Service]\nExecStart=/usr/bin/sleep 100000\n";

fn sleep(head: &str, more: &str) -> String {
    format!("[Unit]\n{head}\n{SLEEP}{more}\n")
}

#[test]
fn a_unit_is_stopped_and_started_and_its_state_is_told() {
    let Some(m) = machine(&[
        ("spnt.service", SLEEP),
        ("once.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/true\n"),
    ]) else {
        return;
    };
    for name in ["spnt", "spnt.service", "Trend ServerProtect", "once"] {
        assert_eq!(m.call(&["state", name]), "Stopped");
        assert_eq!(m.call(&["start", name]), "done");
        assert_eq!(m.call(&["state", name]), "Running");
        assert_eq!(m.call(&["start", name]), "done");
        assert_eq!(m.call(&["stop", name]), "done");
        assert_eq!(m.call(&["state", name]), "Stopped");
        assert_eq!(m.call(&["stop", name]), "done");
    }
    for absent in ["nosuch", "No Such Service", "サービス"] {
        assert_eq!(m.call(&["state", absent]), "NotInstalled");
    }
    let no = m.call(&["start", "nosuch"]);
    println!("{no}");
    assert!(no.starts_with("error: the service `nosuch` refused to start (exit code 5)"), "{no}");
    assert_eq!(m.call(&["hint", "Trend ServerProtect"]), "systemctl start spnt.service");
}
