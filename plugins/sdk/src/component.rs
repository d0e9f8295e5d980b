//! What a plugin implements.

use crate::{Action, Ask, Machine};
use backout_protocol::message::{Example, Failure, Proposal};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// Code that plans one kind of component.
pub trait Component: Default {
    /// The id that profiles name it by.
    const ID: &'static str;
    /// One sentence on what it does.
    const ABOUT: &'static str;
    /// What a profile has to say in `config`. It should refuse unknown fields (`#[serde(deny_unknown_fields)]`); what is
    /// written above its fields is what `backout plugin schema` says of them.
    type Config: DeserializeOwned + JsonSchema;

    /// What it plans, for example: documentation that is run, by `backout plugin check` and by
    /// [`ComponentTest`](crate::testkit::ComponentTest).
    fn examples() -> Vec<Example> {
        Vec::new()
    }

    /// Says what the component needs on this machine. Reads, never changes.
    ///
    /// # Errors
    /// One sentence on why it cannot be said; the rollback is then refused before anything is touched.
    fn plan(&self, ask: &Ask<Self::Config>, machine: &Machine) -> Result<Proposal, Failure>;

    /// The code behind the action of this name, which its plan proposed; `None`: it has no such action.
    fn action(&self, _name: &str) -> Option<Box<dyn Action>> {
        None
    }
}
