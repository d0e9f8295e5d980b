//! `strace`: looks at the system calls of a program, kills it at one, or lets one fail.

use crate::call;
use std::{fs, process::Command};

/// Whether it works here. In CI it must.
#[expect(clippy::print_stderr, reason = "a test that was skipped should say so")]
pub fn works() -> bool {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let works = works.is_ok_and(|o| o.status.success());
    if !works {
        assert!(std::env::var_os("CI").is_none(), "CI needs strace, and it does not work here");
        eprintln!("skipped: strace does not work here");
    }
    works
}

/// A call under `strace` with these options. Only its own first thread is traced, never what it starts.
pub fn under(call: &Command, options: &[&str]) -> Command {
    let mut traced = Command::new("strace");
    traced.arg("-qq").args(options).arg("--");
    call::wrapped(traced, call)
}

/// A call with `what` (`signal=KILL`, `error=EIO`) done to the `n`th of these system calls, counted from 1.
pub fn injected(call: &Command, calls: &str, what: &str, n: u64) -> Command {
    under(call, &["-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &injection(calls, what, n)])
}

/// The option that does it, for who gives others too.
pub fn injection(calls: &str, what: &str, n: u64) -> String {
    format!("inject={calls}:{what}:when={n}")
}

/// Whether every thread of a process that goes on is traced by somebody.
pub fn is_traced(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let traced = |status: &str| {
        let mut tracers = status.lines().filter_map(|line| line.strip_prefix("TracerPid:"));
        tracers.any(|tracer| tracer.trim() != "0")
    };
    threads.flatten().all(|thread| {
        // A thread that has ended meanwhile is no matter.
        fs::read_to_string(thread.path().join("status")).map_or(true, |status| traced(&status))
    })
}
