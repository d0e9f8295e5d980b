//! For a plugin's own tests: components run without a host, on machines in files, with answers that fail.
//!
//! ```
//! # use backout_plugin::{Ask, Component, Machine, examples, schemars};
//! # use backout_plugin::protocol::message::{Example, Failure, Proposal};
//! # #[derive(Default)]
//! # struct Nothing;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Config {}
//! # impl Component for Nothing {
//! #     const ID: &'static str = "nothing";
//! #     const ABOUT: &'static str = "Needs nothing.";
//! #     type Config = Config;
//! #     fn examples() -> Vec<Example> {
//! #         examples(&[r#"(about: "nothing", config: "()", machine: (), expect: proposal((steps: [])))"#])
//! #     }
//! #     fn plan(&self, _: &Ask<Config>, _: &Machine) -> Result<Proposal, Failure> { Ok(Proposal::default()) }
//! # }
//! use backout_plugin::testkit::ComponentTest;
//!
//! // In a `#[test]` of the plugin:
//! ComponentTest::<Nothing>::new().examples().faults().undo();
//! ```

mod fake;
mod faults;
mod undo;

pub use crate::trial::Trial;
pub use fake::FakeMachine;

use crate::{Component, Machine, answer::plan_on, machine::Record};
use backout_protocol::{
    ComponentId,
    message::{Example, Expected, Failure, Fixture, PlanRequest, Proposal},
    text::to_ron,
};
use std::marker::PhantomData;

/// What every component must stand, tried on its own examples. A check that fails panics and says with which example.
#[derive(Debug)]
pub struct ComponentTest<C> {
    examples: Vec<Example>,
    component: PhantomData<C>,
}

impl<C: Component> Default for ComponentTest<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Component> ComponentTest<C> {
    /// With the examples that the component declares.
    ///
    /// # Panics
    /// It declares none: then nothing would be tried.
    #[must_use]
    pub fn new() -> Self {
        let examples = C::examples();
        assert!(!examples.is_empty(), "`{}` declares no examples, so there is nothing to try it on", C::ID);
        Self { examples, component: PhantomData }
    }

    /// Every example gives what it says, and gives the same when asked again.
    ///
    /// # Panics
    /// One does not.
    pub fn examples(self) -> Self {
        for example in &self.examples {
            let (given, _) = plan::<C>(&example.config, &example.machine);
            let as_expected = match (&example.expect, &given) {
                (Expected::Proposal(wanted), Ok(given)) => wanted == given,
                (Expected::Failure(words), Err(failure)) => failure.message.contains(words.as_str()),
                (Expected::Proposal(_), Err(_)) | (Expected::Failure(_), Ok(_)) => false,
            };
            assert!(
                as_expected,
                "{}: it gives\n{}where the example has\n{}",
                named::<C>(example),
                shown(&given),
                to_ron(&example.expect).unwrap_or_default()
            );
            let (again, _) = plan::<C>(&example.config, &example.machine);
            assert!(
                given == again,
                "{}: asked again, it gives\n{}instead of\n{}",
                named::<C>(example),
                shown(&again),
                shown(&given)
            );
        }
        self
    }

    /// Whatever a plan looks at may be unreadable: for each path in turn, it and all below cannot be looked at. The
    /// component then fails, or proposes nothing at or below what it asked for in vain. It never panics.
    ///
    /// # Panics
    /// It does otherwise.
    pub fn faults(self) -> Self {
        for example in &self.examples {
            if let Err(why) = faults::check::<C>(&example.config, &example.machine) {
                panic!("{}: {why}", named::<C>(example));
            }
        }
        self
    }

    /// Every proposal can be taken back: it names each file once, below the product's folders, backups that are there, no
    /// folder that still holds something, and starts again what it stops.
    ///
    /// # Panics
    /// One does not.
    pub fn undo(self) -> Self {
        for example in &self.examples {
            let (Ok(proposal), _) = plan::<C>(&example.config, &example.machine) else { continue };
            if let Err(why) = undo::check(&proposal, &example.machine) {
                panic!("{}: {why}; it gives\n{}", named::<C>(example), shown(&Ok(proposal)));
            }
        }
        self
    }
}

fn named<C: Component>(example: &Example) -> String {
    format!("`{}`, example \"{}\"", C::ID, example.about)
}

fn shown(given: &Result<Proposal, Failure>) -> String {
    match given {
        Ok(proposal) => to_ron(&Expected::Proposal(proposal.clone())).unwrap_or_default(),
        Err(failure) => format!("failure({:?})\n", failure.message),
    }
}

/// Lets the component plan on a machine in a fixture, and says what it asked.
fn plan<C: Component>(config: &str, machine: &Fixture) -> (Result<Proposal, Failure>, Record) {
    let request = PlanRequest { record: true, ..machine.request(trial_id(), config.to_owned()) };
    let machine = Machine::of(&request);
    let planned = plan_on::<C>(request, &machine);
    (planned, machine.recorded().unwrap_or_default())
}

/// The component that is planned where no profile says which.
pub(crate) fn trial_id() -> ComponentId {
    let Ok(component) = "trial".parse() else { unreachable!("`trial` is a component id") };
    component
}
