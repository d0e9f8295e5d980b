//! Windows: Ctrl-C and Ctrl-Break ask. A console that is closed ends the process: that is a crash, and recovered as one.

use backout_engine::Cancel;
use signal_hook::consts;
use std::{
    process::{Child, Command},
    sync::{Arc, atomic::AtomicBool},
};

/// Ctrl-Break, as the C library numbers it.
const SIGBREAK: i32 = 21;

pub(super) fn register(asked: &Arc<AtomicBool>, _ended: &Arc<AtomicBool>) {
    super::take(&[(consts::SIGINT, asked), (consts::SIGTERM, asked), (SIGBREAK, asked)]);
}

/// The console asks a worker and its parent, each once.
pub(crate) fn keep_from_terminal(_worker: &mut Command) {}

/// Nothing to pass on: a worker shares its parent's console and is asked by it too.
pub(crate) fn interrupt(_worker: &Child, _cancel: &Cancel) {}
