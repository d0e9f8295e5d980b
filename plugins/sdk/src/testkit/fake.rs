//! A machine in a file.

use crate::{Component, answer};
use backout_protocol::{
    message::{Failure, Fixture, Proposal},
    text::{RonError, from_ron},
};

/// A machine that answers from a fixture. It stands no question that the fixture has no answer to.
///
/// ```
/// use backout_plugin::testkit::FakeMachine;
///
/// let machine = FakeMachine::from_ron(r#"(
///     folders: { "home": "/srv/product" },
///     paths: { "/srv/product": folder({ "program": file, "program.bak": file }) },
/// )"#)?;
/// assert_eq!(machine.fixture().folders.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FakeMachine {
    fixture: Fixture,
}

impl FakeMachine {
    /// Reads it from a fixture's RON, such as `backout plugin record` writes.
    ///
    /// # Errors
    /// Where in the text something is not understood.
    pub fn from_ron(text: &str) -> Result<Self, RonError> {
        Ok(Self { fixture: from_ron("fixture", text)? })
    }

    /// The fixture.
    pub fn fixture(&self) -> &Fixture {
        &self.fixture
    }

    /// Lets a component with this configuration (RON text) plan on it.
    ///
    /// # Errors
    /// What the component answers; it names a question that the fixture has no answer to.
    pub fn plan<C: Component>(&self, config: &str) -> Result<Proposal, Failure> {
        answer::plan::<C>(self.fixture.request(super::trial_id(), config.to_owned()))
    }
}

impl From<Fixture> for FakeMachine {
    fn from(fixture: Fixture) -> Self {
        Self { fixture }
    }
}
