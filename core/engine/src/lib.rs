//! The engine: turns a profile, a site and the plugins' proposals into one plan, and carries the plan out so that at
//! every moment a crash leaves a machine that [`recover`](recover::run) brings to exactly the old or exactly the
//! new state, services included.
//!
//! Data goes one way: profile -> [`planner`] (asks plugins) -> [`merge`] -> [`preflight`] -> [`stage`] -> [`window`] ->
//! commit. [`recover`] enters at the window with what the journal's reader gives. The engine names no plugin and no
//! product, prints nothing, and never exits.

pub mod abandon;
pub mod action;
pub mod advice;
pub mod apart;
mod archive;
#[cfg(test)]
mod blank;
pub mod boot;
mod builds;
mod claims;
pub mod commit;
mod companions;
pub mod decide;
mod defer;
pub mod doctor;
mod drift;
pub mod faces;
mod facts;
pub mod failure;
mod generations;
pub mod guard;
mod health;
pub mod history;
pub mod hold;
pub mod install;
pub mod inventory;
pub mod learn;
mod linger;
pub mod load;
pub mod look;
pub mod merge;
mod names;
pub mod outlook;
pub mod planner;
pub mod preflight;
pub mod presence;
mod proof;
mod quiesce;
pub mod recover;
pub mod refusal;
pub mod report;
pub mod rollback;
mod safe;
mod setting;
pub mod snapshot;
pub mod stage;
pub mod state;
mod survey;
mod swap;
mod tidy;
pub mod transaction;
pub mod undo;
mod undo_part;
pub mod unwind;
pub mod variables;
pub mod verify;
pub mod window;

pub use faces::{Cancel, Faces, HostError, Listed, Observer, PluginHost};
pub use failure::{Failure, Stuck};
pub use load::{Job, LoadedProfile};
pub use refusal::Refusal;
pub use report::{Ending, RunReport};
pub use state::{Locked, State};
