//! Linux: SIGINT and SIGTERM ask; a hangup is taken and means nothing.

use backout_engine::Cancel;
use signal_hook::consts;
use std::{
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{Arc, atomic::AtomicBool},
};

pub(super) fn register(asked: &Arc<AtomicBool>, ended: &Arc<AtomicBool>) {
    let ignored = Arc::new(AtomicBool::new(false));
    super::take(&[
        (consts::SIGINT, asked),
        // Before, so that who sees the other sees this one.
        (consts::SIGTERM, ended),
        (consts::SIGTERM, asked),
        // Handlers, not SIG_IGN: what we start gets the default back, and a caller that ignores SIGCHLD would make it
        // impossible to wait for what we start.
        (consts::SIGHUP, &ignored),
        (consts::SIGCHLD, &ignored),
    ]);
}

/// Keeps the keys of the terminal from what is started: the worker is only told to stop by its parent, once, and a
/// parent that is ended or suspended by a key leaves it alone.
pub(crate) fn keep_from_terminal(worker: &mut Command) {
    worker.process_group(0);
}

/// Passes on to a worker that has not been waited for what asks us to stop.
pub(crate) fn interrupt(worker: &Child, cancel: &Cancel) {
    let pid = rustix::process::Pid::from_child(worker);
    let signal =
        if cancel.ends_the_process() { rustix::process::Signal::TERM } else { rustix::process::Signal::INT };
    if let Err(e) = rustix::process::kill_process(pid, signal) {
        log::debug!("the worker cannot be told to stop: {e}");
    }
}
