//! The process that carries a run out: what it would show goes to its parent as frames. A parent that is gone changes
//! nothing: the run goes on, and what it would have said is in its log.

use crate::{args::Asking, frame::Frame};
use std::{
    io::{self, Write},
    sync::OnceLock,
};

static PARENT: OnceLock<Asking> = OnceLock::new();

/// From now on everything that is shown goes to the parent.
pub(crate) fn connect(asking: Asking) {
    // Called once, before anything is shown.
    let _ = PARENT.set(asking);
}

/// Whether there is a parent, and whether it can ask somebody.
pub(crate) fn parent() -> Option<Asking> {
    PARENT.get().copied()
}

/// Tells the parent. A parent that is gone is told nothing.
pub(crate) fn tell(frame: &Frame) {
    let Ok(mut line) = serde_json::to_string(frame) else { return };
    line.push('\n');
    let mut out = io::stdout().lock();
    // In one write, so that a kill leaves no half of a line behind.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
