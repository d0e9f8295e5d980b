//! Which components a plan is about, and what becomes of their proposals: their plugin says what a test has it say, on
//! real files.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

mod components;
mod lists;
mod looks;
mod proposals;
mod world;
