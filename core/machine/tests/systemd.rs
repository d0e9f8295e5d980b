//! Services that are systemd's units: of a real systemd, booted for the test, and of a twin.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "writes the files that units look at, and stops at the first surprise"
)]

use backout_kit::{Booted, Systemd, Twin, binary::example, place};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// The example `services`, which does by hand what the engine does.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| example("backout-machine", "services"))
}

/// A machine with some units, switched off. `None` where there can be none.
fn off(units: &[(&str, &str)]) -> Option<Booted> {
    let mut machine = Booted::off()?;
    machine.share_for_reading(program().parent().unwrap());
    for (name, text) in units {
        machine.unit(name, text);
    }
    Some(machine)
}

/// A machine with some units, running: a real one or a twin.
type Make = fn(&[(&str, &str)]) -> Option<Box<dyn Systemd>>;

fn twin(units: &[(&str, &str)]) -> Option<Box<dyn Systemd>> {
    Some(Box::new(odd_twin(units)?))
}

fn odd_twin(units: &[(&str, &str)]) -> Option<Twin> {
    let twin = Twin::new()?;
    for (name, text) in units {
        twin.unit(name, text);
    }
    assert_eq!(twin.systemctl(&["daemon-reload"]), "");
    Some(twin)
}

fn real(units: &[(&str, &str)]) -> Option<Box<dyn Systemd>> {
    Some(Box::new(machine(units)?))
}

