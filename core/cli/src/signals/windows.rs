//! Console events. A worker shares its parent's console and gets them by itself.

use std::{
    process::Child,
    sync::{Arc, atomic::AtomicBool},
};

/// The flag. Nothing sets it yet.
pub(crate) fn flag() -> Arc<AtomicBool> {
    Arc::default()
}

/// Nothing to pass on.
pub(crate) fn interrupt(_worker: &Child) {}
