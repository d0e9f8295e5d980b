//! What plugins are told of services and processes, which they cannot ask for themselves.

use crate::survey::Survey;
use backout_machine::{process, service::ServiceState};
use backout_protocol::{
    HostPath, ServiceName,
    message::{Facts, ProcessFact, Running},
};
use std::path::PathBuf;

/// What is known of these services, and of all processes that run from below the product's folders.
pub(crate) fn facts(services: &[ServiceName], survey: &Survey) -> Facts {
    let running = |service: &ServiceName| match survey.services.state(service) {
        Ok(ServiceState::Running | ServiceState::Starting | ServiceState::Restarting) => Running::Yes,
        Ok(ServiceState::Stopped | ServiceState::NotInstalled) => Running::No,
        Err(_) => Running::Unknown,
    };
    Facts {
        services: services.iter().map(|s| (s.clone(), running(s))).collect(),
        processes: survey.processes().to_vec(),
    }
}

/// The processes that run from below these folders, each kind once. That they cannot be listed is no reason to refuse:
/// the run itself waits for those that matter, and says so then.
pub(crate) fn processes<'a>(folders: impl Iterator<Item = &'a HostPath>) -> Vec<ProcessFact> {
    let under: Vec<PathBuf> = folders.map(|f| f.0.clone()).collect();
    let running = process::below(&under).unwrap_or_else(|e| {
        log::warn!("plugins are not told which processes run: {e}");
        Vec::new()
    });
    let mut seen: Vec<ProcessFact> =
        running.into_iter().map(|p| ProcessFact { image: p.image, path: Some(HostPath(p.path)) }).collect();
    seen.sort();
    seen.dedup();
    seen
}
