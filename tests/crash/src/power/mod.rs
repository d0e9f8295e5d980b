//! Power cuts of the shipped binary, enumerated: its system calls are recorded once, and from them every state is made
//! that a medium may hold after a cut, as weak as POSIX allows. Each state is then settled by the real recovery.
//!
//! [`strace`] records and reads calls, [`disk`] is the file system that forgets, `medium` what lies on it, [`cut`] chooses
//! what survives, [`tree`] is one state as it lies on a medium, [`runs`] is what is recorded, [`settle`] is the oracle,
//! `recovery` is what it asks, [`shelf`] keeps what was recorded.

pub mod cut;
pub mod disk;
mod medium;
mod recovery;
pub mod runs;
pub mod settle;
pub mod shelf;
pub mod strace;
pub mod tree;
mod worlds;

pub use cut::Cut;
pub use disk::Disk;
pub use shelf::Shelf;
pub use tree::Tree;
