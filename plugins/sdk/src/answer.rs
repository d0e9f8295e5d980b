//! From the bytes of a request to the bytes of its answer.

use crate::{Ask, Component, Machine, action, failure, manifest};
use backout_protocol::{
    message::{Answer, Failure, Fixture, Manifest, PlanRequest, Planned, Proposal, Recorded, Request},
    text::from_ron,
};

/// Answers one request. `version` is the plugin's own.
///
/// # Errors
/// Only if the answer cannot be written as JSON; everything else is an answer too.
pub(crate) fn answer<C: Component>(request: &[u8], version: &str) -> Result<Vec<u8>, serde_json::Error> {
    let answer = match serde_json::from_slice(request) {
        Ok(Request::Describe) => Answer::Manifest(describe::<C>(version)),
        Ok(Request::Plan(request)) if request.record => Answer::Recorded(Box::new(record::<C>(*request))),
        Ok(Request::Plan(request)) => match plan::<C>(*request) {
            Ok(proposal) => Answer::Proposal(proposal),
            Err(failure) => Answer::Failed(failure),
        },
        Ok(Request::Schema) => match serde_json::to_string(&schemars::schema_for!(C::Config)) {
            Ok(schema) => Answer::Schema(schema),
            Err(e) => Answer::Failed(failure(format!("the schema cannot be written: {e}"))),
        },
        Ok(Request::Examples) => Answer::Examples(C::examples()),
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

/// Lets the component plan.
pub(crate) fn plan<C: Component>(request: PlanRequest) -> Result<Proposal, Failure> {
    let machine = Machine::of(&request);
    plan_on::<C>(request, &machine)
}

/// Lets the component plan, and keeps every question about the machine with its answer.
pub(crate) fn record<C: Component>(request: PlanRequest) -> Recorded {
    let (request, mut fixture) = (PlanRequest { record: true, ..request.clone() }, Fixture::of(&request));
    let machine = Machine::of(&request);
    let planned = match plan_on::<C>(request, &machine) {
        Ok(proposal) => Planned::Proposal(proposal),
        Err(failure) => Planned::Failed(failure),
    };
    fixture.paths = machine.recorded().unwrap_or_default().paths;
    Recorded { planned, machine: fixture }
}

/// Reads the configuration and lets the component plan on this machine.
pub(crate) fn plan_on<C: Component>(request: PlanRequest, machine: &Machine) -> Result<Proposal, Failure> {
    let config = from_ron("config", &request.config).map_err(|e| {
        let message =
            format!("the configuration of component `{}` is not understood: {}", request.component, e.why);
        Failure { message, at: Some((e.line, e.column)) }
    })?;
    let planned = C::default().plan(&Ask { config, request }, machine);
    if let Ok(proposal) = &planned {
        log::debug!("{} steps, {} files left alone", proposal.steps.len(), proposal.left_alone.len());
    }
    planned
}

#[cfg(test)]
mod tests;
