//! Ctrl-C and SIGTERM set a flag that the engine looks at; a hangup is taken and means nothing.

use std::sync::{Arc, atomic::AtomicBool};

/// The flag.
#[cfg(unix)]
pub(crate) fn flag() -> Arc<AtomicBool> {
    use signal_hook::{consts, flag::register};
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

/// The flag.
#[cfg(not(unix))]
pub(crate) fn flag() -> Arc<AtomicBool> {
    Arc::default()
}
