//! Moves that the system makes at its next boot, before anything else runs: Windows' queue of pending renames.
//!
//! The queue is everybody's. Others' entries are kept as they stand and in their order; a queue that cannot be
//! understood is not written to.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;
mod queue;

pub use os::is_there;
pub use queue::{Delayed, Malformed, Taken};

use queue::{add, bytes, count, named, parse, remove};
use std::io;

/// The system's queue, and a second one that is carried out behind it. Ours only ever stand in the first.
const QUEUES: [&str; 2] = ["PendingFileRenameOperations", "PendingFileRenameOperations2"];

/// The queue cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The system refuses.
    #[error("the system's queue of pending renames cannot be read or written")]
    System(#[source] io::Error),
    /// Somebody wrote what no system reads.
    #[error("the system's queue of pending renames cannot be understood")]
    Malformed(#[source] Malformed),
    /// It was written, and reads otherwise.
    #[error("the system's queue of pending renames does not hold what was written to it")]
    NotKept,
}

/// How many of some moves stand in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All, in their order.
    All,
    /// Some, or not in their order.
    Some,
    /// None.
    None,
}

/// Puts `moves` behind whatever waits already, in one durable write, and reads it back. Those that wait already are not
/// doubled.
///
/// # Errors
/// [`QueueError`]; then some may stand in the queue.
pub fn enqueue(moves: &[Delayed]) -> Result<(), QueueError> {
    let before = read(QUEUES[0])?;
    write(QUEUES[0], &add(&before, moves))?;
    match standing(moves)? {
        Standing::All => Ok(()),
        Standing::Some | Standing::None => Err(QueueError::NotKept),
    }
}

/// Takes `moves` out, wherever they stand, and reads back that they are gone.
///
/// # Errors
/// [`QueueError`]; then some may still stand in the queue.
pub fn take_out(moves: &[Delayed]) -> Result<(), QueueError> {
    for queue in QUEUES {
        let before = read(queue)?;
        let after = remove(&before, moves);
        if after.len() != before.len() {
            write(queue, &after)?;
        }
    }
    match standing(moves)? {
        Standing::None => Ok(()),
        Standing::All | Standing::Some => Err(QueueError::NotKept),
    }
}

/// How many of `moves` stand in the queue.
///
/// # Errors
/// [`QueueError`].
pub fn standing(moves: &[Delayed]) -> Result<Standing, QueueError> {
    let mut all = read(QUEUES[0])?;
    all.extend(read(QUEUES[1])?);
    Ok(count(&all, moves))
}

/// The first of `paths` that the next boot moves, replaces or removes by itself, or with a folder above it.
///
/// # Errors
/// [`QueueError`].
pub fn moves_any(paths: &[String]) -> Result<Option<String>, QueueError> {
    let mut all = read(QUEUES[0])?;
    all.extend(read(QUEUES[1])?);
    Ok(named(&all, paths).cloned())
}

fn read(queue: &str) -> Result<Vec<queue::Entry>, QueueError> {
    match os::read(queue).map_err(QueueError::System)? {
        Some(bytes) => parse(&bytes).map_err(QueueError::Malformed),
        None => Ok(Vec::new()),
    }
}

/// An empty queue is no value at all: the system takes one for a reboot that is due.
fn write(queue: &str, entries: &[queue::Entry]) -> Result<(), QueueError> {
    let bytes = (!entries.is_empty()).then(|| bytes(entries));
    os::write(queue, bytes.as_deref()).map_err(QueueError::System)
}
