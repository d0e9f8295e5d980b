//! Snapshots: files set aside on purpose, as plain files with all that they have, and an inventory of everything there
//! was.
//!
//! `snapshots/<id>/` in the state folder holds `snapshot.ron` ([`Snapshot`]), its digest in `snapshot.sha256`, and
//! `files/<n>/…`, the tree of the n-th root; a file `pinned` beside them keeps it for good. It is filled under a name
//! that is no id, made durable, and only then renamed: whatever has an id is whole. What a death leaves is removed by
//! the next one that is taken and by the next pruning.

mod create;
pub mod diff;
pub mod exclude;
pub(crate) mod inventory;
pub(crate) mod mounts;
pub(crate) mod restore;
pub mod retention;
pub mod settings;
pub mod store;
#[cfg(test)]
mod tests;
pub mod verify;

pub use backout_protocol::snapshot::Snapshot;
pub(crate) use create::saved;
pub use create::{Counted, Created, Wish, count, create, outermost, roots, services};
pub(crate) use diff::differing;
pub use exclude::Exclude;
pub use restore::Cannot;
pub use retention::{InUse, discard, drop, due, may_drop, pin, prune, unpin};
pub use settings::{keys, no_registry};
pub use store::{Stored, list, open, resolve};