/// These tests are made twice: what the twin does is what the real one does.
macro_rules! both {
    ($($name:ident)*) => {
        mod of_a_real_systemd {
            $(#[test] fn $name() { super::$name(super::real) })*
        }
        mod of_a_twin {
            $(#[test] fn $name() { super::$name(super::twin) })*
        }
    };
}

both! {
    a_unit_is_stopped_and_started_and_its_state_is_told
    what_stops_with_a_unit_and_what_starts_it_are_its_companions
    a_unit_between_two_lives_is_restarting_and_can_be_stopped_and_started
    a_start_that_fails_says_how
    a_unit_that_could_not_be_started_again_is_no_service_to_stop
    a_hold_keeps_a_unit_down_against_everything_that_would_start_it
    how_a_unit_is_kept_is_told_and_it_is_enabled_and_disabled
}

/// A real machine with some units, running.
fn machine(units: &[(&str, &str)]) -> Option<Booted> {
    let mut machine = off(units)?;
    machine.boot();
    machine.settled();
    Some(machine)
}

trait Call {
    /// Calls the example inside.
    fn call_with(&self, units: &str, seconds: u32, arguments: &[&str]) -> String;
    fn call(&self, arguments: &[&str]) -> String {
        self.call_with("", 60, arguments)
    }
    fn call_within(&self, seconds: u32, arguments: &[&str]) -> String {
        self.call_with("", seconds, arguments)
    }
}

impl<S: Systemd + ?Sized> Call for S {
    fn call_with(&self, units: &str, seconds: u32, arguments: &[&str]) -> String {
        let mut command = self.command(program().to_str().unwrap());
        command.args(arguments).env("SERVICES_LIMIT", seconds.to_string()).env("SERVICES_UNITS", units);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap().trim().to_owned()
    }
}

/// Waits for what takes a moment.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

const SLEEP: &str = "[Service]\nExecStart=/usr/bin/sleep 100000\n";
const UNITS: &str = "Trend ServerProtect=spnt;Trend ServerProtect Agent=agent.service";

/// A service that sleeps, with settings of its unit.
fn tied(settings: &str) -> String {
    format!("[Unit]\n{settings}\n{SLEEP}")
}

fn a_unit_is_stopped_and_started_and_its_state_is_told(make: Make) {
    let once = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/true\n";
    let Some(m) = make(&[("spnt.service", SLEEP), ("once.service", once)]) else { return };
    let call = |arguments: &[&str]| m.call_with(UNITS, 60, arguments);
    for name in ["spnt", "spnt.service", "Trend ServerProtect", "once"] {
        assert_eq!(call(&["state", name]), "Stopped");
        assert_eq!(call(&["start", name]), "done");
        assert_eq!(call(&["state", name]), "Running");
        assert_eq!(call(&["start", name]), "done", "it runs already");
        assert_eq!(call(&["stop", name]), "done");
        assert_eq!(call(&["state", name]), "Stopped");
        assert_eq!(call(&["stop", name]), "done", "it is down already");
    }
    for absent in ["nosuch", "No Such Service", "サービス", "Trend ServerProtect Agent"] {
        assert_eq!(call(&["state", absent]), "NotInstalled");
        assert_eq!(call(&["companions", absent]), "");
    }
    let no = call(&["start", "nosuch"]);
    assert!(no.starts_with("error: the service `nosuch` refused to start (exit code 5), it said: "), "{no}");
    assert_eq!(call(&["start", "サービス"]), "error: the service `サービス` is not installed");
    assert_eq!(call(&["hint", "Trend ServerProtect"]), "systemctl start spnt.service");
    let bad = m.call_with("x=a/b", 60, &["state", "x"]);
    assert!(bad.starts_with("error: the service `x` cannot be the unit `a/b`: "), "{bad}");
}

fn what_stops_with_a_unit_and_what_starts_it_are_its_companions(make: Make) {
    let Some(m) = make(&[
        ("spnt.service", SLEEP),
        ("spnt.socket", "[Socket]\nListenStream=/run/spnt.sock\n"),
        ("spnt.timer", "[Timer]\nOnActiveSec=100000\n"),
        ("drop.path", "[Path]\nPathExists=/run/go\nUnit=spnt.service\n"),
        // One tie of each kind, and one that is none.
        ("agent.service", &tied("Requires=spnt.service\nAfter=spnt.service")),
        ("bound.service", &tied("BindsTo=agent.service\nAfter=agent.service")),
        ("part.service", &tied("PartOf=spnt.service")),
        ("requisite.service", &tied("Requisite=spnt.service\nAfter=spnt.service")),
        ("wanting.service", &tied("Wants=spnt.service")),
        // Reached by way of a target.
        ("suite.target", "[Unit]\nRequires=spnt.service\n"),
        ("suite.service", &tied("PartOf=suite.target")),
        // A dependent that does not run, and what would start it.
        ("backup.service", &tied("Requires=spnt.service")),
        ("backup.timer", "[Timer]\nOnActiveSec=100000\n"),
    ]) else {
        return;
    };
    let all =
        ["spnt.socket", "spnt.timer", "drop.path", "spnt", "agent", "bound", "part", "requisite", "wanting"];
    for unit in all.iter().chain(&["suite.target", "suite.service", "backup.timer"]) {
        assert_eq!(m.systemctl(&["start", unit]), "", "{unit}");
    }
    let told = m.call_with(UNITS, 60, &["companions", "Trend ServerProtect"]);
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    let mut wanted = vec![
        "Dependent Trend ServerProtect Agent",
        "Dependent backup.service",
        "Dependent bound.service",
        "Dependent part.service",
        "Dependent requisite.service",
        "Dependent suite.service",
        "Socket spnt.socket",
        "Trigger backup.timer",
        "Trigger drop.path",
        "Trigger spnt.timer",
    ];
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
    assert_eq!(m.call(&["companions", "wanting"]), "");

    // The proof: that is what systemd stops.
    assert_eq!(m.call(&["stop", "spnt"]), "done");
    for down in ["agent", "bound", "part", "requisite", "suite.service"] {
        until(down, || m.call(&["state", down]) == "Stopped");
    }
    for up in ["wanting", "spnt.socket", "spnt.timer", "drop.path", "backup.timer"] {
        assert_eq!(m.call(&["state", up]), "Running", "{up}");
    }
    // And a companion is stopped and started as a service is.
    for name in ["spnt.socket", "spnt.timer", "drop.path"] {
        assert_eq!(m.call(&["stop", name]), "done");
        assert_eq!(m.call(&["state", name]), "Stopped");
        assert_eq!(m.call(&["start", name]), "done");
    }
}

fn a_unit_between_two_lives_is_restarting_and_can_be_stopped_and_started(make: Make) {
    let flap = "[Service]\nExecStart=/usr/bin/test -e /run/well\nType=oneshot\nRemainAfterExit=yes\n\
                Restart=on-failure\nRestartSec=1000\n";
    let Some(m) = make(&[("flap.service", flap)]) else { return };
    m.systemctl(&["start", "--no-block", "flap"]);
    until("flap", || m.property("flap", "SubState") == "auto-restart");
    assert_eq!(m.call(&["state", "flap"]), "Restarting");
    assert_eq!(m.call(&["stop", "flap"]), "done");
    assert_eq!(m.call(&["state", "flap"]), "Stopped");
    m.systemctl(&["start", "--no-block", "flap"]);
    until("flap", || m.property("flap", "SubState") == "auto-restart");
    m.run(&["touch", "/run/well"]);
    assert_eq!(m.call(&["start", "flap"]), "done");
    assert_eq!(m.call(&["state", "flap"]), "Running");
}

fn a_start_that_fails_says_how(make: Make) {
    let Some(m) = make(&[
        ("seven.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n"),
        ("needs.service", &tied("Requires=seven.service\nAfter=seven.service")),
        ("skips.service", &tied("ConditionPathExists=!/etc/passwd")),
        ("kept.service", &tied("ConditionPathExists=!/etc/passwd")),
        ("keeper.service", &tied("Wants=kept.service")),
        ("oneshot.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n"),
        ("hangs.service", "[Service]\nType=notify\nExecStart=/usr/bin/sleep 100000\n"),
        ("bad.service", "[Service]\nExecStart=relative/no\n"),
    ]) else {
        return;
    };
    assert_eq!(
        m.call(&["start", "seven"]),
        "error: the service `seven` was started and did not stay up: its unit `seven.service` is \
         failed (failed), Result=exit-code, ExecMainStatus=7"
    );
    let no = m.call(&["start", "needs"]);
    assert!(no.starts_with("error: the service `needs` refused to start (exit code 1)"), "{no}");
    assert!(no.contains("A dependency job for needs.service failed."), "{no}");
    let no = m.call(&["start", "skips"]);
    assert!(no.ends_with("it ended at once, or a condition of it is not met"), "systemd forgot: {no}");
    // It is remembered of a unit that another one refers to.
    m.systemctl(&["start", "keeper"]);
    assert_eq!(
        m.call(&["start", "kept"]),
        "error: the service `kept` was not started: a condition of its unit `kept.service` is not met"
    );
    assert_eq!(m.call(&["start", "oneshot"]), "done");
    let no = m.call_within(2, &["start", "hangs"]);
    assert!(
        no.starts_with("error: the service `hangs` did not start within 2 s, it said: activating (start)"),
        "{no}"
    );
    assert_eq!(m.call(&["state", "hangs"]), "Starting", "the manager's job goes on");
    assert_eq!(m.call(&["stop", "hangs"]), "done");
    let no = m.call(&["start", "bad"]);
    assert!(no.contains("bad unit file setting"), "{no}");
}

#[test]
fn a_unit_that_fell_too_often_may_be_started_all_the_same() {
    let Some(m) = machine(&[(
        "burst.service",
        "[Service]\nExecStart=/usr/bin/test -e /run/well\nRemainAfterExit=yes\nRestart=always\nRestartSec=0\n",
    )]) else {
        return;
    };
    m.systemctl(&["start", "burst"]);
    until("burst", || m.property("burst", "ActiveState") == "failed");
    assert_eq!(m.call(&["state", "burst"]), "Stopped");
    m.run(&["touch", "/run/well"]);
    assert_eq!(m.call(&["start", "burst"]), "done");
}

#[test]
fn a_start_that_waits_its_turn_counts_as_about_to_run() {
    let Some(m) = machine(&[
        ("hangs.service", "[Service]\nType=notify\nExecStart=/usr/bin/sleep 100000\n"),
        ("queued.service", &tied("After=hangs.service")),
    ]) else {
        return;
    };
    m.systemctl(&["start", "--no-block", "hangs"]);
    m.systemctl(&["start", "--no-block", "queued"]);
    assert_eq!(m.call(&["state", "queued"]), "Restarting");
    assert_eq!(m.call(&["stop", "queued"]), "done");
    assert_eq!(m.call(&["state", "queued"]), "Stopped");
    assert_eq!(m.systemctl(&["list-jobs", "--no-legend", "queued.service"]), "", "its job is called off");
}

#[test]
fn a_unit_is_stopped_when_its_processes_are_gone() {
    let stubborn = "[Service]\nExecStartPre=/bin/rm -f /run/go\nExecStart=/bin/sh -c 'trap \"\" TERM; while [ ! -e /run/go ]; do sleep 0.05; done'\n\
                    TimeoutStopSec=1000\n";
    let leaves = "[Service]\nKillMode=process\nExecStart=/bin/sh -c 'sleep 100000 & exec sleep 100000'\n";
    let Some(m) = machine(&[
        ("stubborn.service", stubborn),
        ("leaves.service", leaves),
        ("kept.service", &tied("RefuseManualStop=yes")),
    ]) else {
        return;
    };
    for unit in ["stubborn", "leaves", "kept"] {
        m.systemctl(&["start", unit]);
    }
    let no = m.call_within(2, &["stop", "stubborn"]);
    assert!(
        no.starts_with(
            "error: the service `stubborn` did not stop within 2 s, it said: deactivating (stop-sigterm)"
        ),
        "{no}"
    );
    let no = m.call_within(1, &["state", "stubborn"]);
    assert!(no.starts_with("error: the service `stubborn` is still stopping: "), "{no}");
    // Told to start meanwhile, it is started when it is down, as the very next life.
    let before = m.property("stubborn", "InvocationID");
    m.run(&["sh", "-c", "(sleep 1; touch /run/go) >/dev/null 2>&1 &"]);
    assert_eq!(m.call(&["start", "stubborn"]), "done");
    assert_ne!(m.property("stubborn", "InvocationID"), before);
    m.run(&["touch", "/run/go"]);
    assert_eq!(m.call(&["stop", "stubborn"]), "done");

    let no = m.call_within(2, &["stop", "leaves"]);
    assert!(
        no.contains("did not stop within 2 s, it said: inactive (dead), processes of its control group: "),
        "{no}"
    );
    m.run(&["systemctl", "kill", "leaves"]);
    until("its group", || m.call_within(1, &["stop", "leaves"]) == "done");

    let no = m.call(&["stop", "kept"]);
    assert!(no.starts_with("error: the service `kept` refused to stop (exit code 4)"), "{no}");
}

fn a_unit_that_could_not_be_started_again_is_no_service_to_stop(make: Make) {
    let Some(m) = make(&[("masked.service", SLEEP), ("gone.service", SLEEP), ("idle.service", SLEEP)]) else {
        return;
    };
    for unit in ["masked", "gone"] {
        m.systemctl(&["start", unit]);
        fs::remove_file(m.etc("systemd/system").join(format!("{unit}.service"))).unwrap();
    }
    fs::remove_file(m.etc("systemd/system/idle.service")).unwrap();
    m.systemctl(&["mask", "masked", "idle"]);
    assert_eq!(m.call(&["reload"]), "done");
    let error = |unit: &str, load: &str| {
        format!(
            "error: the service `{unit}` runs, but once stopped it could not be started again: its unit \
             `{unit}.service` is {load}"
        )
    };
    assert_eq!(m.call(&["state", "masked"]), error("masked", "masked"));
    assert_eq!(m.call(&["state", "gone"]), error("gone", "not-found"));
    assert_eq!(m.call(&["state", "idle"]), "Stopped");
    for unit in ["masked", "gone"] {
        assert_eq!(m.call(&["stop", unit]), "done");
    }
    assert_eq!(m.call(&["state", "gone"]), "NotInstalled");
    let no = m.call(&["start", "masked"]);
    assert!(
        no.starts_with("error: the service `masked` refused to start (exit code 1)")
            && no.contains("is masked."),
        "{no}"
    );
}

fn a_hold_keeps_a_unit_down_against_everything_that_would_start_it(make: Make) {
    let Some(m) = make(&[
        (
            "spnt.service",
            "[Unit]\nConditionPathExists=/etc/passwd\n[Service]\nExecStart=/usr/bin/sleep 100000\n[Install]\nAlias=alias.service\n",
        ),
        // Empties the list of conditions, as an administrator may.
        ("spnt.service.d/override.conf", "[Unit]\nConditionPathExists=\n"),
        ("spnt.socket", "[Socket]\nListenStream=/run/spnt.sock\n"),
        ("agent.service", &tied("Wants=spnt.service")),
    ]) else {
        return;
    };
    for odd in ["/run/state", "/run/a b", "/run/50% \"q\" 'q' $HOME \\x41", "/run/データ/ü"] {
        let file = format!("{odd}/unsettled");
        m.run(&["mkdir", "-p", odd]);
        m.run(&["touch", &file]);
        assert_eq!(m.call(&["hold", &file, "spnt", "spnt.socket"]), "done");
        let no = m.call(&["start", "spnt"]);
        assert!(no.starts_with("error: the service `spnt` was "), "{odd}: {no}");
        m.systemctl(&["start", "agent"]);
        assert_eq!(m.call(&["state", "spnt"]), "Stopped", "{odd}");
        let no = m.call(&["start", "spnt.socket"]);
        assert!(no.starts_with("error: the service `spnt.socket` was "), "{odd}: {no}");
        // Settled.
        m.run(&["rm", &file]);
        assert_eq!(m.call(&["start", "spnt.socket"]), "done", "{odd}");
        assert_eq!(m.call(&["start", "spnt"]), "done", "{odd}");
        assert_eq!(m.call(&["stop", "spnt"]), "done");
        assert_eq!(m.call(&["stop", "spnt.socket"]), "done");
        m.systemctl(&["stop", "agent"]);
        assert_eq!(m.call(&["release", &file, "spnt", "spnt.socket"]), "done");
    }
}

fn how_a_unit_is_kept_is_told_and_it_is_enabled_and_disabled(make: Make) {
    let installed = format!("{}[Install]\nWantedBy=multi-user.target\n", tied("Requires=b.service"));
    let Some(machine) = make(&[("a.service", &installed), ("b.service", SLEEP)]) else { return };
    let link = machine.etc("systemd/system/multi-user.target.wants/a.service");
    let told = machine.call(&["configuration", "a"]);
    for line in ["unit file state=disabled", "unit file=/etc/systemd/system/a.service", "Requires=b.service"]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(machine.call(&["configuration", "b"]).contains("unit file state=static"));
    assert_eq!(machine.call(&["configuration", "nosuch"]), "none");

    // As often as it is asked for: a recovery does again what was done.
    for (verb, state) in [("enable", "enabled"), ("enable", "enabled"), ("disable", "disabled")] {
        assert_eq!(machine.call(&[verb, "a"]), "done");
        assert!(machine.call(&["configuration", "a"]).contains(&format!("unit file state={state}\n")));
        assert_eq!(link.is_symlink(), verb == "enable");
    }
    let said = machine.call(&["enable", "b"]);
    assert!(said.contains("does not tell or change how the service `b` is configured"), "{said}");
    assert_eq!(machine.call(&["state", "a"]), "Stopped", "it is not started by that");
}

#[test]
fn a_hold_by_another_name_counts_and_systemd_finds_no_fault_with_it() {
    let Some(m) = machine(&[("spnt.service", &(SLEEP.to_owned() + "[Install]\nAlias=alias.service\n"))])
    else {
        return;
    };
    m.systemctl(&["enable", "spnt"]);
    // The path, and how `systemctl` shows the mounts that it asks for.
    for (odd, shown) in [
        ("/run/state", "/run/state"),
        ("/run/50% \"q\" 'q' $HOME", r#""/run/50% \"q\" 'q' \$HOME""#),
        ("/run/back\\x41slash", "/run"),
        ("/run/データ/ü", "/run/データ/ü"),
    ] {
        let file = format!("{odd}/unsettled");
        m.run(&["mkdir", "-p", odd]);
        m.run(&["touch", &file]);
        assert_eq!(m.call(&["hold", &file, "alias"]), "done");
        assert!(m.call(&["start", "spnt"]).starts_with("error: "));
        assert_eq!(m.property("spnt", "RequiresMountsFor"), shown);
        assert!(
            !m.console().contains("zz-backout-hold.conf:"),
            "systemd found fault with it: {}",
            m.console()
        );
        m.run(&["rm", &file]);
        assert_eq!(m.call(&["start", "spnt"]), "done");
        assert_eq!(m.call(&["stop", "spnt"]), "done");
    }
}

#[test]
fn a_manager_that_replaces_itself_is_asked_again() {
    let Some(m) = machine(&[("spnt.service", SLEEP), ("other.service", SLEEP)]) else { return };
    assert_eq!(m.call(&["start", "spnt"]), "done");
    let mut again = m.command("sh");
    let loop_ = "while [ ! -e /run/enough ]; do systemctl daemon-reexec; systemctl daemon-reload; done";
    let mut again = again.args(["-c", loop_]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..50 {
        assert_eq!(m.call(&["state", "spnt"]), "Running");
    }
    for _ in 0..5 {
        assert_eq!(m.call(&["start", "other"]), "done");
        assert_eq!(m.call(&["stop", "other"]), "done");
    }
    m.run(&["touch", "/run/enough"]);
    again.wait().unwrap();
}

/// What stands in for backout: it writes down how it was called, what ran then and what our own eyes see. Early in
/// boot it does what a file `early` in its state folder says.
const STAND_IN: &str = "#!/bin/sh
state=$4
runs=$(systemctl is-active spnt.service spnt.socket | tr '\\n' ' ')
echo \"$@: $runs$(PROGRAM state spnt)\" >>\"$state/log\"
case $2 in
--boot=files)
    [ -e \"$state/stuck\" ] && exit 21
    [ -e \"$state/early\" ] && . \"$state/early\"
    rm -f \"$state/unsettled\" ;;
--boot=services) sleep 100000 & echo $! >\"$state/child\"; PROGRAM start agent >>\"$state/log\" ;;
esac
";

fn stand_in(exe: &Path) {
    place::script(&STAND_IN.replace("PROGRAM", program().to_str().unwrap()), exe);
}

#[test]
fn after_a_power_cut_held_units_wait_until_files_are_settled() {
    let Some(mut m) = off(&[
        ("spnt.service", &(tied("") + "[Install]\nWantedBy=multi-user.target\n")),
        ("spnt.socket", "[Socket]\nListenStream=/run/spnt.sock\n[Install]\nWantedBy=sockets.target\n"),
        ("agent.service", SLEEP),
        ("early.service", &tied("DefaultDependencies=no")),
    ]) else {
        return;
    };
    let persistent = tempfile::tempdir().unwrap();
    let state = persistent.path().join("state \"100%\" $x \\x41");
    fs::create_dir(&state).unwrap();
    let exe = persistent.path().join("back$out 2%");
    stand_in(&exe);
    m.share(persistent.path());
    // A run that is not over: without one neither unit has anything to do.
    fs::create_dir_all(state.join("transactions/run")).unwrap();
    for file in backout_machine::startup::files(&exe, &state).unwrap() {
        let name = file.path.file_name().unwrap().to_str().unwrap();
        m.unit(name, &file.text);
        m.enable(name, "multi-user.target");
    }
    for (unit, target) in [
        ("spnt.service", "multi-user.target"),
        ("early.service", "sysinit.target"),
        ("spnt.socket", "sockets.target"),
    ] {
        m.enable(unit, target);
    }
    let unsettled = state.join("unsettled");
    let log = || fs::read_to_string(state.join("log")).unwrap_or_default();
    let files = format!("recover --boot=files --state-dir {}: ", state.display());
    let services = files.replace("=files", "=services");

    // Nothing is unsettled: everything starts, and backout was asked.
    m.boot();
    m.settled();
    assert_eq!(m.call(&["state", "spnt"]), "Running", "{}", m.console());
    assert_eq!(m.property("backout-recover-files", "ActiveState"), "active", "{}", m.console());
    assert!(log().starts_with(&files), "{}", log());
    assert!(log().lines().nth(1).unwrap().starts_with(&services), "{}", log());
    assert_eq!(log().lines().last(), Some("done"), "a start from there is waited for without end: {}", log());
    assert!(!m.console().contains("ordering cycle"), "{}", m.console());
    let first = m.run(&["cat", "/proc/sys/kernel/random/boot_id"]).stdout;

    // A run begins, and the power goes.
    fs::write(&unsettled, "").unwrap();
    let file = unsettled.to_str().unwrap();
    assert_eq!(m.call(&["hold", file, "spnt", "spnt.socket", "early"]), "done");
    m.power_cut();
    fs::remove_file(state.join("log")).unwrap();
    m.boot();
    m.settled();
    assert_ne!(m.run(&["cat", "/proc/sys/kernel/random/boot_id"]).stdout, first, "another boot");
    assert!(!unsettled.exists());
    let told = log();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[0].strip_prefix(&files).unwrap().trim(),
        "inactive inactive Restarting",
        "they waited for it"
    );
    assert_eq!(
        lines[1].strip_prefix(&services).unwrap().trim(),
        "active active Running",
        "everything else was started"
    );
    assert_eq!(lines[2..], ["done"]);
    for unit in ["spnt", "spnt.socket", "early", "agent"] {
        assert_eq!(m.call(&["state", unit]), "Running", "{unit}: {}", m.console());
    }
    assert!(!m.console().contains("ordering cycle"), "{}", m.console());
    // A service that is reached by commands is its child, and outlives even a restart of the unit.
    let child = fs::read_to_string(state.join("child")).unwrap();
    m.systemctl(&["stop", "backout-recover-services"]);
    assert!(m.run(&["kill", "-0", child.trim()]).status.success());

    // A stop that early is possible, and calls off the start that the boot itself has in mind.
    fs::write(state.join("early"), format!("{} stop spnt >\"$state/stopped\"", program().display())).unwrap();
    fs::write(&unsettled, "").unwrap();
    m.power_cut();
    m.boot();
    m.settled();
    assert_eq!(fs::read_to_string(state.join("stopped")).unwrap().trim(), "done");
    // Its socket is another matter.
    assert_eq!(m.call(&["state", "spnt"]), "Stopped");
    assert_eq!(m.call(&["state", "spnt.socket"]), "Running");
    fs::remove_file(state.join("early")).unwrap();

    // Files that cannot be settled: held units stay down, and nothing else minds.
    fs::write(&unsettled, "").unwrap();
    fs::write(state.join("stuck"), "").unwrap();
    m.power_cut();
    m.boot();
    m.settled();
    for unit in ["spnt", "spnt.socket", "early"] {
        assert_eq!(m.call(&["state", unit]), "Stopped", "{unit}");
    }
    assert_eq!(m.call(&["state", "agent"]), "Running");
    assert_eq!(m.property("backout-recover-files", "ActiveState"), "failed");
    // A person settles them.
    fs::remove_file(&unsettled).unwrap();
    assert_eq!(m.call(&["start", "spnt"]), "done");
}

#[test]
fn units_of_ours_are_well_formed() {
    let analyze = Path::new("/usr/bin/systemd-analyze");
    if !analyze.exists() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let exe = dir.path().join("back$out 2%");
    stand_in(&exe);
    let units = backout_machine::startup::files(&exe, &dir.path().join("a b")).unwrap();
    let mut verify = std::process::Command::new(analyze);
    verify.args(["verify", "--man=no", "--generators=no"]);
    for unit in units {
        let path = dir.path().join(unit.path.file_name().unwrap());
        fs::write(&path, unit.text).unwrap();
        verify.arg(path);
    }
    let output = verify.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("backout")).collect();
    assert!(ours.is_empty(), "{said}");
}

#[test]
fn a_twin_answers_as_the_real_one_did_when_it_was_recorded() {
    let Some(m) = twin(&[("base.service", SLEEP), ("base.timer", "[Timer]\nOnActiveSec=100000\n")]) else {
        return;
    };
    m.systemctl(&["start", "base"]);
    let recorded = include_str!("systemctl/active.show");
    let keys = |text: &str| {
        text.lines().filter_map(|l| l.split_once('=')).map(|(k, _)| k.to_owned()).collect::<BTreeSet<_>>()
    };
    let asked: Vec<String> = keys(recorded).into_iter().collect();
    let shown = m.systemctl(&["show", "-p", &asked.join(","), "--", "base"]);
    assert_eq!(keys(&shown), keys(recorded));
    for same in [
        "Id=base.service",
        "LoadState=loaded",
        "ActiveState=active",
        "SubState=running",
        "Type=simple",
        "Job=",
    ] {
        assert!(shown.lines().any(|l| l == same) && recorded.lines().any(|l| l == same), "{same}");
    }
}

#[test]
fn a_manager_that_does_not_answer_is_told_of() {
    let Some(m) = odd_twin(&[("spnt.service", SLEEP)]) else { return };
    assert_eq!(m.call(&["start", "spnt"]), "done");
    m.odd("away");
    assert_eq!(
        m.call(&["state", "spnt"]),
        "error: systemd does not tell about the service `spnt`, its unit `spnt.service` (exit code 1), it said: \
         Failed to connect to bus: No such file or directory"
    );
    // Asked again until the limit, as it may be away for a moment only: it replaces itself when it is updated.
    let no = m.call_within(1, &["stop", "spnt"]);
    assert!(
        no.starts_with("error: the service `spnt` did not stop within 1 s, it said: Failed to connect"),
        "{no}"
    );
    m.odd("garbage");
    let no = m.call(&["state", "spnt"]);
    assert!(
        no.starts_with(
            "error: systemd's answer about the service `spnt`, its unit `spnt.service`, makes no sense"
        ),
        "{no}"
    );
    m.odd("silent");
    let no = m.call_within(1, &["state", "spnt"]);
    assert!(no.starts_with("error: the status command of the service `spnt` did not end within 1 s"), "{no}");
    m.odd("deaf");
    let no = m.call(&["reload"]);
    assert!(
        no.starts_with("error: the service manager did not read its configuration again: ")
            && no.contains("Refusing to reload."),
        "{no}"
    );
    m.odd("");
    assert_eq!(m.call(&["state", "spnt"]), "Running");
}

#[test]
fn the_end_of_a_unit_s_journal_is_quoted() {
    let seven = "[Service]\nType=oneshot\nExecStart=exit 7\n";
    let hangs = "[Service]\nType=notify\nExecStart=/usr/bin/sleep 100000\n";
    let Some(m) = odd_twin(&[("seven.service", seven), ("hangs.service", hangs)]) else { return };
    m.journal("no licence\nライセンスがありません");
    let no = m.call(&["start", "seven"]);
    assert!(no.ends_with("Result=exit-code, ExecMainStatus=7\nno licence\nライセンスがありません"), "{no}");
    let no = m.call_within(1, &["start", "hangs"]);
    assert!(no.ends_with("activating (start), Result=success\nno licence\nライセンスがありません"), "{no}");
}

#[test]
fn words_of_newer_versions_are_understood() {
    let flap = "[Service]\nExecStart=/usr/bin/false\nType=oneshot\nRestart=on-failure\nRestartSec=1000\n";
    let Some(m) = odd_twin(&[("spnt.service", SLEEP), ("flap.service", flap)]) else { return };
    m.systemctl(&["start", "--no-block", "spnt", "flap"]);
    m.odd("newer");
    assert_eq!(m.property("spnt", "ActiveState"), "refreshing");
    assert_eq!(m.call(&["state", "spnt"]), "Running");
    assert_eq!(m.property("flap", "SubState"), "auto-restart-queued");
    assert_eq!(m.call(&["state", "flap"]), "Restarting");
}
