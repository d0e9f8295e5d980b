//! The only crate of backout that changes files.
//!
//! It promises three things. Nothing outside a root is ever opened: paths are walked by handle, beneath their root and
//! through no symbolic link. Nothing is lost by a crash: each durable step says what is on disk if we die right there.
//! Nothing is guessed: a primitive that a file system does not have is replaced by a listed fallback or reported.
//!
//! It does not decide what to do: that is the engine's. Every system call lies in `os`, behind one narrow face.

pub mod durable;
mod error;
mod file_system;
pub mod fingerprint;
pub mod folder;
pub mod locate;
pub mod lock;
mod metadata;
mod os;
pub mod size;
pub mod staging;
pub mod swap;
pub mod trust;

pub use error::{Error, ErrorKind};
pub use folder::Folder;
