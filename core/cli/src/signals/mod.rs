//! Ctrl-C and its kin set a flag that the engine looks at.

use std::sync::{Arc, OnceLock, atomic::AtomicBool};

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

pub(crate) use os::{interrupt, keep_from_terminal};

/// Sets the flag when one of `takes` arrives.
fn take(takes: &[(i32, &Arc<AtomicBool>)]) {
    for (signal, flag) in takes {
        if let Err(e) = signal_hook::flag::register(*signal, Arc::clone(flag)) {
            log::warn!("signal {signal} is not taken: {e}");
        }
    }
}

/// A flag that is set where it is the system that ends this process, not a person who asks.
pub(crate) fn ended() -> Arc<AtomicBool> {
    static ENDED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    Arc::clone(ENDED.get_or_init(Arc::default))
}

/// The flag.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    os::register(&asked, &ended());
    asked
}
