//! For tests: a plan that does nothing and a snapshot of nothing, to be filled with what a test is about; and a host without plugins.

use crate::faces::{HostError, Listed, Observer, PluginHost};
use backout_protocol::{
    Digest, Event, NameRule, Plan,
    message::{PlanRequest, Proposal},
    plan::{Ask, EffectiveSite, PlanKind, PluginRef, ProfileRef},
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

pub(crate) fn facts() -> snapshot::Facts {
    snapshot::Facts {
        owner: String::new(),
        group: None,
        mode: 0,
        modified: (0, 0),
        attributes: Default::default(),
    }
}

/// Has no plugins, and hears nothing.
pub(crate) struct Nobody;

impl PluginHost for Nobody {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        Err(HostError::NotFound { id: id.to_owned(), searched: Vec::new() })
    }
    fn plan(&self, _: &PluginRef, _: &PlanRequest) -> Result<Proposal, HostError> {
        Ok(Proposal::default())
    }
    fn list(&self) -> Vec<Listed> {
        Vec::new()
    }
}

impl Observer for Nobody {
    fn event(&self, _: &Event) {}
}
