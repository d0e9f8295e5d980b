//! The real recovery, in this process; and the word that a guard waits for.

use crate::guarded::LONG;
use backout_disk::fingerprint::digest_bytes;
use backout_engine::{
    Cancel, Ending, Faces, Failure, HostError, Listed, Observer, PluginHost, RunReport,
    guard::{self, Confirmed},
    recover,
    window::Extent,
};
use backout_host::{Hosting, Pinning, Plugins};
use backout_kit::{Snapshot, snapshot};
use backout_protocol::{
    Event,
    message::{Answer, PlanRequest, Proposal, Request},
    plan::PluginRef,
};
use std::{
    fs::{self, File},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// The copies of plugins that runs keep, asked in this process; each must be whole each time.
pub(super) struct Copies(Plugins);

impl Default for Copies {
    fn default() -> Self {
        Self(Plugins::new([], Pinning::WhereListed, Hosting::Here))
    }
}

impl PluginHost for Copies {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        Err(HostError::NotFound { id: id.to_owned(), searched: Vec::new() })
    }
    fn plan(&self, plugin: &PluginRef, _: &PlanRequest) -> Result<Proposal, HostError> {
        Err(HostError::NotFound { id: plugin.id.clone(), searched: Vec::new() })
    }
    fn act(&self, plugin: &PluginRef, request: &Request, held: Option<&File>) -> Result<Answer, HostError> {
        let bytes = fs::read(&plugin.file.0).unwrap_or_default();
        if digest_bytes(&bytes) != plugin.sha256 {
            let (file, why) = (plugin.file.clone(), "the copy is not what the run has kept".to_owned());
            return Err(HostError::Distrusted { file, why });
        }
        PluginHost::act(&self.0, plugin, request, held)
    }
    fn list(&self) -> Vec<Listed> {
        Vec::new()
    }
}

/// Is told what happens, and waits for nobody's word longer than a moment: as a person who presses Ctrl-C then.
#[derive(Default)]
struct Impatient(Arc<AtomicBool>);

impl Observer for Impatient {
    fn event(&self, event: &Event) {
        if matches!(event, Event::AwaitingConfirm { left_s, .. } if *left_s > 1) {
            self.0.store(true, SeqCst);
        }
    }
}

/// A recovery.
pub(super) fn run(state: &Path, copies: &Copies) -> RunReport {
    let observer = Impatient::default();
    let cancel = Cancel::new(observer.0.clone(), None);
    recover::run(
        state,
        Extent::Whole,
        &Faces {
            observer: &observer,
            cancel: &cancel,
            host: copies,
            registry: backout_machine::registry::here(),
        },
    )
}

/// The first recovery of a state. A guard that waits to be confirmed still does so when it is recovered once more, with the
/// installer's work as it was, the last of `ends`; then it is confirmed, and that stays. Nobody takes back early what
/// somebody may still confirm.
pub(super) fn first(
    state: &Path,
    home: &Path,
    ends: &[Snapshot],
    copies: &Copies,
) -> Result<RunReport, String> {
    let report = run(state, copies);
    match &report.ending {
        Ending::RolledBack(Failure::NotConfirmed { within }) if *within >= LONG => {
            return Err("it went back before its time was over".to_owned());
        }
        Ending::Unfinished(Failure::AwaitsConfirm { .. }) => {}
        _ => return Ok(report),
    }
    let again = run(state, copies);
    if !matches!(again.ending, Ending::Unfinished(Failure::AwaitsConfirm { .. })) {
        return Err(format!("it waited, and a second recover ended {:?}", again.ending));
    }
    if ends.last() != Some(&snapshot(home)) {
        return Err("it waits, and the installer's work is not there as it was".to_owned());
    }
    let (quiet, cancel) = (Impatient::default(), Cancel::default());
    match guard::confirm(
        state,
        None,
        &Faces {
            observer: &quiet,
            cancel: &cancel,
            host: copies,
            registry: backout_machine::registry::here(),
        },
    ) {
        Ok(Confirmed::Now(report)) if ends.last() == Some(&snapshot(home)) => Ok(*report),
        Ok(Confirmed::Now(report)) => Err(format!("it was confirmed and went back: {:?}", report.ending)),
        other => Err(format!("it could not be confirmed: {other:?}")),
    }
}
