use std::{os::unix::process::parent_id, path::PathBuf, process::Command};

/// Ends a process, without a word to it.
pub fn kill(pid: u32) {
    signal(pid, "-KILL");
}

/// Sends a signal, named as `kill` takes it.
pub fn signal(pid: u32, signal: &str) {
    assert!(Command::new("/bin/kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// Whether a process is there.
pub fn is_there(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Who started this process.
pub fn parent() -> Option<u32> {
    Some(parent_id())
}
