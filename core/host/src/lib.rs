//! Finds, checks, loads and calls backout's plugins.
//!
//! Loading a library runs its code, so everything that can be known before is: the manifest is read from the file's
//! `.backout` section, the file and its folders must be trusted, a pinned digest must match. Only then is it loaded,
//! from the same opened file that was digested, and never unloaded.

mod call;
mod child;
pub mod conformance;
mod error;
mod find;
mod leave;
mod library;
mod load;
mod pins;
mod plugins;
mod section;
mod shown;
mod speech;
mod target;

pub use child::{Spawner, serve};
pub use error::HostError;
pub use leave::Leave;
pub use pins::{LOCK_FILE, Pinning, Writing};
pub use plugins::{Hosting, Plugins};
pub use shown::{Pin, Shown, show, trust, untrust};
pub use target::{native, target};
