//! The real binary in a machine of its own, whose process 1 is a real systemd: services are units, and the power fails.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Booted, Run, Systemd, World, built};
use std::{fs, process::Command, thread, time::Duration};

/// The small product, patched, in a machine whose units are its two services. `None` where there can be no systemd.
fn booted(second: &str) -> Option<(World, Booted)> {
    let mut machine = Booted::off()?;
    let world = World::small();
    let site = format!(
        "(\n vars: {{ \"home\": {:?} }},\n services: System,\n units: {{ \"First\": \"first.service\", \"Second\": \"second\" }},\n)\n",
        world.home
    );
    fs::write(&world.site, site).unwrap();
    machine.share(world.path());
    machine.share_for_reading(built().backout.parent().unwrap());
    machine.unit("first.service", "[Service]\nExecStart=/usr/bin/sleep 100000\n");
    machine.unit("second.service", second);
    for unit in ["first.service", "second.service"] {
        machine.enable(unit, "multi-user.target");
    }
    machine.boot();
    machine.settled();
    Some((world, machine))
}

/// A call of the binary, to be made inside.
fn inside(machine: &Booted, outside: &Command) -> Command {
    let mut command = machine.command(outside.get_program().to_str().unwrap());
    command.args(outside.get_args());
    command
}

fn run(machine: &Booted, outside: &Command) -> Run {
    Run::of(&inside(machine, outside).output().unwrap())
}

fn lives(machine: &Booted) -> [String; 2] {
    ["first", "second"].map(|unit| machine.property(unit, "InvocationID"))
}

#[test]
fn units_are_stopped_for_the_window_and_started_again() {
    let Some((world, machine)) =
        booted("[Unit]\nAfter=first.service\n[Service]\nExecStart=/usr/bin/sleep 100000\n")
    else {
        return;
    };
    let before = lives(&machine);
    let done = run(&machine, &world.verb_command("rollback", &[])).ends(0);
    assert_eq!(done.json["outcome"], "done");
    assert_eq!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "old a");
    let after = lives(&machine);
    assert!(before[0] != after[0] && before[1] != after[1], "both were started again: {before:?} {after:?}");
    for unit in ["first", "second"] {
        assert_eq!(machine.property(unit, "ActiveState"), "active");
    }
}

#[test]
fn a_run_that_a_power_cut_ended_is_settled_in_the_next_boot() {
    let second = "[Service]\nExecStart=/usr/bin/sleep 100000\n\
                  ExecStop=/bin/sh -c 'touch /run/stopping; sleep 100000'\nTimeoutStopSec=100000\n";
    let Some((world, mut machine)) = booted(second) else { return };
    let before = world.files();
    let mut child = inside(&machine, &world.verb_command("rollback", &[])).spawn().unwrap();
    while !machine.run(&["test", "-e", "/run/stopping"]).status.success() {
        assert!(child.try_wait().unwrap().is_none(), "it must be waiting for the second service");
        thread::sleep(Duration::from_millis(10));
    }
    machine.power_cut();
    child.wait().unwrap();

    machine.boot();
    machine.settled();
    let mut recover = world.command(&["recover"]);
    recover.arg("--json");
    let settled = run(&machine, &recover).ends(0);
    assert_eq!(settled.json["outcome"], "rolled-back");
    assert!(world.files() == before);
    for unit in ["first", "second"] {
        assert_eq!(machine.property(unit, "ActiveState"), "active");
    }
}
