//! Services that a real systemd manages, and what happens to an unfinished run at boot.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Machine, Run, place, snapshot};
use std::{fs, path::PathBuf, process::Command};

/// A machine that runs, with both services up, and the recovery at boot installed; `None`: not here.
fn machine() -> Option<Machine> {
    let mut machine = Machine::off()?;
    machine.boot();
    machine.systemctl(&["start", "second"]);
    assert!(machine.runs("first") && machine.runs("second"));
    told_alone(&machine, "install");
    machine.backout(&["boot", "status"]).ends(31);
    machine.backout(&["boot", "install"]).ends(0);
    told_alone(&machine, "remove");
    machine.backout(&["boot", "status"]).ends(0);
    Some(machine)
}

/// A dry run says that this would be done.
#[track_caller]
fn told_alone(machine: &Machine, verb: &str) {
    let dry = machine.backout(&["boot", verb, "--dry-run"]).ends(0).json;
    let told = (&dry["outcome"], &dry["changed"], &dry["data"]["dry_run"]);
    assert_eq!(told, (&"done".into(), &false.into(), &true.into()), "{dry}");
}

/// Everything that held services back is gone.
fn holds(machine: &Machine) -> Vec<PathBuf> {
    let units = fs::read_dir(machine.units()).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<PathBuf> = units.filter(|p| p.to_str().unwrap().ends_with(".d")).collect();
    found.extend([machine.state.join("unsettled")].into_iter().filter(|p| p.exists()));
    found
}

#[test]
fn a_rollback_and_its_undo_stop_and_start_units() {
    let Some(machine) = machine() else { return };
    let before = machine.files();
    let run = machine.backout(&["rollback"]).ends(0);
    assert_eq!(run.json["counts"]["services"], 2);
    assert!(!run.json["warnings"].to_string().contains("BKO-4033"), "{run:?}");
    assert!(machine.runs("first") && machine.runs("second"));
    assert!(holds(&machine).is_empty(), "{:?}", holds(&machine));
    machine.backout(&["undo"]).ends(0);
    assert_eq!(machine.files(), before);
    assert!(machine.runs("first") && machine.runs("second"));
    assert!(!machine.seen().iter().any(|s| s.ends_with("mixed")), "{:?}", machine.seen());
}

#[test]
fn a_run_that_waits_for_its_commit_outlives_a_boot_and_holds_nothing_back() {
    let Some(mut machine) = machine() else { return };
    let before = machine.files();
    machine.backout(&["rollback", "--stage-only"]).ends(0);
    assert!(holds(&machine).is_empty(), "{:?}", holds(&machine));
    machine.power_cut();
    machine.boot();
    assert!(machine.runs("first") && !machine.runs("second"), "nothing keeps it from starting at boot");
    assert_eq!(machine.backout(&["status"]).ends(21).json["outcome"], "staged");
    machine.systemctl(&["start", "second"]);
    // Killed as the window is about to open: what is to hold the units back lies there already.
    machine.killed(&["commit"], "pwrite64", 3);
    assert!(!holds(&machine).is_empty());
    assert_eq!(machine.backout(&["recover"]).ends(0).json["outcome"], "staged");
    assert!(holds(&machine).is_empty(), "{:?}", holds(&machine));
    assert!(machine.files() == before && machine.runs("first") && machine.runs("second"));
    machine.backout(&["commit"]).ends(0);
    assert!(machine.runs("first") && machine.runs("second") && holds(&machine).is_empty());
    assert!(machine.files() != before);
    machine.backout(&["undo"]).ends(0);
    assert_eq!(machine.files(), before);
}

