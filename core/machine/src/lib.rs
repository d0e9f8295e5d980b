//! What backout asks and tells the machine it runs on: services, processes, file versions.
//!
//! Everything here looks or tells; nothing here decides. Waiting is always bounded by a [`Patience`], and whoever
//! waits can be called off. Programs are run without a shell, by absolute path, out of reach of the terminal's
//! Ctrl-C. No file of the product is changed here.

pub mod boot;
mod command;
#[cfg(unix)]
mod control_group;
pub mod delayed;
pub mod event_log;
mod executed;
pub mod group;
pub mod holders;
mod interpreter;
pub mod msi;
pub mod open_files;
pub mod packages;
pub mod patience;
pub mod probe;
pub mod process;
pub mod registry;
mod runner;
pub mod service;
pub mod startup;
pub mod stdio;
#[cfg(unix)]
mod unit_text;
pub mod version;
pub mod writers;

pub use boot::{boot_id, effective_uid, is_root, since_boot};
pub use executed::executed;
pub use holders::Holder;
pub use patience::Patience;
pub use probe::{ProbeError, probe};
pub use process::{Process, ProcessError};
pub use service::{ServiceError, ServiceState, Services, Verb};
pub use version::PeInfo;
