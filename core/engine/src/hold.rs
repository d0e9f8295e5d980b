//! Holding the managed services back while the tree is unsettled.
//!
//! `STATE/unsettled` exists from just before the first swap until every name is new and durable, or old and durable
//! again. While it exists the files that [`Services::holds`] names keep the system's manager from starting the run's
//! services: at boot, by a timer, by hand. So no service ever runs on a mixture, whatever boots the machine.
//!
//! Where the manager reads no such files (Windows), the run's services need the recovery at boot besides what they need,
//! just as long as `unsettled` exists. What each needed before stands in the transaction's folder from before the first
//! change, so that it is put back as it was.
//!
//! `unsettled` is made early, in the transaction's folder, and only renamed into place and back, so that a full disk
//! cannot keep it from appearing when it is needed.

use crate::{
    failure::Failure,
    quiesce,
    state::State,
    transaction::Transaction,
    window::{Run, chain},
};
use backout_disk::{Error, ErrorKind, Folder, durable};
use backout_machine::service::{Hold, Needs, ServiceError, Services};
use backout_protocol::{
    HostPath, Plan, ServiceName,
    text::{from_ron, to_ron},
};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The file's name in the state folder and, while nothing is held, in the transaction's.
pub const UNSETTLED: &str = "unsettled";
/// What the run's services needed before it, in the transaction's folder; only where they are held back by that.
const NEEDS: &str = "needs.ron";
/// Longer than any file of ours that holds services back.
const CAP: u64 = 64 * 1024;

/// The files that hold the services of `plan` back while `state` is unsettled.
///
/// # Errors
/// [`ServiceError::Unholdable`].
pub(crate) fn holds(plan: &Plan, services: &dyn Services, state: &Path) -> Result<Vec<Hold>, ServiceError> {
    let names: Vec<ServiceName> = plan.services.iter().map(|s| s.name.clone()).collect();
    if names.is_empty() { Ok(Vec::new()) } else { services.holds(&names, &state.join(UNSETTLED)) }
}

/// Whether the state folder at `state` has a run whose services are held back.
pub fn is_unsettled(state: &Path) -> bool {
    state.join(UNSETTLED).exists()
}

/// What the run's services needed before it, as far as they are held back by that.
fn needs(tx: &Transaction) -> Result<Vec<Needs>, Error> {
    let Some(bytes) = durable::read(&tx.folder, OsStr::new(NEEDS), CAP)? else { return Ok(Vec::new()) };
    let spoilt = |why: &str| Error::unsupported("read", &tx.folder.path().join(NEEDS), why);
    let text = String::from_utf8(bytes).map_err(|e| spoilt(&e.to_string()))?;
    from_ron(NEEDS, &text).map_err(|e| spoilt(&e.to_string()))
}