/// A guard on the machine, by way of `starter`, of an installer with these lines.
fn guard(machine: &Machine, starter: &[&str], more: &[&str], lines: &str) -> Command {
    let at = |name: &str| machine.path().join(name).to_str().unwrap().to_owned();
    place::script(&format!("#!/bin/sh\n{lines}\n"), &machine.path().join("setup.sh"));
    let state = ["--state-dir".to_owned(), at("state")];
    let own = [at("backout"), "guard".into(), at("small.ron"), "--site".into(), at("site.ron")];
    let plugins = ["--plugin-dir".to_owned(), at("plugins"), "--yes".into()];
    let words = starter.iter().map(|w| (*w).to_owned()).chain(own).chain(plugins).chain(state);
    let words: Vec<String> =
        words.chain(more.iter().map(|w| (*w).to_owned())).chain(["--".into(), at("setup.sh")]).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    machine.command(words[0], &words[1..])
}

#[test]
fn a_guard_whose_session_is_ended_comes_to_its_end_by_itself_or_by_its_waiter() {
    // Every process of it is told to end, and the guard has the time to go back, as the login manager does it; or it has no time.
    for end in [&["stop"][..], &["kill", "--signal=KILL"]] {
        let Some(machine) = machine() else { return };
        let before = machine.files();
        let at = |name: &str| machine.path().join(name);
        let lines = format!(
            "here='{}'\nsetsid env -i \"$(command -v sh)\" -c 'echo $$ >\"$0/hidden\"; while :; do sleep 1; done' \"$here\" &\n\
             echo half >'{}'\necho $$ >\"$here/installer\"\nwhile [ ! -e \"$here/go\" ]; do sleep 0.05; done\nexit 3",
            machine.path().display(),
            machine.home.join("live/a.conf").display()
        );
        let session = ["systemd-run", "--scope", "--quiet", "--unit=login", "--"];
        let guard = guard(&machine, &session, &["--confirm-within", "10m", "--no-parent"], &lines).spawn();
        for name in ["installer", "hidden"] {
            while fs::read_to_string(at(name)).unwrap_or_default().is_empty() {
                std::thread::yield_now();
            }
        }
        let run =
            fs::read_dir(machine.state.join("transactions")).unwrap().next().unwrap().unwrap().file_name();
        let scope = format!("backout-guard-{}.scope", run.to_str().unwrap());
        let waiter = format!("backout-waiter-{}.scope", run.to_str().unwrap());
        assert!(machine.runs(&scope) && machine.runs(&waiter) && machine.runs("login.scope"));
        machine.systemctl(&[end, &["login.scope"]].concat());
        guard.unwrap().wait().unwrap();
        assert!(!machine.runs("login.scope"));
        if end[0] == "kill" {
            assert!(machine.runs(&scope) && machine.runs(&waiter));
            // The installer goes on, and nobody calls a recovery.
            fs::write(at("go"), "").unwrap();
        }
        while machine.runs(&waiter) {
            std::thread::yield_now();
        }
        assert!(machine.files() == before && machine.runs("first") && machine.runs("second"));
        machine.backout(&["status"]).ends(0);
        assert!(!machine.runs(&scope), "what hid in it is gone");
    }
}

#[test]
fn a_guard_that_nobody_confirms_is_backed_out_behind_a_power_cut_by_the_boot_alone() {
    let Some(mut machine) = machine() else { return };
    let before = machine.files();
    let lines = format!("echo new >'{}'", machine.home.join("live/a.conf").display());
    let guard = guard(&machine, &[], &["--confirm-within", "20s"], &lines).spawn();
    let waits = || {
        let open = fs::read_dir(machine.state.join("transactions")).ok().and_then(|mut open| open.next());
        open.and_then(|open| fs::read_to_string(open.ok()?.path().join("journal")).ok())
            .is_some_and(|journal| journal.contains("AwaitingConfirm"))
    };
    while !waits() {
        std::thread::yield_now();
    }
    machine.power_cut();
    guard.unwrap().wait().unwrap();
    assert!(machine.files() != before);
    // Nothing that starts by itself waits for it, but the recovery itself.
    machine.boot();
    machine.backout(&["status"]).ends(0);
    assert!(machine.files() == before && machine.runs("first") && machine.runs("second"));
}

/// A run that was cut off in the swap, on a machine that is switched off.
fn cut_in_the_swap(machine: &mut Machine) {
    machine.killed(&["rollback"], "renameat2", 3);
    assert!(machine.state.join("unsettled").exists());
    machine.power_cut();
}

