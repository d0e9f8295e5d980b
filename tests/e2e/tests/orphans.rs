//! Commands that outlive the process that gave them are waited for before anything is taken for settled.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, Systemd, Twin, World, place};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Makes the first `systemctl stop` slow to get going: it says `reached`, waits for `go`, and says `done`.
fn slow_stop(twin: &Twin, at: &Path) {
    let bin = twin.etc("").ancestors().nth(1).unwrap().join("bin");
    fs::rename(bin.join("systemctl"), bin.join("twin")).unwrap();
    let at = at.display();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' stop '*) [ -e {at}/reached ] || {{\n  touch {at}/reached\n  \
         while [ ! -e {at}/go ]; do sleep 0.01; done\n  /usr/bin/twin \"$@\"; code=$?\n  touch {at}/done\n  \
         exit $code; }} ;;\nesac\nexec /usr/bin/twin \"$@\"\n"
    );
    place::script(&script, &bin.join("systemctl"));
}

#[test]
fn a_stop_that_the_manager_hears_of_after_the_death_of_who_gave_it_is_waited_for() {
    let Some(twin) = Twin::new() else { return };
    let world = World::small();
    slow_stop(&twin, world.path());
    for unit in ["first", "second"] {
        twin.unit(&format!("{unit}.service"), "[Service]\nExecStart=/bin/true\n");
    }
    twin.systemctl(&["daemon-reload"]);
    twin.systemctl(&["start", "first", "second"]);
    let site = format!(
        "( vars: {{ \"home\": {:?} }}, services: System, units: {{ \"First\": \"first\", \"Second\": \"second\" }} )",
        world.home
    );
    fs::write(&world.site, site).unwrap();
    let words = world.verb_command("rollback", &[]);
    let mut command = twin.command(words.get_program().to_str().unwrap());
    command.args(words.get_args()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parent = command.spawn().unwrap();
    let there = |name: &str| world.path().join(name).exists();
    while !there("reached") {
        assert!(parent.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::yield_now();
    }
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    let worker = fs::read_to_string(children).unwrap();
    assert!(Command::new("/bin/kill").args(["-KILL", worker.trim()]).status().unwrap().success());
    // Whoever does not wait has settled the run by then.
    let until = Instant::now() + Duration::from_secs(2);
    while parent.try_wait().unwrap().is_none() && Instant::now() < until {
        std::thread::yield_now();
    }
    fs::write(world.path().join("go"), "").unwrap();
    Run::of(&parent.wait_with_output().unwrap()).ends(20);
    while !there("done") {
        std::thread::yield_now();
    }
    assert_eq!(twin.property("first", "ActiveState"), "active");
    assert_eq!(twin.property("second", "ActiveState"), "active");
}
