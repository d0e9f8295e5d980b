//! What is asked in the host's tests.

use backout_protocol::{
    NameRule,
    message::{BackupSource, PlanRequest},
};
use std::collections::BTreeMap;

/// A request for component `part` with this configuration and nothing else.
pub(crate) fn request(config: &str) -> PlanRequest {
    PlanRequest {
        component: "part".parse().unwrap(),
        config: config.to_owned(),
        folders: BTreeMap::new(),
        names: NameRule::Exact,
        listed: Vec::new(),
        services: Vec::new(),
        source: BackupSource::Vendor,
        options: Default::default(),
        facts: Default::default(),
        machine: None,
        record: false,
    }
}