#[test]
fn without_the_recovery_at_boot_the_services_stay_down_until_somebody_recovers() {
    let Some(mut machine) = machine() else { return };
    machine.backout(&["boot", "remove"]).ends(0);
    let run = machine.backout(&["plan"]).ends(0);
    assert!(run.json["warnings"].to_string().contains("BKO-4033"), "{run:?}");
    cut_in_the_swap(&mut machine);
    machine.boot();
    assert!(!machine.runs("first"));
    // Nobody else gets them up either.
    machine.systemctl(&["start", "first"]);
    assert!(!machine.runs("first"));
    machine.backout(&["status"]).ends(21);
    assert_eq!(machine.backout(&["recover"]).ends(0).json["outcome"], "completed");
    assert!(machine.runs("first") && machine.runs("second"));
    assert!(holds(&machine).is_empty(), "{:?}", holds(&machine));
    assert!(!machine.seen().iter().any(|s| s.ends_with("mixed")), "{:?}", machine.seen());
}

#[test]
fn a_volume_that_is_away_at_boot_leaves_everything_as_it_is_until_it_is_back() {
    let Some(mut machine) = machine() else { return };
    // From now on the product's folder is a volume of its own.
    machine.power_cut();
    let (live, volume) = (machine.home.join("live"), machine.path().join("volume"));
    fs::rename(&live, &volume).unwrap();
    fs::create_dir(&live).unwrap();
    let mut escape = std::process::Command::new("systemd-escape");
    let unit = escape.args(["--path", "--suffix=mount"]).arg(&live).output().unwrap().stdout;
    let unit = String::from_utf8(unit).unwrap().trim().to_owned();
    let mount = format!("What={}\nWhere={}\nType=none\nOptions=bind\n", volume.display(), live.display());
    // As one with `nofail`: a boot goes on without it.
    machine.unit(&unit, &format!("[Unit]\nBefore=local-fs.target\n[Mount]\n{mount}"));
    machine.enable(&unit, "local-fs.target");
    machine.boot();
    machine.systemctl(&["start", "second"]);
    cut_in_the_swap(&mut machine);
    let away = machine.path().join("away");
    fs::rename(&volume, &away).unwrap();
    let before = (machine.files(), snapshot(&away));
    machine.boot();
    assert!(!machine.runs("first") && !machine.runs("second"));
    assert!(machine.systemctl(&["is-failed", "backout-recover-files"]) == "failed");
    let run = machine.backout(&["recover"]).ends(21);
    assert!(run.json["error"].to_string().contains("mount"), "{run:?}");
    assert_eq!((machine.files(), snapshot(&away)), before, "nothing was changed");
    machine.power_cut();
    fs::rename(&away, &volume).unwrap();
    machine.boot();
    assert!(machine.runs("first") && machine.runs("second"));
    machine.backout(&["status"]).ends(0);
    assert_eq!(fs::read(volume.join("a.conf")).unwrap(), b"old a");
    assert!(!machine.seen().iter().any(|s| s.ends_with("mixed")), "{:?}", machine.seen());
}

#[test]
fn sockets_timers_and_dependents_are_held_down_with_their_service_and_come_back() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let at = machine.path().display().to_string();
    machine
        .unit("second.socket", &format!("[Socket]\nListenStream={at}/second.sock\nService=second.service\n"));
    machine.unit("nightly.timer", "[Timer]\nOnActiveSec=1h\nUnit=first.service\n");
    machine.unit("watch.path", &format!("[Path]\nPathExists={at}/poke\nUnit=first.service\n"));
    let needs = "Requires=first.service\nAfter=first.service\n";
    machine.unit("third.service", &machine.service_unit("third", needs, ""));
    machine.boot();
    machine.systemctl(&["start", "second.socket", "second", "nightly.timer", "watch.path", "third"]);
    let all = ["first", "second", "second.socket", "nightly.timer", "watch.path", "third"];
    assert!(all.iter().all(|unit| machine.runs(unit)));
    // Somebody pulls every trigger while files are swapped: the stop of the last service to go down is where we are.
    let pull = format!("ExecStopPost=/bin/touch {at}/poke\n");
    let plan = machine.backout(&["plan"]).ends(0);
    let services: Vec<&str> = plan.json["data"]["plan"]["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(services.len(), 6, "{services:?}");
    assert_eq!(&services[4..], ["First", "Second"], "what could start them goes down first");
    machine.unit("second.service", &machine.service_unit("second", "", &pull));
    machine.systemctl(&["daemon-reload"]);
    machine.backout(&["rollback"]).ends(0);
    fs::remove_file(machine.path().join("poke")).unwrap();
    for unit in all {
        assert!(machine.runs(unit), "{unit}");
    }
    assert!(holds(&machine).is_empty(), "{:?}", holds(&machine));
    assert!(!machine.seen().iter().any(|s| s.ends_with("mixed")), "{:?}", machine.seen());
}

