//! A real systemd as process 1 of namespaces of its own: it boots, its power is cut, it boots again.
//!
//! Persistent are its `/etc` and the shared folders, which are at the same paths inside and outside; everything else is
//! gone after a power cut. Only targets of the distribution are there: no journal, no udev, no tmpfiles.

use crate::{place, write};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

const BOOT: &str = include_str!("boot.sh");
/// What systemd itself starts, stops and orders by.
const TARGETS: [&str; 20] = [
    "basic",
    "emergency",
    "final",
    "local-fs",
    "local-fs-pre",
    "multi-user",
    "network",
    "network-online",
    "paths",
    "remote-fs",
    "remote-fs-pre",
    "rescue",
    "shutdown",
    "slices",
    "sockets",
    "swap",
    "sysinit",
    "time-set",
    "timers",
    "umount",
];
/// A loaded machine must get this far. Only what fails waits so long.
const LONG: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(10);

/// A machine that `systemctl` speaks for, real or not.
pub trait Systemd {
    /// Where a path below `/etc` of the machine is seen from outside.
    fn etc(&self, below: &str) -> PathBuf;

    /// A command that is run inside when it is spawned. It is killed by a power cut.
    fn command(&self, program: &str) -> Command;

    /// Writes a unit, or a drop-in, to `/etc/systemd/system`.
    fn unit(&self, name: &str, text: &str) {
        write(&self.etc("systemd/system").join(name), text);
    }

    /// Runs a command inside and waits for it.
    fn run(&self, argv: &[&str]) -> Output {
        self.command(argv[0]).args(&argv[1..]).output().unwrap()
    }

