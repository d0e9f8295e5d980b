//! The only crate of backout that changes files.
//!
//! Folders are held open by handles and everything is done relative to them, beneath a root and through no symbolic
//! link ([`folder`]); new files are prepared in a staging folder beside their targets ([`staging`]) and trade places
//! with them by rename ([`swap`]); what must survive a power cut is synced before a call returns ([`durable`]). All
//! system calls are in one private face, `os`. Nothing here decides what is to be done.

pub mod aside;
pub mod barrier;
mod copy;
pub mod durable;
mod error;
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
