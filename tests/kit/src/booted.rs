//! A machine that a real systemd boots: PID 1 of its own namespaces, on an overlay of this machine's root, so that
//! nothing it does reaches this machine. One folder is shared with it and survives its power cuts, as a disk does: the
//! world's, and in it the owner's units.

use crate::{
    binary::{Run, built},
    snapshot::{Snapshot, snapshot},
    world::{SMALL, small_tree},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Goes into a control group of its own, which the machine takes for the root: two machines would otherwise stop each
/// other's services. `$1`: the world's folder; `$2`: the group's name.
const PLUG_IN: &str = r#"#!/bin/sh
set -e
mount --make-rprivate /
mount -t cgroup2 cgroup2 "$1/box"
mkdir "$1/box/$2"
echo $$ >"$1/box/$2/cgroup.procs"
umount "$1/box"
exec unshare --fork --kill-child --pid --mount --cgroup --uts --ipc "$1/boot" "$1"
"#;

/// Takes what is left of the group away. Same arguments.
const CLEAR: &str = r#"#!/bin/sh
mount --make-rprivate /
mount -t cgroup2 cgroup2 "$1/box"
find "$1/box/$2" -depth -type d -exec rmdir {} + 2>/dev/null
"#;

/// Boots. `$1`: the world's folder. What is mounted here is seen in this mount namespace alone.
const BOOT: &str = r#"#!/bin/sh
set -e
world=$1
mount --make-rprivate /
mount -t tmpfs tmpfs "$world/box"
mkdir "$world/box/upper" "$world/box/work" "$world/box/root"
root=$world/box/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$world/box/upper,workdir=$world/box/work" "$root"
mount -t proc proc "$root/proc"
for volatile in run tmp dev; do mount -t tmpfs tmpfs "$root/$volatile" -o mode=755; done
chmod 1777 "$root/tmp"
for node in null zero full random urandom tty; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount --rbind /sys "$root/sys"
umount -R "$root/sys/fs/cgroup" 2>/dev/null || true
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --bind "$world" "$root$world"
mount --bind "$world/units" "$root/etc/systemd/system"
if [ -d "$world/volume" ]; then mount --bind "$world/volume" "$root$world/home/live"; fi
cd "$root"
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  chroot "$root" /lib/systemd/systemd --system --unit=multi-user.target --log-target=null --show-status=0
"#;

/// A service: writes down what it finds when it starts and as long as it runs. `mixed` must never be among it.
const SERVICE: &str = r#"#!/bin/sh
world=$1
name=$2
live=$world/home/live
last=
while :; do
  seen=$(cat "$live/a.conf" "$live/b.conf" "$live/sub/c.conf" 2>/dev/null | tr '\n' ' ')
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
pub struct Booted {
    dir: TempDir,
    /// The product's folder.
    pub home: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    init: Option<(Child, u32)>,
}

impl Booted {
    /// Whether a machine can be booted here. In CI it must.
    #[expect(clippy::print_stderr, reason = "a test says what it skips")]
    pub fn possible() -> bool {
        let namespaces = ["--fork", "--pid", "--mount", "--cgroup", "--uts", "--ipc", "true"];
        let root = Command::new("unshare").args(namespaces).status().is_ok_and(|s| s.success());
        let possible = root && Path::new("/lib/systemd/systemd").exists() && cgroups();
        if !possible {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI boots a systemd in namespaces: root, systemd, cgroup2"
            );
            eprintln!("skipped: no systemd can be booted here (it needs root, systemd and cgroup2)");
        }
        possible
    }

    /// A machine that is switched off, with the product patched.
    pub fn new() -> Self {
        // Not in /tmp, which is a fresh one on each boot of the machine.
        let dir = TempDir::with_prefix_in("backout-machine-", "/var/tmp").unwrap();
        let at = dir.path();
        for folder in ["box", "units", "plugins", "home"] {
            fs::create_dir(at.join(folder)).unwrap();
        }
        for library in &built().plugins {
            let to = at.join("plugins").join(library.file_name().unwrap());
            fs::copy(library, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o644)).unwrap();
        }
        fs::copy(&built().backout, at.join("backout")).unwrap();
        for (name, text) in [("plug-in", PLUG_IN), ("clear", CLEAR), ("boot", BOOT), ("service", SERVICE)] {
            fs::write(at.join(name), text).unwrap();
            fs::set_permissions(at.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(at.join("small.ron"), SMALL).unwrap();
        let units = r#"units: { "First": "first.service", "Second": "second" }"#;
        let site = format!(
            "( vars: {{ \"home\": {:?} }}, services: System, {units}, timeouts: (stop: 20, start: 20), )",
            at.join("home")
        );
        fs::write(at.join("site.ron"), site).unwrap();
        let (home, state) = (at.join("home"), at.join("state"));
        let machine = Self { dir, home, state, init: None };
        // Nothing keeps it from starting before anything else: that is what has to be held back.
        let early = "DefaultDependencies=no\n";
        let wanted = "[Install]\nWantedBy=multi-user.target\n";
        machine.unit("first.service", &machine.service_unit("first", early, wanted));
        machine.unit("second.service", &machine.service_unit("second", "", ""));
        let wants = machine.path().join("units/multi-user.target.wants");
        fs::create_dir(&wants).unwrap();
        std::os::unix::fs::symlink("../first.service", wants.join("first.service")).unwrap();
        machine.patch();
        machine
    }

    /// A unit that runs the service program.
    pub fn service_unit(&self, name: &str, unit: &str, rest: &str) -> String {
        let at = self.path().display();
        format!("[Unit]\n{unit}\n[Service]\nExecStart={at}/service {at} {name}\n{rest}")
    }

    /// Writes one of the owner's units.
    pub fn unit(&self, name: &str, text: &str) {
        crate::write(&self.path().join("units").join(name), text);
    }

    /// Makes the product patched and forgets all runs. The machine is switched off.
    pub fn patch(&self) {
        let _ = fs::remove_dir_all(&self.home);
        let _ = fs::remove_dir_all(&self.state);
        let _ = fs::remove_file(self.path().join("seen"));
        fs::create_dir(&self.home).unwrap();
        small_tree(&self.home);
    }

    /// The machine's folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Switches it on and waits until everything that starts by itself has started.
    pub fn boot(&mut self) {
        let mut unshare = self.script("plug-in").spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let pid = loop {
            assert!(unshare.try_wait().unwrap().is_none(), "the machine does not boot");
            if let Ok(pid) = fs::read_to_string(&children).unwrap_or_default().trim().parse::<u32>()
                && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == "systemd")
            {
                break pid;
            }
            std::thread::yield_now();
        };
        self.init = Some((unshare, pid));
        // Before the manager's socket is there, it cannot be asked.
        while !self
            .command("systemctl", &["is-system-running", "--wait"])
            .output()
            .unwrap()
            .stdout
            .ends_with(b"ing\n")
            && self.systemctl(&["is-system-running"]) != "degraded"
        {
            std::thread::yield_now();
        }
    }

    /// One of the machine's scripts, to be run in a mount namespace of its own.
    fn script(&self, name: &str) -> Command {
        let mut command = Command::new("unshare");
        let group = self.path().file_name().unwrap();
        command.arg("--mount").arg(self.path().join(name)).arg(self.path()).arg(group);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Takes the power away: nothing of it runs any more.
    pub fn power_cut(&mut self) {
        if let Some((mut unshare, pid)) = self.init.take() {
            let _ = Command::new("/bin/kill").args(["-KILL", &pid.to_string()]).output();
            unshare.wait().unwrap();
            self.script("clear").status().unwrap();
        }
    }

    /// A command on the machine, while it runs.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
        let pid = self.init.as_ref().map(|(_, pid)| pid.to_string()).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "-m", "-p", "-C", "-u", "-i", "-r", "-w", "--"]);
        command.arg(program).args(args).stdin(Stdio::null());
        command
    }

    /// What `systemctl` prints there.
    pub fn systemctl(&self, args: &[&str]) -> String {
        let output = self.command("systemctl", args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Whether a unit is active there.
    pub fn runs(&self, unit: &str) -> bool {
        self.systemctl(&["is-active", unit]) == "active"
    }

    /// The words of a call of the binary there; with `--json`.
    pub fn words(&self, args: &[&str]) -> Vec<String> {
        let at = |name: &str| self.path().join(name).to_str().unwrap().to_owned();
        let mut words: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        words.extend(["--json".to_owned(), "--state-dir".to_owned(), at("state")]);
        if ["plan", "rollback"].contains(&args[0]) {
            let flags = ["--site".to_owned(), at("site.ron"), "--plugin-dir".to_owned(), at("plugins")];
            words.insert(1, at("small.ron"));
            words.extend(flags);
        }
        if ["rollback", "undo"].contains(&args[0]) {
            words.push("--yes".to_owned());
        }
        words
    }

    /// A call of the binary there.
    pub fn backout(&self, args: &[&str]) -> Run {
        let words = self.words(args);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Run::of(&self.command(self.path().join("backout"), &words).output().unwrap())
    }

    /// The same under strace, killed at the `n`th call of `call`.
    pub fn killed(&self, args: &[&str], call: &str, n: u64) -> Run {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={n}"));
        let exe = self.path().join("backout");
        let mut words =
            vec!["-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject, "--", exe.to_str().unwrap()];
        let rest = self.words(args);
        words.extend(rest.iter().map(String::as_str));
        words.push("--no-parent");
        Run::of(&self.command("strace", &words).output().unwrap())
    }

    /// How often the binary makes `call` there.
    pub fn calls(&self, args: &[&str], call: &str) -> u64 {
        let log = self.path().join("strace");
        let trace = format!("trace={call}");
        let exe = self.path().join("backout");
        let mut words = vec!["-qq", "-o", log.to_str().unwrap(), "-e", &trace, "--", exe.to_str().unwrap()];
        let rest = self.words(args);
        words.extend(rest.iter().map(String::as_str));
        words.push("--no-parent");
        Run::of(&self.command("strace", &words).output().unwrap()).ends(0);
        fs::read_to_string(log).unwrap().lines().filter(|l| l.starts_with(&format!("{call}("))).count() as u64
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

impl Default for Booted {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        self.power_cut();
    }
}

/// Whether a cgroup2 tree can be mounted.
fn cgroups() -> bool {
    fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("cgroup2"))
}