#[test]
fn a_service_that_systemd_keeps_restarting_counts_as_running_before_and_as_ill_afterwards() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    // It falls over on the patched files, and is well on the old ones.
    let at = machine.path().display().to_string();
    let restart =
        format!("ExecStartPre=/bin/grep -q old {at}/home/live/a.conf\nRestart=always\nRestartSec=600\n");
    machine.unit("second.service", &machine.service_unit("second", "", &restart));
    machine.boot();
    machine.systemctl(&["start", "--no-block", "second"]);
    while machine.systemctl(&["show", "-p", "SubState", "--value", "second"]) != "auto-restart" {
        std::thread::yield_now();
    }
    machine.backout(&["rollback"]).ends(0);
    assert!(machine.runs("second"), "it ran, as far as anybody can tell, so it is started");
    // The undo would bring it down again: that is no good state, so it is taken back.
    let old = machine.files();
    machine.backout(&["undo"]).ends(20);
    assert_eq!(machine.files(), old);
    assert!(machine.runs("first") && machine.runs("second"));
}

#[test]
fn a_service_that_is_still_starting_is_not_taken_for_well_by_a_recovery() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    // On the old files it kills the run once, takes its time, and falls over.
    let at = machine.path().display().to_string();
    let pre = format!(
        "#!/bin/sh\ngrep -q old {at}/home/live/a.conf || exit 0\n\
         [ -e {at}/once ] || {{ touch {at}/once; kill -9 $(cat {at}/state/lock); }}\nsleep 3\nexit 1\n"
    );
    place::script(&pre, &machine.path().join("pre"));
    machine.unit("second.service", &machine.service_unit("second", "", &format!("ExecStartPre={at}/pre\n")));
    machine.boot();
    machine.systemctl(&["start", "second"]);
    let patched = machine.files();
    let run = machine.backout(&["rollback"]).ends(20);
    assert_eq!(run.json["outcome"], "rolled-back", "{run:?}");
    assert!(machine.path().join("once").exists(), "it was killed");
    assert_eq!(machine.files(), patched);
    assert!(machine.runs("first") && machine.runs("second"));
}

#[test]
fn a_masked_service_that_runs_is_refused_before_anything_is_touched() {
    let Some(machine) = machine() else { return };
    let before = machine.files();
    let unit = machine.units().join("second.service");
    fs::remove_file(&unit).unwrap();
    std::os::unix::fs::symlink("/dev/null", unit).unwrap();
    machine.systemctl(&["daemon-reload"]);
    let run = machine.backout(&["rollback"]).ends(10);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("masked"), "{run:?}");
    assert_eq!(machine.files(), before);
    assert!(machine.runs("first") && machine.runs("second"));
}

#[test]
fn a_hold_of_another_state_folder_is_not_written_over() {
    let Some(machine) = machine() else { return };
    let hold = "first.service.d/zz-backout-hold.conf";
    machine.unit(hold, "[Unit]\nConditionPathExists=!/elsewhere/unsettled\n");
    machine.systemctl(&["daemon-reload"]);
    let run = machine.backout(&["rollback"]).ends(10);
    assert!(run.json["error"]["message"].as_str().unwrap().contains(hold), "{run:?}");
    assert!(machine.units().join(hold).is_file());
}

