//! Folders of drop-ins. What holds a service back during the way back lies in the folder of its unit's drop-ins, which may be one
//! that the installer made, and goes, or one that it removed, and comes back. Neither may be moved with the hold in it: the
//! manager would then start the service on files of both states.

use super::copies::Copies;
use crate::{hold, refusal::Refusal};
use backout_disk::{Folder, durable};
use backout_machine::service::Services;
use backout_protocol::{
    Plan, Step,
    snapshot::{Snapshot, What},
};
use std::path::{Path, PathBuf};

/// The folders that holds of the plan's services lie in. Where none can be made there are none; the run says why.
fn folders(plan: &Plan, services: &dyn Services, state: &Path) -> Vec<PathBuf> {
    let holds = hold::holds(plan, services, state).unwrap_or_default();
    let folder = |hold: &backout_machine::service::Hold| {
        let folder = hold.path.parent()?;
        Some(hold::real(folder.parent()?).join(folder.file_name()?))
    };
    holds.iter().filter_map(folder).collect()
}

/// Makes those again that the snapshot has and that are gone, before the run back is planned: it gives them their rights and
/// what was in them. If we die here, an empty folder is there, which the same makes nothing of when it is done again.
///
/// # Errors
/// The disk's; as [`Copies::are_whole`].
pub(super) fn make(
    snapshot: &Snapshot,
    plan: &Plan,
    services: &dyn Services,
    state: &Path,
    copies: &Copies<'_>,
) -> Result<(), Refusal> {
    let folders = folders(plan, services, state);
    let saved = snapshot.entries.iter().filter(|entry| matches!(entry.what, What::Folder));
    for folder in saved.filter_map(|entry| snapshot.place(entry)).map(|place| place.path()) {
        let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else { continue };
        if !folders.contains(&folder) || !above.is_dir() || folder.symlink_metadata().is_ok() {
            continue;
        }
        copies.are_whole()?;
        let above = Folder::open_root(above).map_err(Refusal::Look)?;
        durable::ensure_folder(&above, name, 0o755).map_err(Refusal::Look)?;
    }
    Ok(())
}

/// Leaves those alone that are to go. They go with the last hold, once they are empty.
pub(super) fn spare(files: &mut Vec<Step>, plan: &Plan, services: &dyn Services, state: &Path) {
    let folders = folders(plan, services, state);
    files.retain(|step| !matches!(step, Step::RemoveFolder { target } if folders.contains(&target.path())));
}

#[cfg(test)]
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "makes the folder that the drop-ins lie in")]
mod tests {
    use super::*;
    use crate::{blank, guard::theirs::Theirs, state::State};
    use backout_machine::service::{Hold, Patience, ServiceError, ServiceState};
    use backout_protocol::{
        HostPath, RelPath, ServiceName,
        plan::{PlannedService, Tie, Was},
        snapshot::{Entry, Root},
    };
    use std::fs;

    /// A manager whose drop-ins lie in this folder.
    struct Below(PathBuf);

    impl Services for Below {
        fn state(&self, _: &ServiceName) -> Result<ServiceState, ServiceError> {
            Ok(ServiceState::Stopped)
        }
        fn stop(&self, _: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
            Ok(())
        }
        fn start(&self, _: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
            Ok(())
        }
        fn start_hint(&self, _: &ServiceName) -> String {
            String::new()
        }
        fn programs(&self) -> Vec<PathBuf> {
            Vec::new()
        }
        fn holds(&self, names: &[ServiceName], _: &Path) -> Result<Vec<Hold>, ServiceError> {
            let path = |name: &ServiceName| self.0.join(format!("{name}.service.d/hold.conf"));
            Ok(names.iter().map(|name| Hold { path: path(name), text: String::new() }).collect())
        }
    }

    #[test]
    fn a_folder_of_drop_ins_that_the_installer_removed_is_made_again_where_there_is_one_to_make_it_in() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        drop(State::lock(&at.join("state")).unwrap());
        let state = State::look(&at.join("state")).unwrap().unwrap();
        let service =
            PlannedService { name: "S".parse().unwrap(), was: Was::Running, start: true, tie: Tie::Named };
        let plan = Plan { services: vec![service], ..blank::plan() };
        let entry = |path: &str| Entry {
            root: 0,
            path: RelPath::new(path).unwrap(),
            what: What::Folder,
            facts: None,
        };
        let snapshot = Snapshot {
            roots: vec![Root { path: HostPath(at.join("units")), facts: blank::facts() }],
            entries: vec![entry("S.service.d"), entry("T.service.d")],
            ..blank::snapshot()
        };
        for copy in ["S.service.d", "T.service.d"] {
            let copies = state.path().join(format!("snapshots/{}/files/0", snapshot.id));
            fs::create_dir_all(copies.join(copy)).unwrap();
        }
        let theirs = Theirs::all_new();
        let copies = Copies::of(&state, &snapshot, &theirs);
        let make = || make(&snapshot, &plan, &Below(at.join("units")), state.path(), &copies);
        make().unwrap();
        assert!(!at.join("units").exists(), "the folder above is gone too: the run back makes both");
        fs::create_dir(at.join("units")).unwrap();
        make().unwrap();
        assert!(at.join("units/S.service.d").is_dir());
        assert!(!at.join("units/T.service.d").exists(), "nothing of the plan's is held in it");
        make().unwrap();
    }
}
