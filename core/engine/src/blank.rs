//! For tests: a plan that does nothing and a snapshot of nothing, to be filled with what a test is about.

use backout_protocol::{
    Digest, NameRule, Plan,
    plan::{Ask, EffectiveSite, PlanKind, ProfileRef},
    profile::Timeouts,
    site::ServiceAccess,
    snapshot,
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

pub(crate) fn snapshot() -> snapshot::Snapshot {
    snapshot::Snapshot {
        format: snapshot::FORMAT,
        tool: String::new(),
        id: "01jd0000000000000000000000".parse().unwrap(),
        label: None,
        profile: None,
        taken: 0,
        names: NameRule::Exact,
        roots: Vec::new(),
        exclude: Vec::new(),
        services: Vec::new(),
        registry: Vec::new(),
        mounts: None,
        entries: Vec::new(),
    }
}
