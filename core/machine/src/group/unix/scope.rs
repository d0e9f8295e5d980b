//! The control group of an installer, which none of it leaves by a new session, a new user or an empty environment.
//!
//! Where systemd runs the machine, the group is a scope, which systemd makes and removes; it lies outside of the session of
//! whoever is logged in, whose end ends what is inside. Elsewhere it is made at the hierarchy's root. Where neither can be
//! had, the installer is told by its holder and its mark alone.

use crate::{
    control_group::{self, PROCESSES},
    patience::{Look, Patience},
    service::systemctl_program,
};
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

const PROGRAMS: [&str; 2] = ["/usr/bin/systemd-run", "/bin/systemd-run"];
/// How the names of installers' groups begin.
pub(super) const PREFIX: &str = "backout-guard-";
/// Neither a logged-in user's nor a service's.
const SLICE: &str = "system.slice";
/// How long systemd may take to make a scope.
const MADE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Starts what `dressed` makes of a command that runs `program` with `arguments`, in a scope of this name. `None`: no scope
/// is to be had, and nothing runs.
pub(super) fn start(
    name: &str,
    program: &Path,
    arguments: &[OsString],
    dressed: &dyn Fn(Command) -> io::Result<Command>,
) -> io::Result<Option<Child>> {
    // What an unprivileged user may ask systemd for is asked of that user. A newer systemd-run takes `$` for a variable's sign.
    let plain = |word: &OsString| !word.as_encoded_bytes().contains(&b'$');
    let words = [program.as_os_str().to_owned()];
    if !crate::is_root() || !is_there() || !arguments.iter().chain(&words).all(plain) {
        return Ok(None);
    }
    let Some(starter) = PROGRAMS.iter().find(|p| Path::new(p).exists()) else { return Ok(None) };
    let mut command = Command::new(starter);
    command.args(["--system", "--scope", "--quiet", "--collect", "--no-ask-password"]);
    command.arg(format!("--slice={SLICE}")).arg(format!("--unit={name}")).arg("--");
    // The starter's own program is another one.
    let ours = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    let program = if program == Path::new("/proc/self/exe") { &ours } else { program };
    // It asks for the scope with itself in it, and becomes the program: the number stays.
    let mut child = dressed({
        command.arg(program).args(arguments);
        command
    })?
    .spawn()?;
    let mut wait = Patience::firm(MADE).begin(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        if let Some(status) = child.try_wait()? {
            log::info!("{starter} ended ({status}); {name} goes without a scope");
            return Ok(None);
        }
        if is_in(child.id(), &unit(name)) {
            return Ok(Some(child));
        }
        if wait.pause() != Look::Again {
            log::info!("no scope {name} within {} s; it goes without", MADE.as_secs());
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
    }
}

/// Whether systemd runs this machine, and makes its groups alone.
fn is_there() -> bool {
    systemctl_program().is_some()
}

fn unit(name: &str) -> String {
    format!("{name}.scope")
}

/// Whether a process is in a group whose last name is this.
fn is_in(pid: u32, unit: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().any(|line| Path::new(line).file_name().is_some_and(|last| last == unit))
}

/// Puts a process into the group of this name at the hierarchy's root, where systemd does not run the machine.
pub(super) fn adopt(name: &str, pid: u32) {
    if is_there() {
        return;
    }
    let Some(root) = control_group::folder("") else { return };
    // What an installer left running for good has kept its group: it goes here, once that has ended.
    for left in fs::read_dir(&root).into_iter().flatten().flatten() {
        if left.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            remove_folder(&left.path());
        }
    }
    let folder = root.join(name);
    #[expect(clippy::disallowed_methods, reason = "these are the kernel's, and of no disk")]
    let adopted = fs::create_dir(&folder).and_then(|()| fs::write(folder.join(PROCESSES), pid.to_string()));
    if let Err(e) = adopted {
        log::debug!("no control group {}: {e}", folder.display());
        remove(name);
    }
}

/// The processes in the group of this name, whoever has made it.
pub(super) fn members(name: &str) -> Vec<u32> {
    folders(name).flat_map(control_group::processes).collect()
}

/// Removes the group, if nothing is in it: a scope goes by itself.
pub(super) fn remove(name: &str) {
    if let Some(folder) = control_group::folder(name) {
        remove_folder(&folder);
    }
}

/// One with processes in it stays.
fn remove_folder(folder: &Path) {
    #[expect(clippy::disallowed_methods, reason = "this is the kernel's, and of no disk")]
    if let Err(e) = fs::remove_dir(folder) {
        log::debug!("{}: {e}", folder.display());
    }
}

fn folders(name: &str) -> impl Iterator<Item = PathBuf> {
    let scope = control_group::folder(&format!("{SLICE}/{}", unit(name)));
    scope.into_iter().chain(control_group::folder(name))
}