    /// Runs `systemctl` inside and gives what it prints, whatever it exits with.
    fn systemctl(&self, arguments: &[&str]) -> String {
        let output = self.command("systemctl").args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// One property of a unit.
    fn property(&self, unit: &str, name: &str) -> String {
        self.systemctl(&["show", "--value", "--property", name, "--", unit])
    }
}

/// A machine whose process 1 is a real systemd.
#[derive(Debug)]
pub struct Booted {
    folder: tempfile::TempDir,
    shared: Vec<String>,
    boots: u32,
    name: String,
    outer: Option<Child>,
    init: u32,
}

impl Booted {
    /// Makes a machine that is switched off. `None`, with a word on standard error, where there can be none: not root,
    /// no systemd, no namespaces.
    #[expect(clippy::print_stderr, reason = "a test that was skipped should say so")]
    pub fn off() -> Option<Self> {
        if let Err(why) = possible() {
            eprintln!("skipped: no systemd of our own here: {why}");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("backout-booted-").tempdir().unwrap();
        let root = folder.path();
        place::script(BOOT, &root.join("boot.sh"));
        fs::create_dir_all(root.join("etc/systemd/system")).unwrap();
        write(&root.join("etc/machine-id"), "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0\n");
        for file in ["passwd", "group", "nsswitch.conf", "ld.so.cache"] {
            if let Ok(bytes) = fs::read(Path::new("/etc").join(file)) {
                write(&root.join("etc").join(file), bytes);
            }
        }
        for target in TARGETS {
            let file = format!("{target}.target");
            let text = fs::read(Path::new("/usr/lib/systemd/system").join(&file)).unwrap();
            write(&root.join("targets").join(file), text);
        }
        let name = root.file_name().unwrap().to_str().unwrap().to_owned();
        Some(Self { folder, shared: Vec::new(), boots: 0, name, outer: None, init: 0 })
    }

    /// Shares a folder: at the same path inside, writable, and it outlives a power cut. Before [`Booted::boot`].
    pub fn share(&mut self, folder: &Path) {
        self.shared.push(folder.to_str().unwrap().to_owned());
    }

    /// Shares a folder for reading, as the one of a binary.
    pub fn share_for_reading(&mut self, folder: &Path) {
        self.shared.push(format!("ro:{}", folder.to_str().unwrap()));
    }

    /// Makes a target want a unit from the next boot on, as `systemctl enable` does.
    pub fn enable(&self, unit: &str, target: &str) {
        let link = self.etc("systemd/system").join(format!("{target}.wants")).join(unit);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(format!("/etc/systemd/system/{unit}"), link).unwrap();
    }

    /// Switches it on and waits until systemd answers. Units may still be starting: see [`Booted::settled`].
    pub fn boot(&mut self) {
        assert!(self.outer.is_none(), "it is on");
        self.boots += 1;
        let id = format!("{:08x}-0000-4000-8000-{:012x}", self.boots, std::process::id());
        let log =
            fs::File::options().create(true).append(true).open(self.folder.path().join("console")).unwrap();
        // If the test is killed, all this goes with it.
        let mut start = Command::new("setpriv");
        start.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--uts", "--ipc", "--net", "--"]);
        start.arg(self.folder.path().join("boot.sh")).arg(self.folder.path()).args([&self.name, &id]);
        start.args(&self.shared).stdin(Stdio::null());
        let outer = start.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let pid = outer.id();
        self.outer = Some(outer);
        let until = Instant::now() + LONG;
        loop {
            if let Some(init) = child_of(pid) {
                self.init = init;
                if is_systemd(init) && self.run(&["systemctl", "is-system-running"]).stdout != b"offline\n" {
                    let asked = self.run(&["systemctl", "show", "--property=Version"]);
                    if asked.status.success() {
                        return;
                    }
                }
            }
            assert!(Instant::now() < until, "systemd does not come up: {}", self.console());
            thread::sleep(POLL);
        }
    }

    /// Waits until no job is left.
    pub fn settled(&self) {
        let until = Instant::now() + LONG;
        while !self.systemctl(&["list-jobs", "--no-legend"]).is_empty() {
            assert!(Instant::now() < until, "jobs are left: {}", self.systemctl(&["list-jobs"]));
            thread::sleep(POLL);
        }
    }

    /// What systemd logged, in all boots.
    pub fn console(&self) -> String {
        let mut text = Vec::new();
        fs::File::open(self.folder.path().join("console")).unwrap().read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Ends every process inside at once, as a power cut does. What was written is in the page cache and stays.
    pub fn power_cut(&mut self) {
        let Some(mut outer) = self.outer.take() else { return };
        // The first process of a process namespace takes all others with it, and its parent ends behind them.
        if child_of(outer.id()).is_some() {
            Command::new("kill").args(["-KILL", &self.init.to_string()]).status().unwrap();
        }
        let until = Instant::now() + LONG;
        while outer.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not go down");
            thread::sleep(POLL);
        }
        self.forget_groups();
    }

    /// The control groups belong to the machine outside and would stay.
    fn forget_groups(&self) {
        let script =
            "mount -t cgroup2 cgroup2 \"$1/cgroup\" && find \"$1/cgroup/$2\" -depth -type d -exec rmdir {} +";
        let mut tidy = Command::new("unshare");
        tidy.args(["--mount", "--", "sh", "-c", script, "sh"]).arg(self.folder.path()).arg(&self.name);
        tidy.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    }
}

impl Systemd for Booted {
    fn etc(&self, below: &str) -> PathBuf {
        self.folder.path().join("etc").join(below)
    }

    fn command(&self, program: &str) -> Command {
        assert!(self.outer.is_some(), "it is off");
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string()]);
        command.args(["--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--wd=/", "--", program]);
        command.env_clear().env("PATH", "/usr/bin:/usr/sbin").stdin(Stdio::null());
        command
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        self.power_cut();
    }
}

/// Whether all that is needed is here.
fn possible() -> Result<(), &'static str> {
    static KNOWN: OnceLock<Result<(), String>> = OnceLock::new();
    KNOWN.get_or_init(probe).as_ref().copied().map_err(String::as_str)
}

fn probe() -> Result<(), String> {
    for program in ["/usr/lib/systemd/systemd", "/usr/bin/systemctl", "/usr/bin/nsenter", "/usr/bin/setpriv"]
    {
        if !Path::new(program).exists() {
            return Err(format!("{program} is missing"));
        }
    }
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--cgroup", "--", "sh", "-c"]);
    // Not only the call: the group must be ours to make.
    let group = format!("backout-probe-{}", std::process::id());
    probe.arg(format!(
        "mount -t tmpfs t /mnt && mkdir /mnt/c && mount -t cgroup2 c /mnt/c && mkdir /mnt/c/{group} && rmdir /mnt/c/{group}"
    ));
    let output = probe.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

fn child_of(parent: u32) -> Option<u32> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let ppid = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        (ppid == parent.to_string()).then_some(pid)
    })
}

fn is_systemd(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd")
}
