//! From the bytes of a request to the bytes of its answer.

use crate::{Ask, Component, Machine, action, failure, manifest};
use backout_protocol::{
    message::{Answer, Failure, Manifest, PlanRequest, Proposal, Request},
    text::from_ron,
};

/// Answers one request. `version` is the plugin's own.
///
/// # Errors
/// Only if the answer cannot be written as JSON; everything else is an answer too.
pub(crate) fn answer<C: Component>(request: &[u8], version: &str) -> Result<Vec<u8>, serde_json::Error> {
    let answer = match serde_json::from_slice(request) {
        Ok(Request::Describe) => Answer::Manifest(describe::<C>(version)),
        Ok(Request::Plan(request)) => match plan::<C>(*request) {
            Ok(proposal) => Answer::Proposal(proposal),
            Err(failure) => Answer::Failed(failure),
        },
        Ok(other) => action::answer::<C>(&other)
            .unwrap_or_else(|| Answer::Failed(failure("this plugin does not answer that"))),
        Err(e) => Answer::Failed(failure(format!("the request is not understood: {e}"))),
    };
    serde_json::to_vec(&answer)
}

fn describe<C: Component>(version: &str) -> Manifest {
    Manifest {
        id: C::ID.to_owned(),
        version: version.to_owned(),
        api: (manifest::OLDEST, manifest::API),
        about: C::ABOUT.to_owned(),
    }
}

/// Reads the configuration and lets the component plan.
pub(crate) fn plan<C: Component>(request: PlanRequest) -> Result<Proposal, Failure> {
    let config = from_ron("config", &request.config).map_err(|e| {
        let message =
            format!("the configuration of component `{}` is not understood: {}", request.component, e.why);
        Failure { message, at: Some((e.line, e.column)) }
    })?;
    let machine = Machine::new(request.names);
    C::default().plan(&Ask { config, request }, &machine)
}
