//! Calls within calls.

use std::{
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Whether a process can be given its own view of what is mounted.
pub fn can_be_parted() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = || Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|o| o.status.success());
    *CAN.get_or_init(can)
}

/// The same, for a test that is nothing without. In CI it can.
#[expect(clippy::print_stderr, reason = "a test that was skipped should say so, and in CI none is")]
pub fn have_parts() -> bool {
    let can = can_be_parted();
    if !can {
        assert!(std::env::var_os("CI").is_none(), "CI gives processes their own view of what is mounted");
        eprintln!("skipped: no mount namespaces here");
    }
    can
}

/// `outer` with the program, the arguments and the environment of `call` behind its own, and without input.
pub fn wrapped(mut outer: Command, call: &Command) -> Command {
    outer.arg(call.get_program()).args(call.get_args()).stdin(Stdio::null());
    for (name, value) in call.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}
