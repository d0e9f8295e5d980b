//! Calls within calls.

use std::process::{Command, Stdio};

/// `outer` with the program, the arguments and the environment of `call` behind its own, and without input.
pub(crate) fn wrapped(mut outer: Command, call: &Command) -> Command {
    outer.arg(call.get_program()).args(call.get_args()).stdin(Stdio::null());
    for (name, value) in call.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}
