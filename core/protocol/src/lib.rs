//! The words backout's parts speak to each other in: ids, steps, plans, profiles, plugin messages.
//!
//! Plain data only. Nothing here opens a file, starts a process or reads the environment; every type can be
//! written to RON or JSON and read back unchanged. Everything read is hostile until checked: ids, relative paths
//! and names refuse what they must not hold while they are parsed, so a value of these types is already safe to use.

pub mod abi;
pub mod configuration;
pub mod fingerprint;
pub mod guard;
pub mod id;
pub mod message;
pub mod notice;
pub mod path;
pub mod plan;
pub mod profile;
pub mod registry;
pub mod report;
pub mod site;
pub mod snapshot;
pub mod step;
pub mod text;
pub mod version;

pub use configuration::Configuration;
pub use fingerprint::{Digest, Fingerprint, Image};
pub use guard::Guard;
pub use id::{ComponentId, RunId, ServiceName, SnapshotId};
pub use notice::Notice;
pub use path::{HostPath, NameRule, Place, RelPath};
pub use plan::Plan;
pub use profile::Profile;
pub use registry::{KeyName, KeyPath};
pub use report::{Counts, Event, Outcome, RunResult};
pub use site::Site;
pub use step::Step;
pub use version::{FileVersion, MachineType};
