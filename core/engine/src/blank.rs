//! For tests: a plan that does nothing, to be filled with what a test is about.

use backout_protocol::{
    Digest, NameRule, Plan,
    plan::{Ask, EffectiveSite, PlanKind, ProfileRef},
    profile::Timeouts,
    site::ServiceAccess,
};

pub(crate) fn plan() -> Plan {
    let profile = ProfileRef { name: String::new(), sha256: Digest([0; 32]), file: None };
    let site = EffectiveSite {
        vars: Default::default(),
        names: NameRule::Exact,
        services: ServiceAccess::System,
        units: Default::default(),
        timeouts: Timeouts::default(),
        health: Vec::new(),
        images: Default::default(),
    };
    Plan::new(PlanKind::Rollback, "", profile, Ask::default(), site)
}
