//! What the author of a backout plugin uses.
//!
//! A plugin is a type that implements [`Component`] and one line that exports it:
//!
//! ```
//! use backout_plugin::{
//!     Ask, Component, Machine, export_component, protocol::message::{Failure, Proposal}, schemars,
//! };
//! use serde::Deserialize;
//!
//! #[derive(Default)]
//! struct Nothing;
//!
//! #[derive(Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {}
//!
//! impl Component for Nothing {
//!     const ID: &'static str = "nothing";
//!     const ABOUT: &'static str = "Needs nothing.";
//!     type Config = Config;
//!
//!     fn plan(&self, _: &Ask<Config>, _: &Machine) -> Result<Proposal, Failure> {
//!         Ok(Proposal::default())
//!     }
//! }
//!
//! export_component!(Nothing);
//! # fn main() {}
//! ```
//!
//! A plugin plans and changes nothing: it names, for each file, the target and every backup it sees. Which backup is
//! good is the engine's to decide. What no file step can say is an [`action`]. [`restore`] holds what most plugins share,
//! [`testkit`] runs a component without a host, on this machine or on one in a file.
//!
//! What the plugin logs with the crate `log` reaches the host's log under the plugin's id.

pub mod action;
mod answer;
mod ask;
mod component;
mod example;
pub mod export;
mod frame;
mod logger;
pub mod machine;
pub mod manifest;
pub mod restore;
pub mod testkit;
pub mod trial;

pub use action::Action;
pub use ask::{Ask, failure};
pub use backout_protocol as protocol;
pub use component::Component;
pub use example::examples;
pub use frame::Frame;
pub use machine::{Entry, Kind, LookError, Machine, Pe, Stat};
pub use restore::Restore;
pub use schemars;