#[test]
fn the_units_of_the_recovery_and_the_holds_are_well_formed() {
    let Some(machine) = machine() else { return };
    let at = |unit: &str| format!("/etc/systemd/system/{unit}");
    let verify = |unit: &str| {
        let checked =
            machine.command("systemd-analyze", &["verify", "--man=no", &at(unit)]).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && said.is_empty(), "{unit}: {said}");
    };
    verify("backout-recover-files.service");
    verify("backout-recover-services.service");
    machine.killed(&["rollback"], "renameat2", 3);
    let hold = machine.units().join("first.service.d/zz-backout-hold.conf");
    let text = fs::read_to_string(hold).unwrap();
    assert!(
        text.contains(&format!("ConditionPathExists=!{}", machine.state.join("unsettled").display())),
        "{text}"
    );
    verify("first.service");
    verify("second.service");
    machine.backout(&["recover"]).ends(0);
}

#[test]
fn a_unit_that_changes_is_read_again_before_its_service_starts() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    // The patch has changed the unit: the old one, kept aside, says `old` on its command line.
    let of = |word: &str| machine.service_unit("second", "", &format!("Environment=WORD={word}\n"));
    machine.unit("second.service", &of("patched"));
    fs::create_dir(machine.home.join("unit-backup")).unwrap();
    fs::write(machine.home.join("unit-backup/second.service"), of("old")).unwrap();
    let profile = r#"(
      name: "unit", title: (en: "A product with a unit of its own"),
      product: (name: "Unit", version: "1", patch: "2"),
      variables: [(name: "home", about: (en: "where it is")), (name: "units", about: (en: "its units"))],
      components: [
        ( id: "unit", title: (en: "the unit"),
          role: Restore(plugin: "file-set", config: (from: "home/unit-backup", to: "units")),
          presence: (marker: "units/second.service"), services: [(name: "Second")] ),
      ],
      timeouts: (stop: 20, start: 20, status: 20, exit: 5, settle: 0),
    )"#;
    fs::write(machine.path().join("small.ron"), profile).unwrap();
    machine.boot();
    machine.systemctl(&["start", "second"]);
    let word = |machine: &Machine| machine.systemctl(&["show", "-p", "Environment", "--value", "second"]);
    assert_eq!(word(&machine), "WORD=patched");
    machine.backout(&["rollback", "--set", "units=/etc/systemd/system"]).ends(0);
    assert!(machine.runs("second"));
    assert_eq!(word(&machine), "WORD=old");
    let pid = machine.systemctl(&["show", "-p", "MainPID", "--value", "second"]);
    let environ = machine.command("cat", &[&format!("/proc/{pid}/environ")]).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&environ).contains("WORD=old"));
    machine.backout(&["undo"]).ends(0);
    assert_eq!(word(&machine), "WORD=patched");
}

/// A product whose units lie in folders that are guarded.
const WITH_UNITS: &str = r#"(
  name: "unit", title: (en: "A product with units of its own"),
  product: (name: "Unit", version: "1", patch: "2"),
  variables: [(name: "home", about: (en: "where it is")), (name: "units", about: (en: "its units"))],
  components: [
    ( id: "unit", title: (en: "the units"),
      role: Restore(plugin: "file-set", config: (from: "home/backup", to: "home/live")),
      presence: (marker: "units/second.service"), services: [(name: "Second")] ),
  ],
  timeouts: (stop: 20, start: 20, status: 20, exit: 5, settle: 0),
)"#;

