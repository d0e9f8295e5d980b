//! What finished runs keep beside their targets, and how much space it takes.

use crate::{
    refusal::Refusal,
    state::{State, plain, unusable},
    tidy::digests,
    transaction::Transaction,
};
use backout_disk::{size::tree_size, staging::PREFIX};
use backout_journal::Journal;
use backout_protocol::{HostPath, RunId};

/// The folders of one finished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The run.
    pub run: RunId,
    /// Its folders that are still there.
    pub folders: Vec<HostPath>,
    /// Bytes in them.
    pub bytes: u64,
}

/// What every run in the history keeps, oldest first. Runs whose records cannot be read are left out.
///
/// # Errors
/// [`Refusal::State`].
pub fn kept(state: &State) -> Result<Vec<Kept>, Refusal> {
    let mut all = Vec::new();
    for run in state.history_ids()? {
        let folder = state.history().and_then(|h| h.open_below(&plain(run.as_str())));
        let folder = folder.map_err(|e| unusable(state.path(), &e))?;
        let Ok(Some(reading)) = Journal::read(&folder, &run) else { continue };
        let Some((plan, staged)) = digests(&reading) else { continue };
        let Ok(tx) = Transaction::open(&run, folder, plan, staged) else { continue };
        let names = tx.hosts().into_iter().map(|h| h.path().0.join(format!("{PREFIX}{run}")));
        let folders: Vec<HostPath> = names.filter(|p| p.is_dir()).map(HostPath).collect();
        let bytes = folders.iter().filter_map(|f| tree_size(&f.0).ok()).sum();
        if !folders.is_empty() {
            all.push(Kept { run, folders, bytes });
        }
    }
    Ok(all)
}
