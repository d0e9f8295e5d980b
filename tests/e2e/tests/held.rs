//! What an unfinished run holds back stays so, and starts on what was settled.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::Machine;
use std::fs;

fn machine() -> Option<Machine> {
    let mut machine = Machine::off()?;
    machine.boot();
    machine.systemctl(&["start", "second"]);
    machine.backout(&["boot", "install"]).ends(0);
    Some(machine)
}

const OTHER: &str = r#"(
  name: "other", title: (en: "Another product"), product: (name: "Other", version: "1", patch: "2"),
  variables: [(name: "home", about: (en: "where it is"))],
  components: [
    ( id: "files", title: (en: "files"),
      role: Restore(plugin: "file-set", config: (from: "home/backup", to: "home/live")),
      presence: (marker: "home/live/z.conf"), services: [] ),
  ],
)"#;

/// A run of another product that died while it staged, and whose volume was gone when it was settled: it is over, and
/// what it staged waits for the volume, which is at the returned path.
fn not_tidied_up(machine: &Machine) -> [std::path::PathBuf; 2] {
    let at = |name: &str| machine.path().join(name);
    for (file, text) in [("live/z.conf", "patched z"), ("backup/z.conf", "old z")] {
        fs::create_dir_all(at("other").join(file).parent().unwrap()).unwrap();
        fs::write(at("other").join(file), text).unwrap();
    }
    fs::write(at("other.ron"), OTHER).unwrap();
    let kill =
        ["-qq", "-o", "/dev/null", "-e", "trace=syncfs", "-e", "inject=syncfs:signal=KILL:when=1", "--"];
    let mut run = machine.command("strace", &kill);
    run.arg(at("backout")).arg("rollback").arg(at("other.ron")).arg("--site").arg(at("site.ron"));
    run.arg("--set").arg(format!("home={}", at("other").display())).arg("--plugin-dir").arg(at("plugins"));
    run.args(["--yes", "--no-parent", "--state-dir"]).arg(at("state"));
    assert!(!run.output().unwrap().status.success());
    fs::rename(at("other"), at("away")).unwrap();
    machine.backout(&["recover"]).ends(0);
    [at("away"), at("other")]
}

#[test]
fn tidying_up_behind_another_run_lets_go_nothing_that_an_unfinished_one_holds() {
    let Some(machine) = machine() else { return };
    let [away, back] = not_tidied_up(&machine);
    machine.killed(&["rollback"], "renameat2", 3);
    fs::rename(&away, &back).unwrap();
    machine.backout(&["rollback"]).ends(21);
    machine.systemctl(&["start", "first"]);
    assert!(!machine.runs("first"));
    machine.backout(&["recover"]).ends(0);
    assert!(machine.runs("first") && machine.runs("second"));
    assert!(!machine.seen().iter().any(|s| s.ends_with("mixed")), "{:?}", machine.seen());
    machine.backout(&["history", "prune"]).ends(0);
    assert!(backout_kit::snapshot::leftovers(&back).is_empty(), "then the other's turn has come");
}

#[test]
fn a_unit_that_the_boot_read_before_it_was_settled_is_read_again_before_its_service_starts() {
    let Some(mut machine) = machine() else { return };
    machine.power_cut();
    let of = |word: &str| {
        let environment = format!("Environment=WORD={word}\n");
        machine.service_unit("second", "DefaultDependencies=no\n", &environment)
    };
    let [patched, old] = ["patched", "old"].map(of);
    machine.unit("second.service", &patched);
    machine.enable("second.service", "multi-user.target");
    fs::create_dir(machine.home.join("unit-backup")).unwrap();
    fs::write(machine.home.join("unit-backup/second.service"), &old).unwrap();
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
    machine.killed(&["rollback", "--set", "units=/etc/systemd/system"], "renameat2", 1);
    assert_eq!(fs::read_to_string(machine.units().join("second.service")).unwrap(), patched);
    assert!(machine.state.join("unsettled").exists());
    machine.power_cut();
    machine.boot();
    machine.backout(&["status"]).ends(0);
    assert_eq!(fs::read_to_string(machine.units().join("second.service")).unwrap(), old);
    let pid = machine.systemctl(&["show", "-p", "MainPID", "--value", "second"]);
    let environ = machine.command("cat", &[&format!("/proc/{pid}/environ")]).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&environ).contains("WORD=old"));
}