#[test]
fn an_installer_that_changed_units_links_and_triggers_is_taken_back_and_the_manager_reads_them_again() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let profile = machine.path().join("units.ron");
    fs::write(&profile, WITH_UNITS).unwrap();
    let site = machine.path().join("units-site.ron");
    let vars = format!("\"home\": {:?}, \"units\": \"/etc/systemd/system\"", machine.home);
    fs::write(
        &site,
        format!("( vars: {{ {vars} }}, services: System, units: {{ \"Second\": \"second\" }}, )"),
    )
    .unwrap();
    machine.unit("second.service", &machine.service_unit("second", "", "Environment=WORD=old\n"));
    machine.unit("nightly.timer", "[Timer]\nOnActiveSec=1h\nUnit=second.service\n");
    fs::create_dir(machine.units().join("nightly.timer.d")).unwrap();
    machine.unit("nightly.timer.d/x.conf", "[Unit]\nDescription=as it was\n");
    let setup = "#!/bin/sh\nset -e\ncd /etc/systemd/system\n\
                 sed -i s/WORD=old/WORD=new/ second.service\n\
                 mkdir second.service.d\n\
                 printf '[Service]\\nEnvironment=MORE=new\\n' >second.service.d/more.conf\n\
                 printf '[Timer]\\nOnActiveSec=1h\\nUnit=second.service\\n' >new.timer\n\
                 ln -s ../new.timer multi-user.target.wants/new.timer\n\
                 systemctl stop nightly.timer\nrm -r nightly.timer nightly.timer.d\nsystemctl daemon-reload\n\
                 systemctl restart second\nsystemctl start new.timer\nexit 7\n";
    place::script(setup, &machine.path().join("setup"));
    machine.boot();
    machine.systemctl(&["start", "second", "nightly.timer"]);
    let units = snapshot(&machine.units());
    let at = |name: &str| machine.path().join(name).to_str().unwrap().to_owned();
    let (exe, state, plugins) = (at("backout"), at("state"), at("plugins"));
    let (profile, site, setup) = (at("units.ron"), at("units-site.ron"), at("setup"));
    let words =
        ["guard", &profile, "--json", "--yes", "--settle", "0", "--site", &site, "--state-dir", &state];
    let words = [&words[..], &["--plugin-dir", &plugins, "--", &setup]].concat();
    let run = Run::of(&machine.command(&exe, &words).output().unwrap()).ends(20);
    assert!(
        run.json["error"]["message"].to_string().contains("files and services are as they were"),
        "{run:?}"
    );
    assert_eq!(snapshot(&machine.units()), units);
    let shown = |unit: &str, property: &str| machine.systemctl(&["show", "-p", property, "--value", unit]);
    assert_eq!(shown("second", "Environment"), "WORD=old");
    assert_eq!(shown("second", "NeedDaemonReload"), "no");
    assert!(
        machine.runs("second") && machine.runs("nightly.timer"),
        "what ran runs, also what was taken away"
    );
    assert!(!machine.runs("new.timer"));
    assert_eq!(shown("new.timer", "LoadState"), "not-found");
    assert!(!shown("multi-user.target", "Wants").contains("new.timer"));
    assert_eq!(shown("nightly.timer", "Description"), "as it was");
    assert!(!machine.state.join("unsettled").exists());
}

