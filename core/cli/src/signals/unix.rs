//! Linux: SIGINT and SIGTERM ask; a hangup is taken and means nothing.

use signal_hook::consts;
use std::sync::{Arc, atomic::AtomicBool};

pub(super) fn register(asked: &Arc<AtomicBool>) {
    let ignored = Arc::new(AtomicBool::new(false));
    super::take(&[
        (consts::SIGINT, asked),
        (consts::SIGTERM, asked),
        // Handlers, not SIG_IGN: what we start gets the default back, and a caller that ignores SIGCHLD would make it
        // impossible to wait for what we start.
        (consts::SIGHUP, &ignored),
        (consts::SIGCHLD, &ignored),
    ]);
}
