//! Runs a component on this machine without a host, for its author's tests.
//!
//! ```
//! # use backout_plugin::{Ask, Component, Machine, schemars, protocol::message::{Failure, Proposal}};
//! # #[derive(Default)]
//! # struct Nothing;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Config {}
//! # impl Component for Nothing {
//! #     const ID: &'static str = "nothing";
//! #     const ABOUT: &'static str = "Needs nothing.";
//! #     type Config = Config;
//! #     fn plan(&self, _: &Ask<Config>, _: &Machine) -> Result<Proposal, Failure> { Ok(Proposal::default()) }
//! # }
//! use backout_plugin::trial::Trial;
//!
//! let proposal = Trial::new("()").folder("home", "/srv/product").plan::<Nothing>();
//! assert_eq!(proposal, Ok(Proposal::default()));
//! assert_eq!(Trial::new("(typo: 1").plan::<Nothing>().unwrap_err().at, Some((1, 8)));
//! ```

use crate::{Component, answer, testkit::trial_id};
use backout_protocol::{
    HostPath, NameRule, ServiceName,
    id::BadId,
    message::{BackupSource, Failure, Fixture, ListedFile, PlanRequest, Proposal, Recorded, Running},
};
use std::path::Path;

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Trial {
    request: PlanRequest,
    bad: Option<BadId>,
}

impl Trial {
    /// A component with this configuration (RON text), no folders, no list, no services, exact names.
    pub fn new(config: &str) -> Self {
        let request = Fixture::default().request(trial_id(), config.to_owned());
        Self { request: PlanRequest { machine: None, ..request }, bad: None }
    }

    /// Gives a variable a folder.
    #[must_use]
    pub fn folder(mut self, variable: &str, folder: impl AsRef<Path>) -> Self {
        self.request.folders.insert(variable.to_owned(), HostPath(folder.as_ref().to_owned()));
        self
    }

    /// Names compare without regard to case.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.request.names = NameRule::Folded;
        self
    }

    /// Adds a row of the list.
    #[must_use]
    pub fn listed(mut self, row: ListedFile) -> Self {
        self.request.listed.push(row);
        self
    }

    /// Adds an installed service, which runs.
    #[must_use]
    pub fn service(mut self, name: &str) -> Self {
        match name.parse::<ServiceName>() {
            Ok(name) => {
                self.request.facts.services.insert(name.clone(), Running::Yes);
                self.request.services.push(name);
            }
            Err(e) => self.bad = Some(e),
        }
        self
    }

    /// Takes backups from a folder that somebody set aside.
    #[must_use]
    pub fn from_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.request.source = BackupSource::Dir(HostPath(dir.as_ref().to_owned()));
        self
    }

    /// Gives a switch of the command line.
    #[must_use]
    pub fn option(mut self, name: &str) -> Self {
        self.request.options.insert(name.to_owned());
        self
    }

    /// Lets the component plan, as a host would.
    ///
    /// # Errors
    /// What the component answers, or a service name that is none.
    pub fn plan<C: Component>(self) -> Result<Proposal, Failure> {
        match self.bad {
            Some(bad) => Err(crate::failure(bad.to_string())),
            None => answer::plan::<C>(self.request),
        }
    }

    /// Lets the component plan, and gives every question about this machine with its answer: a fixture on which it plans
    /// the same.
    ///
    /// # Errors
    /// A service name that is none.
    pub fn record<C: Component>(self) -> Result<Recorded, Failure> {
        match self.bad {
            Some(bad) => Err(crate::failure(bad.to_string())),
            None => Ok(answer::record::<C>(self.request)),
        }
    }
}
