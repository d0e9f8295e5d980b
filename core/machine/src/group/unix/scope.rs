//! The control group of an installer, which none of it leaves by a new session or an empty environment.
//!
//! Where systemd runs the machine, the group is a scope, which systemd makes and removes; it lies outside of the session of
//! whoever is logged in, whose end ends what is inside. Elsewhere it is made at the hierarchy's root. Where neither can be
//! had, the installer is told by its holder and its mark alone.

use crate::{
    command,
    control_group::{self, PROCESSES},
    group::Start,
    open_files,
    patience::{Look, Patience},
    service::systemd_runs,
};
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::OnceLock,
    time::Duration,
};

const STARTER: &str = "systemd-run";
const PROGRAMS: [&str; 2] = ["/usr/bin/systemd-run", "/bin/systemd-run"];
/// How the names of installers' groups begin.
pub(super) const PREFIX: &str = "backout-guard-";
/// Neither a logged-in user's nor a service's.
const SLICE: &str = "system.slice";
/// How long systemd may take to make a scope.
const MADE: Duration = Duration::from_secs(10);
/// How long a group may be in use by nobody.
const LEFT: Duration = Duration::from_millis(200);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Starts it in a scope of this name. `None`: no scope is to be had, and nothing runs.
pub(super) fn start(name: &str, start: &Start<'_>) -> io::Result<Option<Child>> {
    let Start { program, arguments, dress, .. } = *start;
    // What an unprivileged user may ask systemd for is asked of that user. A newer systemd-run takes `$` for a variable's sign.
    let plain = |word: &OsString| !word.as_encoded_bytes().contains(&b'$');
    let words = [program.as_os_str().to_owned()];
    if !crate::is_root() || !systemd_runs() || !arguments.iter().chain(&words).all(plain) {
        return Ok(None);
    }
    let Some(starter) = PROGRAMS.into_iter().find(|p| Path::new(p).exists()) else { return Ok(None) };
    let mut command = Command::new(starter);
    command.args(options(version(starter))).arg(format!("--slice={SLICE}")).arg(format!("--unit={name}"));
    // The starter's own program is another one.
    let ours = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    let program = if program == Path::new("/proc/self/exe") { &ours } else { program };
    command.arg("--").arg(program).args(arguments);
    // It asks for the scope with itself in it, and becomes the program: the number stays.
    dress(&mut command)?;
    let mut child = open_files::spawn(&mut command)?;
    let mut wait = Patience::firm(MADE).begin(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        if let Some(status) = child.try_wait()? {
            log::info!("{starter} ended ({status}); {name} goes without a scope");
            return Ok(None);
        }
        if !is_starter(child.id()) {
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

/// Whether a process still is the one that asks for a scope.
fn is_starter(pid: u32) -> bool {
    // One that is about to end has none any more: how it ended is told next time.
    let Ok(program) = fs::read_link(format!("/proc/{pid}/exe")) else { return true };
    program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(STARTER.as_bytes()))
}

/// As [`asked_version`], asked once.
fn version(starter: &str) -> u32 {
    static KNOWN: OnceLock<u32> = OnceLock::new();
    *KNOWN.get_or_init(|| asked_version(starter))
}

/// The number in the first line of what it says of itself: `systemd 252 (252.38-1~deb12u1)`. 0: it says nothing of the kind.
fn asked_version(starter: &str) -> u32 {
    let argv = [starter.to_owned(), "--version".to_owned()];
    let answer = command::ask(None, &argv, &command::PLAIN, &Patience::firm(MADE));
    let text = answer.map(|(_, text)| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    let number = text.split_ascii_whitespace().nth(1).unwrap_or_default();
    number.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// What a systemd of this version knows of what is wanted: no words of its own in the installer's output, nothing left of a scope
/// that failed, and no limit that a login session does not have either.
fn options(version: u32) -> Vec<&'static str> {
    let known = [
        (0, "--scope"),
        (236, "--quiet"),
        (236, "--collect"),
        (236, "--no-ask-password"),
        (228, "--property=TasksMax=infinity"),
        // One process that runs out of memory is no reason to end all of them.
        (253, "--property=OOMPolicy=continue"),
    ];
    known.into_iter().filter(|(since, _)| *since <= version).map(|(_, option)| option).collect()
}

/// The group below which systemd's slices lie, by a line of `/proc/1/cgroup`: empty where that is the hierarchy's root; a
/// container may see its host's. `None`: the line is of a hierarchy that systemd keeps no slices in.
fn top(line: &str) -> Option<&str> {
    let group =
        line.strip_prefix("0::").or_else(|| line.split_once(":name=systemd:").map(|(_, group)| group))?;
    let above = group.strip_suffix("/init.scope").unwrap_or(group);
    Some(above.strip_suffix('/').unwrap_or(above))
}

/// Puts a process into the group of this name at the hierarchy's root, where systemd does not run the machine and the root is ours.
pub(super) fn adopt(name: &str, pid: u32) {
    if systemd_runs() || !tops().iter().all(String::is_empty) {
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
    let adopted =
        || fs::create_dir(&folder).and_then(|()| fs::write(folder.join(PROCESSES), pid.to_string()));
    // Another guard may have taken it for one that is left.
    let again = (0..3).find_map(|_| match adopted() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        other => Some(other),
    });
    if let Some(Err(e)) = again {
        log::debug!("no control group {}: {e}", folder.display());
        remove(name);
    }
}

/// The processes in the group of this name, whoever has made it.
pub(super) fn members(name: &str) -> Vec<u32> {
    folders(name).into_iter().flat_map(control_group::processes).collect()
}

/// Removes the group, if nothing is in it: a scope goes by itself.
pub(super) fn remove(name: &str) {
    let Some(folder) = control_group::folder(name) else { return };
    // A process is in its group for a moment longer than it holds its files.
    let mut wait = Patience::firm(LEFT).begin(FIRST_PAUSE, LONGEST_PAUSE);
    while !remove_folder(&folder)
        && control_group::processes(folder.clone()).is_empty()
        && wait.pause() == Look::Again
    {}
}

/// One with processes in it stays.
fn remove_folder(folder: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "this is the kernel's, and of no disk")]
    let removed = fs::remove_dir(folder);
    if let Err(e) = &removed {
        log::debug!("{}: {e}", folder.display());
    }
    removed.is_ok()
}

fn folders(name: &str) -> Vec<PathBuf> {
    let scopes = tops().into_iter().map(|top| format!("{top}/{SLICE}/{name}.scope"));
    scopes.chain([name.to_owned()]).filter_map(|group| control_group::folder(&group)).collect()
}

/// As [`top`], of each hierarchy that may hold it.
fn tops() -> Vec<String> {
    let groups = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    groups.lines().filter_map(top).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_slices_lie_is_told_by_process_1() {
        assert_eq!(top("0::/init.scope"), Some(""));
        assert_eq!(top("0::/"), Some(""));
        assert_eq!(top("0::/docker/0123/init.scope"), Some("/docker/0123"));
        assert_eq!(top("1:name=systemd:/lxc/a"), Some("/lxc/a"));
        assert_eq!(top("4:memory:/init.scope"), None);
    }

    #[test]
    fn an_old_systemd_is_asked_for_no_more_than_it_knows() {
        assert_eq!(options(219), ["--scope"]);
        assert!(options(252).contains(&"--collect") && !options(252).iter().any(|o| o.contains("OOMPolicy")));
        assert!(options(257).contains(&"--property=OOMPolicy=continue"));
        assert_eq!(asked_version("/nowhere/systemd-run"), 0);
    }
}