/// What stands where one of ours is to be: by another state folder's run, or by somebody else.
///
/// # Errors
/// The system's.
pub(crate) fn in_the_way(holds: &[Hold]) -> Result<Option<HostPath>, Error> {
    for hold in holds {
        if read(&hold.path)?.is_some_and(|text| text != hold.text.as_bytes()) {
            return Ok(Some(HostPath(hold.path.clone())));
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    match Folder::open_root(&real(parent)) {
        Ok(folder) => durable::read(&folder, name, CAP),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The path without symbolic links, as far as it exists: folders of the system may well be reached through some.
pub(crate) fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Writes one file that holds services back, and its folder.
fn write(hold: &Hold) -> Result<(), Error> {
    let nowhere = || Error::unsupported("write", &hold.path, "it has no folder");
    let (Some(parent), Some(name)) = (hold.path.parent(), hold.path.file_name()) else {
        return Err(nowhere());
    };
    let (Some(above), Some(folder)) = (parent.parent(), parent.file_name()) else { return Err(nowhere()) };
    let above = Folder::open_root(&real(above))?;
    let folder = durable::ensure_folder(&above, folder, 0o755)?;
    durable::write(&folder, name, hold.text.as_bytes(), 0o644)
}

/// Removes what [`write()`] wrote, whole or half, and its folder if nothing else is in it. A file with another text is
/// not ours.
fn remove(hold: &Hold) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (hold.path.parent(), hold.path.file_name()) else { return Ok(()) };
    let (Some(above), Some(own)) = (parent.parent(), parent.file_name()) else { return Ok(()) };
    let folder = match Folder::open_root(&real(parent)) {
        Ok(folder) => folder,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if read(&hold.path)?.is_some_and(|text| text == hold.text.as_bytes()) {
        durable::remove_tree(&folder, name)?;
    }
    durable::remove_unfinished(&folder, name)?;
    if folder.entries()?.is_empty() {
        durable::remove_tree(&Folder::open_root(&real(above))?, own)?;
    }
    Ok(())
}

impl Run<'_> {
    /// Before the window: writes what will hold the services back, which holds nothing yet. If we die in here, or
    /// anywhere before [`Run::hold`], files are there that mean nothing as long as `unsettled` does not exist.
    pub(crate) fn prepare_hold(&mut self) -> Result<(), Failure> {
        let holds = holds(&self.tx.plan, self.services, self.state.path()).map_err(Failure::Service)?;
        let names: Vec<ServiceName> = self.tx.plan.services.iter().map(|s| s.name.clone()).collect();
        let needs = self.services.needs(&names).map_err(Failure::Service)?;
        if holds.is_empty() && needs.is_empty() {
            return Ok(());
        }
        let fail = |e: Error| Failure::Hold { why: e.to_string() };
        if !needs.is_empty() {
            let text = to_ron(&needs).map_err(|e| Failure::Hold { why: e.to_string() })?;
            durable::write(&self.tx.folder, OsStr::new(NEEDS), text.as_bytes(), 0o600).map_err(fail)?;
        }
        let run = self.tx.run.as_str().as_bytes();
        durable::write(&self.tx.folder, OsStr::new(UNSETTLED), run, 0o600).map_err(fail)?;
        for hold in &holds {
            match read(&hold.path).map_err(fail)? {
                None => write(hold).map_err(fail)?,
                Some(text) if text == hold.text.as_bytes() => {}
                // Written since preflight looked: another state folder's run holds its services by it.
                Some(_) => {
                    let why = format!("`{}` was written by somebody else meanwhile", hold.path.display());
                    return Err(Failure::Hold { why });
                }
            }
        }
        // Also where all were there already: whoever wrote them may have died before the manager read them.
        self.services.reload().map_err(Failure::Service)
    }

    /// From here on nothing but us starts the run's services. Durable once this returns. If we die in here, before any
    /// file is touched, perhaps some of them need the recovery already.
    pub(crate) fn hold(&self) -> Result<(), Failure> {
        let fail = |e: Error| Failure::Hold { why: e.to_string() };
        let name = OsStr::new(UNSETTLED);
        // Not there: nothing to hold back, or held already.
        if self.tx.folder.stat(name).map_err(fail)?.is_some() {
            durable::rename(&self.tx.folder, name, self.state.folder(), name).map_err(fail)?;
        }
        self.hold_back()
    }

    /// Where services are held back by what they need: from the next start on they wait for the recovery, whether or not
    /// anything is unsettled by then. Those that run go on. Durable once this returns.
    pub(crate) fn hold_back(&self) -> Result<(), Failure> {
        let needs = needs(self.tx).map_err(|e| Failure::Hold { why: e.to_string() })?;
        self.services.hold_back(&needs).map_err(Failure::Service)
    }

    /// The tree is settled: services may be started.
    pub(crate) fn release(&self) -> Result<(), Failure> {
        let fail = |e: Error| Failure::Hold { why: e.to_string() };
        // First, so that what needs the recovery never finds it content with a tree that nobody has settled.
        self.services.let_go(&needs(self.tx).map_err(fail)?).map_err(Failure::Service)?;
        release(self.state, self.tx).map_err(fail)
    }
}

fn release(state: &State, tx: &Transaction) -> Result<(), Error> {
    let name = OsStr::new(UNSETTLED);
    match state.folder().stat(name)? {
        Some(_) => durable::rename(state.folder(), name, &tx.folder, name),
        None => Ok(()),
    }
}

/// The run is over, or given up: nothing of it holds anything back any more.
///
/// # Errors
/// The disk's, about `unsettled`, and the manager's, about what the services need. What is left of the rest is only worth
/// a line: without `unsettled` it holds nothing.
pub(crate) fn lift(state: &State, tx: &Transaction) -> Result<(), Error> {
    let needs = needs(tx)?;
    let services = quiesce::open(&tx.plan);
    if let (false, Ok(services)) = (needs.is_empty(), &services) {
        let kept = |e: ServiceError| {
            let why = chain(&e);
            Error::unsupported(
                "give services back what they need, as in",
                &tx.folder.path().join(NEEDS),
                &why,
            )
        };
        services.let_go(&needs).map_err(kept)?;
    }
    durable::remove_tree(&tx.folder, OsStr::new(NEEDS))?;
    release(state, tx)?;
    durable::remove_tree(&tx.folder, OsStr::new(UNSETTLED))?;
    let Ok(services) = services else { return Ok(()) };
    // Where none could be written there are none.
    let holds = holds(&tx.plan, services.as_ref(), state.path()).unwrap_or_default();
    if holds.is_empty() {
        return Ok(());
    }
    for hold in &holds {
        // Without `unsettled` it holds nothing, so it is no reason to keep a run open.
        if let Err(e) = remove(hold) {
            log::warn!("run {}: {e}", tx.run);
        }
    }
    if let Err(e) = services.reload() {
        log::warn!("run {}: {e}", tx.run);
    }
    Ok(())
}

/// With no run left, nothing is unsettled.
///
/// # Errors
/// The disk's.
pub(crate) fn clear(state: &State) -> Result<(), Error> {
    durable::remove_tree(state.folder(), OsStr::new(UNSETTLED))
}
