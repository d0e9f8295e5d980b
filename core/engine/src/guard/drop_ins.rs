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