#[test]
fn whether_a_unit_is_enabled_goes_back_to_a_snapshot_and_by_a_guard_and_forth_by_undo() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let unit = machine.service_unit("second", "", "[Install]\nWantedBy=multi-user.target\n");
    machine.unit("second.service", &unit);
    machine.boot();
    machine.systemctl(&["enable", "second"]);
    machine.systemctl(&["start", "second"]);
    let is = |wanted: &str| assert_eq!(machine.systemctl(&["is-enabled", "second"]), wanted);
    let at = |name: &str| machine.path().join(name).to_str().unwrap().to_owned();
    let call = |words: &[&str]| {
        let state = at("state");
        let all = [words, &["--json", "--state-dir", &state]].concat();
        Run::of(&machine.command(&at("backout"), &all).output().unwrap())
    };
    let created = call(&["snapshot", "create", &at("small.ron"), "--site", &at("site.ron")]).ends(0);
    let id = created.json["data"]["id"].as_str().unwrap().to_owned();
    let shown = call(&["snapshot", "show", &id]).ends(0);
    assert!(shown.stdout.contains("\"enabled\":\"enabled\""), "{}", shown.stdout);
    let services = shown.json["data"]["services"].as_array().unwrap();
    let second = services.iter().find(|service| service["name"] == "Second").unwrap();
    assert_eq!(second["start"], "enabled");

    machine.systemctl(&["disable", "second"]);
    is("disabled");
    let differs = call(&["snapshot", "diff", &id]).ends(0);
    assert_eq!(
        differs.json["data"]["settings"][0]["about"], "service Second, unit file state",
        "{differs:?}"
    );
    let from = ["--from".to_owned(), format!("snapshot:{id}")];
    let run = machine.backout(&["rollback", &from[0], &from[1]]).ends(0);
    assert_eq!(run.json["counts"]["settings"], 1, "{run:?}");
    is("enabled");
    assert!(machine.runs("second") && holds(&machine).is_empty());
    machine.backout(&["undo"]).ends(0);
    is("disabled");
    machine.backout(&["rollback", &from[0], &from[1]]).ends(0);
    is("enabled");

    // An installer that disables it, changes a file, and fails.
    let setup = machine.path().join("setup.sh");
    let file = machine.home.join("live/a.conf");
    place::script(
        &format!("#!/bin/sh\nsystemctl disable second\necho new >'{}'\nexit 7\n", file.display()),
        &setup,
    );
    let before = machine.files();
    let (profile, site, plugins) = (at("small.ron"), at("site.ron"), at("plugins"));
    let (state, setup) = (at("state"), at("setup.sh"));
    let words = ["guard", &profile, "--site", &site, "--plugin-dir", &plugins, "--yes", "--settle", "0"];
    let words = [&words[..], &["--json", "--state-dir", &state, "--", &setup]].concat();
    Run::of(&machine.command(&at("backout"), &words).output().unwrap()).ends(20);
    is("enabled");
    assert!(machine.files() == before && machine.runs("second"));
}

#[test]
fn a_service_that_somebody_starts_while_another_stops_never_sees_files_of_both_states() {
    let Some(machine) = machine() else { return };
    // Stopped last; what it leaves behind starts the one that is down already, and does not wait for it.
    let meddle = "ExecStopPost=/usr/bin/systemctl start --no-block first.service\n";
    machine.unit("second.service", &machine.service_unit("second", "", meddle));
    machine.systemctl(&["daemon-reload"]);
    let pid = |machine: &Machine| machine.systemctl(&["show", "-p", "MainPID", "--value", "first"]);
    let before = pid(&machine);
    machine.backout(&["rollback"]).ends(0);
    assert_ne!(pid(&machine), before);
    assert!(machine.runs("first") && machine.runs("second"));
    let first: Vec<String> = machine.seen().into_iter().filter(|s| s.starts_with("first")).collect();
    assert_eq!(first, ["first patched", "first old"], "it never came up in between");
    assert!(holds(&machine).is_empty(), "{:?}", holds(&machine));
}

/// The words of a call by the binary at `exe`, with the state folder at `state`.
fn at(machine: &Machine, exe: &str, verb: &str, state: &str) -> Run {
    let at = |name: &str| machine.path().join(name).to_str().unwrap().to_owned();
    let mut command = machine.command(&at(exe), &[verb, &at("small.ron"), "--site", &at("site.ron")]);
    command.args(["--plugin-dir", &at("plugins"), "--json", "--state-dir", &at(state)]);
    Run::of(&command.output().unwrap())
}

#[test]
fn a_path_that_no_unit_can_name_is_a_warning_where_only_the_boot_wants_it_and_else_a_refusal() {
    let Some(machine) = machine() else { return };
    let odd = machine.path().join("it's");
    fs::create_dir(&odd).unwrap();
    place::program(&machine.path().join("backout"), &odd.join("backout"));
    let run = at(&machine, "it's/backout", "plan", "state").ends(0);
    assert!(run.json["warnings"].to_string().contains("BKO-4033"), "{run:?}");
    at(&machine, "backout", "plan", "a blank, a \\ and a \" at the end ").ends(0);
    let run = at(&machine, "backout", "plan", "control\u{1}").ends(10);
    assert_eq!(run.error_code(), "BKO-1094", "{run:?}");
}
