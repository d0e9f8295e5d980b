//! For tests: a plan that does nothing, to be filled with what a test is about.

use backout_protocol::{
    Digest, NameRule, Plan,
    plan::{Ask, EffectiveSite, PlanKind, ProfileRef},
    profile::Timeouts,
    site::ServiceAccess,
};

pub(crate) fn plan() -> Plan {
    Plan {
        format: backout_protocol::plan::FORMAT,
        kind: PlanKind::Rollback,
        tool: String::new(),
        profile: ProfileRef { name: String::new(), sha256: Digest([0; 32]), file: None },
        plugins: Vec::new(),
        request: Ask::default(),
        site: EffectiveSite {
            vars: Default::default(),
            names: NameRule::Exact,
            services: ServiceAccess::System,
            units: Default::default(),
            timeouts: Timeouts::default(),
            health: Vec::new(),
            images: Default::default(),
        },
        components: Vec::new(),
        services: Vec::new(),
        steps: Vec::new(),
        closed: Vec::new(),
        keep_clear: Vec::new(),
        guard: None,
        after: Vec::new(),
        left_alone: Vec::new(),
        notices: Vec::new(),
        notes: Vec::new(),
        reminders: Vec::new(),
    }
}
