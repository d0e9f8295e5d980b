//! A machine that a real systemd boots, with a product and two services on it. Its folder and the owner's units survive
//! its power cuts, as a disk does.

use crate::{
    binary::{Run, built},
    place,
    snapshot::{Snapshot, snapshot},
    systemd::{Booted, Systemd as _},
    world::{SMALL, small_tree},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A service: writes down what it finds when it starts and as long as it runs. `mixed` must never be among it.
const SERVICE: &str = r#"#!/bin/sh
world=$1
name=$2
live=$world/home/live
last=
while :; do
  # By what the shell has itself: a process for each look would keep a processor busy.
  seen=
  for file in a.conf b.conf sub/c.conf; do
    line=
    { read -r line <"$live/$file"; } 2>/dev/null
    seen="$seen $line"
  done
  case $seen in
  *patched*old* | *old*patched*) now=mixed ;;
  *patched*) now=patched ;;
  *old*) now=old ;;
  *) now=nothing ;;
  esac
  [ "$now" = "$last" ] || echo "$name $now" >>"$world/seen"
  last=$now
  sleep 0.02
done
"#;

/// A machine with the small product on it: `first.service` starts at boot, as early as it can; `second.service` is
/// started by hand.
#[derive(Debug)]
pub struct Machine {
    // Before the folder: what is mounted goes first.
    systemd: Booted,
    dir: TempDir,
    /// The product's folder.
    pub home: PathBuf,
    /// The state folder.
    pub state: PathBuf,
}

impl Machine {
    /// A machine that is switched off, with the product patched. `None`: none can be booted here. In CI it must.
    pub fn off() -> Option<Self> {
        let Some(mut systemd) = Booted::off() else {
            assert!(std::env::var_os("CI").is_none(), "CI boots a systemd in namespaces");
            return None;
        };
        // Not in /tmp, of which the machine has its own.
        let dir = TempDir::with_prefix_in("backout-machine-", "/var/tmp").unwrap();
        let at = dir.path();
        systemd.share(at);
        for folder in ["plugins", "home"] {
            fs::create_dir(at.join(folder)).unwrap();
        }
        for library in &built().plugins {
            let to = at.join("plugins").join(library.file_name().unwrap());
            fs::copy(library, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o644)).unwrap();
        }
        place::program(&built().backout, &at.join("backout"));
        place::script(SERVICE, &at.join("service"));
        fs::write(at.join("small.ron"), SMALL).unwrap();
        let units = r#"units: { "First": "first.service", "Second": "second" }"#;
        let site = format!(
            "( vars: {{ \"home\": {:?} }}, services: System, {units}, timeouts: (stop: 120, start: 120, status: 120), )",
            at.join("home")
        );
        fs::write(at.join("site.ron"), site).unwrap();
        let (home, state) = (at.join("home"), at.join("state"));
        let machine = Self { systemd, dir, home, state };
        // Nothing keeps it from starting before anything else: that is what has to be held back.
        machine.unit("first.service", &machine.service_unit("first", "DefaultDependencies=no\n", ""));
        machine.unit("second.service", &machine.service_unit("second", "", ""));
        machine.systemd.enable("first.service", "multi-user.target");
        machine.patch();
        Some(machine)
    }

    /// A unit that runs the service program.
    pub fn service_unit(&self, name: &str, unit: &str, rest: &str) -> String {
        let at = self.path().display();
        format!("[Unit]\n{unit}\n[Service]\nExecStart={at}/service {at} {name}\n{rest}")
    }

    /// Writes one of the owner's units.
    pub fn unit(&self, name: &str, text: &str) {
        self.systemd.unit(name, text);
    }

    /// Makes a target want a unit from the next boot on.
    pub fn enable(&self, unit: &str, target: &str) {
        self.systemd.enable(unit, target);
    }

    /// The folder of the owner's units.
    pub fn units(&self) -> PathBuf {
        self.systemd.etc("systemd/system")
    }

    /// Makes the product patched and forgets all runs. The machine is switched off.
    pub fn patch(&self) {
        let _ = fs::remove_dir_all(&self.home);
        let _ = fs::remove_dir_all(&self.state);
        let _ = fs::remove_file(self.path().join("seen"));
        fs::create_dir(&self.home).unwrap();
        small_tree(&self.home);
    }

    /// The machine's folder, at the same path inside and outside.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Switches it on and waits until everything that starts by itself has started.
    pub fn boot(&mut self) {
        self.systemd.boot();
        self.systemd.settled();
    }

    /// Takes the power away: nothing of it runs any more.
    pub fn power_cut(&mut self) {
        self.systemd.power_cut();
    }

    /// A command on the machine, while it runs.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.systemd.command(program);
        command.args(args);
        command
    }

    /// What `systemctl` prints there.
    pub fn systemctl(&self, args: &[&str]) -> String {
        self.systemd.systemctl(args)
    }

    /// Whether a unit is active there.
    pub fn runs(&self, unit: &str) -> bool {
        self.systemctl(&["is-active", unit]) == "active"
    }

    /// The words of a call of the binary there; with `--json`.
    fn words(&self, args: &[&str]) -> Vec<String> {
        let at = |name: &str| self.path().join(name).to_str().unwrap().to_owned();
        let mut words: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        words.extend(["--json".to_owned(), "--state-dir".to_owned(), at("state")]);
        if ["plan", "rollback"].contains(&args[0]) {
            let flags = ["--site".to_owned(), at("site.ron"), "--plugin-dir".to_owned(), at("plugins")];
            words.insert(1, at("small.ron"));
            words.extend(flags);
        }
        if ["rollback", "undo", "commit"].contains(&args[0]) {
            words.push("--yes".to_owned());
        }
        words
    }

    /// A call of the binary there.
    pub fn backout(&self, args: &[&str]) -> Run {
        let exe = self.path().join("backout");
        Run::of(&self.command(exe.to_str().unwrap(), &[]).args(self.words(args)).output().unwrap())
    }

    /// The same under strace, killed at the `n`th call of `call`.
    pub fn killed(&self, args: &[&str], call: &str, n: u64) -> Run {
        let inject = format!("inject={call}:signal=KILL:when={n}");
        self.traced(args, &["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
    }

    /// How often the binary makes `call` there.
    pub fn calls(&self, args: &[&str], call: &str) -> u64 {
        let log = self.path().join("strace");
        let trace = format!("trace={call}");
        self.traced(args, &["-o", log.to_str().unwrap(), "-e", &trace]).ends(0);
        fs::read_to_string(log).unwrap().lines().filter(|l| l.starts_with(&format!("{call}("))).count() as u64
    }

    fn traced(&self, args: &[&str], options: &[&str]) -> Run {
        let mut strace = self.command("strace", &["-qq"]);
        strace.args(options).arg("--").arg(self.path().join("backout"));
        Run::of(&strace.args(self.words(args)).arg("--no-parent").output().unwrap())
    }

    /// What the services have seen of the tree, in order.
    pub fn seen(&self) -> Vec<String> {
        fs::read_to_string(self.path().join("seen")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// The product's files.
    pub fn files(&self) -> Snapshot {
        snapshot(&self.home)
    }
}
