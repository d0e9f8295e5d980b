//! What makes a proposal one that can be taken back.

use backout_protocol::{
    HostPath, NameRule, Place, ServiceName,
    message::{BackupSource, Fixture, Known, KnownKind, Proposal, Proposed, Seen},
    step::Fate,
};
use std::collections::BTreeSet;

/// Says what is wrong with a proposal for this machine.
pub(super) fn check(proposal: &Proposal, machine: &Fixture) -> Result<(), String> {
    let mut changed = Changed { machine, targets: BTreeSet::new(), gone: BTreeSet::new() };
    let mut stopped: BTreeSet<&ServiceName> = BTreeSet::new();
    for step in &proposal.steps {
        match step {
            Proposed::StopService { service } => {
                known_service(service, machine)?;
                stopped.insert(service);
            }
            Proposed::StartService { service } => {
                known_service(service, machine)?;
                stopped.remove(service);
            }
            Proposed::RestoreFile { target, candidates, .. } => {
                changed.target(target)?;
                for candidate in candidates {
                    changed.backup(&candidate.place, target, candidate.fate)?;
                }
            }
            Proposed::WriteFile { target, .. } => changed.target(target)?,
            Proposed::RemoveFile { target, .. } => {
                changed.target(target)?;
                changed.goes(target);
            }
            Proposed::RemoveFolder { target } => {
                changed.target(target)?;
                changed.is_empty(target)?;
                changed.goes(target);
            }
            // What waits changes nothing; what a plugin's own code does is for its actions' tests.
            Proposed::WaitExit { .. } | Proposed::Custom { .. } => {}
        }
    }
    match stopped.first() {
        Some(service) => Err(format!("it stops {service} and does not start it again")),
        None => Ok(()),
    }
}

fn known_service(service: &ServiceName, machine: &Fixture) -> Result<(), String> {
    if machine.services.contains(service) {
        return Ok(());
    }
    Err(format!("{service} is none of the component's services"))
}

/// What the steps so far have to do with.
struct Changed<'a> {
    machine: &'a Fixture,
    targets: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Changed<'_> {
    fn key(&self, place: &Place) -> String {
        self.machine.names.path_key(&place.path())
    }

    fn target(&mut self, place: &Place) -> Result<(), String> {
        if !self.machine.folders.values().any(|folder| *folder == place.root) {
            return Err(format!("the root of the target `{place}` is no folder of the request"));
        }
        if !self.targets.insert(self.key(place)) {
            return Err(format!("two steps are about `{place}`"));
        }
        Ok(())
    }

    fn backup(&mut self, place: &Place, target: &Place, fate: Fate) -> Result<(), String> {
        let aside = match &self.machine.source {
            BackupSource::Vendor => None,
            BackupSource::Dir(dir) => Some(dir),
        };
        if !self.machine.folders.values().chain(aside).any(|folder| *folder == place.root) {
            return Err(format!("the root of the backup `{place}` is no folder of the request"));
        }
        if self.key(place) == self.key(target) {
            return Err(format!("`{place}` is to be a backup of itself"));
        }
        match self.machine.look(&place.path()) {
            None | Some(Seen::Absent | Seen::Known(Known::Absent)) => {
                Err(format!("the backup `{place}` is not there"))
            }
            Some(Seen::Known(Known::Folder(_) | Known::Closed(_)) | Seen::Kind(KnownKind::Folder)) => {
                Err(format!("the backup `{place}` is a folder"))
            }
            Some(Seen::Known(_) | Seen::Kind(_)) => {
                if fate == Fate::Consume {
                    self.goes(place);
                }
                Ok(())
            }
        }
    }

    fn goes(&mut self, place: &Place) {
        self.gone.insert(self.key(place));
    }

    /// Whether all that lies in a folder is gone by now.
    fn is_empty(&self, place: &Place) -> Result<(), String> {
        let folder = place.path();
        let unknown = || format!("the folder `{place}` is to go, and nobody looked what is in it");
        let Some(Seen::Known(Known::Folder(Some(names)))) = self.machine.look(&folder) else {
            return Err(unknown());
        };
        let rule: NameRule = self.machine.names;
        let left = names.keys().map(|name| folder.join(backout_protocol::path::decode(name)));
        match left.into_iter().find(|path| !self.gone.contains(&rule.path_key(path))) {
            Some(left) => Err(format!("the folder `{place}` is to go while `{}` is in it", HostPath(left))),
            None => Ok(()),
        }
    }
}
