//! What finished runs tell: what they keep beside their targets, and how long their window was.

use crate::{
    refusal::Refusal,
    state::{State, plain, unusable},
    tidy::digests,
    transaction::Transaction,
};
use backout_disk::{size::tree_size, staging::PREFIX};
use backout_journal::{Journal, Reading, Record};
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
        let Some((_, tx)) = read(state, &run)? else { continue };
        let names = tx.hosts().into_iter().map(|h| h.path().0.join(format!("{PREFIX}{run}")));
        let folders: Vec<HostPath> = names.filter(|p| p.is_dir()).map(HostPath).collect();
        let bytes = folders.iter().filter_map(|f| tree_size(&f.0).ok()).sum();
        if !folders.is_empty() {
            all.push(Kept { run, folders, bytes });
        }
    }
    Ok(all)
}

/// Milliseconds from the first stop to the last start of the newest committed run of this profile, by its journal.
///
/// # Errors
/// [`Refusal::State`].
pub fn last_window(state: &State, profile: &str) -> Result<Option<u64>, Refusal> {
    for run in state.history_ids()?.into_iter().rev() {
        let Some((reading, tx)) = read(state, &run)? else { continue };
        if tx.plan.profile.name != profile || !reading.status.is_committed() {
            continue;
        }
        let at =
            |wanted: fn(&Record) -> bool| reading.lines.iter().rfind(|l| wanted(&l.record)).map(|l| l.at);
        let opened = at(|r| matches!(r, Record::Opening { .. }));
        let started = at(|r| matches!(r, Record::Started { .. }));
        if let (Some(opened), Some(started)) = (opened, started) {
            return Ok(started.checked_sub(opened));
        }
    }
    Ok(None)
}

/// A run of the history; `None`: its records cannot be read.
pub(crate) fn read(state: &State, run: &RunId) -> Result<Option<(Reading, Transaction)>, Refusal> {
    let folder = state.history().and_then(|h| h.open_below(&plain(run.as_str())));
    let folder = folder.map_err(|e| unusable(state.path(), &e))?;
    let Ok(Some(reading)) = Journal::read(&folder, run) else { return Ok(None) };
    let Some((plan, staged)) = digests(&reading) else { return Ok(None) };
    Ok(Transaction::open(run, folder, plan, staged).ok().map(|tx| (reading, tx)))
}
