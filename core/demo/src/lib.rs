//! Throw-away products of real files and real processes, for `backout demo` and for tests.
//!
//! Everything is made below a folder that the caller names, and nothing outside it is touched. The files carry real
//! PE headers and version resources; the services are real processes that are told to start, stop and answer.
#![expect(
    clippy::disallowed_methods,
    reason = "makes the files that others then roll back, in folders of its own"
)]

pub mod pe;
pub mod service;
pub mod shell;
pub mod tree;

pub use pe::pe;
pub use tree::{BakSpelling, Tree, TreeFile, TreeSpec};
