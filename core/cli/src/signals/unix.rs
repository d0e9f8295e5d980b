//! Signals.

use signal_hook::{consts, flag::register};
use std::{
    process::Child,
    sync::{Arc, atomic::AtomicBool},
};

/// The flag.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let ignored = Arc::new(AtomicBool::new(false));
    let takes = [
        (consts::SIGINT, &asked),
        (consts::SIGTERM, &asked),
        // Handlers, not SIG_IGN: what we start gets the default back, and a caller that ignores SIGCHLD would make it
        // impossible to wait for what we start.
        (consts::SIGHUP, &ignored),
        (consts::SIGCHLD, &ignored),
    ];
    for (signal, flag) in takes {
        if let Err(e) = register(signal, Arc::clone(flag)) {
            log::warn!("signal {signal} is not taken: {e}");
        }
    }
    asked
}

/// Passes an interrupt on to a worker that has not been waited for.
pub(crate) fn interrupt(worker: &Child) {
    let pid = rustix::process::Pid::from_child(worker);
    if let Err(e) = rustix::process::kill_process(pid, rustix::process::Signal::INT) {
        log::debug!("the worker cannot be told to stop: {e}");
    }
}
