use std::{fs, os::unix::process::parent_id, path::PathBuf, process::Command};

/// Ends a process that may be about to end by itself, without a word to it, and returns once it is gone: what it held, as locks,
/// goes with it.
pub fn kill(pid: u32) {
    assert!(sent(pid, "-KILL") || !is_there(pid));
    super::gone(pid);
}

/// Sends a signal, named as `kill` takes it.
pub fn signal(pid: u32, signal: &str) {
    assert!(sent(pid, signal));
}

fn sent(pid: u32, signal: &str) -> bool {
    Command::new("/bin/kill").args([signal, &pid.to_string()]).status().unwrap().success()
}

/// Whether a process is there. One that has ended and that nobody has waited for is not: it holds nothing any more.
pub fn is_there(pid: u32) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let Ok(stat) = fs::read_to_string(process.join("stat")) else { return false };
    let ended = stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']));
    // A first thread that has ended waits for the others.
    !ended || fs::read_dir(process.join("task")).is_ok_and(|threads| threads.count() > 1)
}

/// Who started this process.
pub fn parent() -> Option<u32> {
    Some(parent_id())
}
