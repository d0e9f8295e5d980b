//! The state folder: `lock`, `format`, `transactions/<id>/`, `history/<id>/`. Everything a run needs to be settled
//! later lies in its own folder here.

use crate::{
    guard,
    refusal::{Refusal, Trusted},
    tidy,
    transaction::LOG,
};
use backout_disk::{Error, ErrorKind, Folder, durable, lock::Lock};
use backout_journal::{Journal, JournalError, Reading, Remedy, Status, Tail};
use backout_protocol::{HostPath, RunId};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// Version of the state folder's layout: (major, minor). 1.0: the first.
pub const FORMAT: (u16, u16) = (1, 0);

const LOCK: &str = "lock";
const FORMAT_FILE: &str = "format";
const TRANSACTIONS: &str = "transactions";
pub(crate) const HISTORY: &str = "history";

/// A state folder, open for reading.
#[derive(Debug)]
pub struct State {
    folder: Folder,
}

/// A state folder that is ours alone until this is dropped.
#[derive(Debug)]
pub struct Locked {
    state: State,
    _lock: Lock,
}

/// A run that is not over.
#[derive(Debug)]
pub struct OpenRun {
    /// Which.
    pub run: RunId,
    /// Its journal.
    pub reading: Result<Reading, JournalError>,
}

impl OpenRun {
    /// Whether the next reboot is to replace its files, or has done so.
    pub fn waits_for_a_reboot(&self) -> bool {
        self.reading.as_ref().is_ok_and(|reading| reading.status == Status::RebootPending)
    }

    /// Whether it is left staged on purpose: every file and service is as it was, and stays so until its commit.
    pub fn waits_for_its_commit(&self) -> bool {
        self.reading.as_ref().is_ok_and(|reading| reading.remedy() == Remedy::AwaitCommit)
    }

    /// Why nothing new is begun beside it.
    pub fn refusal(self) -> Refusal {
        if let Some(deadline) = guard::awaits(&self) {
            return Refusal::AwaitsConfirm { left: guard::left(deadline), run: self.run };
        }
        match (self.waits_for_a_reboot(), self.waits_for_its_commit()) {
            (true, _) => Refusal::RebootPending { run: self.run },
            (_, true) => Refusal::CommitPending { run: self.run },
            (false, false) => Refusal::Unfinished { run: self.run },
        }
    }
}

impl State {
    /// Opens the state folder at `path` for reading. `None`: there is none yet.
    ///
    /// # Errors
    /// [`Refusal::State`], [`Refusal::StateTooNew`], [`Refusal::Distrusted`], [`Refusal::NoRights`].
    pub fn look(path: &Path) -> Result<Option<Self>, Refusal> {
        let real = match std::fs::canonicalize(path) {
            Ok(real) => real,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Refusal::State { path: HostPath(path.to_owned()), why: e.to_string() }),
        };
        crate::load::check_trust(&real, Trusted::State)?;
        let folder = Folder::open_root(&real).map_err(|e| unusable(&real, &e))?;
        let state = Self { folder };
        state.check_format()?;
        Ok(Some(state))
    }

    /// Makes the state folder if need be, takes its lock and tidies up runs that are over.
    ///
    /// # Errors
    /// As [`State::look`]; [`Refusal::Locked`] while another process works on it.
    pub fn lock(path: &Path) -> Result<Locked, Refusal> {
        let locked = Self::acquire(path)?;
        tidy::all(&locked)?;
        Ok(locked)
    }

    /// As [`State::lock`], without tidying up.
    pub(crate) fn acquire(path: &Path) -> Result<Locked, Refusal> {
        let path = crate::load::absolute(path).0;
        make_folders(&path)?;
        let Some(state) = Self::look(&path)? else {
            return Err(Refusal::State { path: HostPath(path), why: "it is gone again".to_owned() });
        };
        let fail = |e: Error| unusable(&path, &e);
        let lock = Lock::acquire(&state.folder, OsStr::new(LOCK)).map_err(fail)?;
        let Some(lock) = lock else {
            let pid = Lock::holder(&state.folder, OsStr::new(LOCK));
            return Err(Refusal::Locked { pid });
        };
        let missing = durable::read(&state.folder, OsStr::new(FORMAT_FILE), 64).map_err(fail)?.is_none();
        if missing {
            let text = format!("({}, {})\n", FORMAT.0, FORMAT.1);
            durable::write(&state.folder, OsStr::new(FORMAT_FILE), text.as_bytes(), 0o600).map_err(fail)?;
        }
        for name in [TRANSACTIONS, HISTORY] {
            durable::ensure_folder(&state.folder, OsStr::new(name), 0o700).map_err(fail)?;
        }
        Ok(Locked { state, _lock: lock })
    }

    fn check_format(&self) -> Result<(), Refusal> {
        let path = || HostPath(self.path().to_owned());
        let bytes = durable::read(&self.folder, OsStr::new(FORMAT_FILE), 64)
            .map_err(|e| unusable(self.path(), &e))?;
        let Some(bytes) = bytes else { return Ok(()) };
        let text = String::from_utf8_lossy(&bytes);
        match ron::from_str::<(u16, u16)>(text.trim()) {
            Ok(found) if found.0 == FORMAT.0 && found.1 <= FORMAT.1 => Ok(()),
            Ok(found) => Err(Refusal::StateTooNew { path: path(), found }),
            Err(e) => Err(Refusal::State { path: path(), why: format!("its file `{FORMAT_FILE}`: {e}") }),
        }
    }

    /// The process that works here now, if one does; 0 where its number is not known.
    ///
    /// # Errors
    /// [`Refusal::State`].
    pub fn worker(&self) -> Result<Option<u32>, Refusal> {
        let held = Lock::is_held(&self.folder, OsStr::new(LOCK)).map_err(|e| unusable(self.path(), &e))?;
        Ok(held.then(|| Lock::holder(&self.folder, OsStr::new(LOCK)).unwrap_or_default()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The folder of runs that are not over, or over and not tidied up.
    pub(crate) fn transactions(&self) -> Result<Folder, Error> {
        self.sub(TRANSACTIONS)
    }

    /// The folder of runs that are over.
    pub(crate) fn history(&self) -> Result<Folder, Error> {
        self.sub(HISTORY)
    }

    fn sub(&self, name: &str) -> Result<Folder, Error> {
        self.folder.open_below(&plain(name))
    }

    /// Ids in `transactions`, oldest first.
    ///
    /// # Errors
    /// [`Refusal::State`].
    pub fn transaction_ids(&self) -> Result<Vec<RunId>, Refusal> {
        self.ids(self.transactions())
    }

    /// Ids in `history`, oldest first.
    ///
    /// # Errors
    /// [`Refusal::State`].
    pub fn history_ids(&self) -> Result<Vec<RunId>, Refusal> {
        self.ids(self.history())
    }

    fn ids(&self, folder: Result<Folder, Error>) -> Result<Vec<RunId>, Refusal> {
        let folder = match folder {
            Ok(folder) => folder,
            Err(e) if e.kind == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unusable(self.path(), &e)),
        };
        let entries = folder.entries().map_err(|e| unusable(self.path(), &e))?;
        let mut ids: Vec<RunId> = entries.iter().filter_map(|e| e.name.to_str()?.parse().ok()).collect();
        ids.sort();
        Ok(ids)
    }

    /// The log of the newest run, whether or not it is over, and whose it is.
    ///
    /// # Errors
    /// [`Refusal::State`].
    pub fn newest_log(&self) -> Result<Option<(RunId, PathBuf)>, Refusal> {
        let open = self.transaction_ids()?.pop().map(|run| (TRANSACTIONS, run));
        let over = self.history_ids()?.pop().map(|run| (HISTORY, run));
        let newest = [open, over].into_iter().flatten().max_by(|a, b| a.1.cmp(&b.1));
        Ok(newest.map(|(above, run)| {
            let path = self.path().join(above).join(run.as_str()).join(LOG);
            (run, path)
        }))
    }

    /// The run that is not over, if any; of a guard and the run by which it goes back, that run. A run without a record counts
    /// as over, as nothing had been done; unless a before-image, or the word of a guard's
    /// holder, proves that its journal was lost.
    ///
    /// # Errors
    /// [`Refusal::State`].
    pub fn unfinished(&self) -> Result<Option<OpenRun>, Refusal> {
        for run in self.transaction_ids()?.into_iter().rev() {
            let folder = self.transactions().and_then(|t| t.open_below(&plain(run.as_str())));
            let folder = folder.map_err(|e| unusable(self.path(), &e))?;
            match Journal::read(&folder, &run) {
                Ok(None) if tidy::lost_its_journal(&run, &folder) => {
                    let reading = Reading { lines: Vec::new(), status: Status::Nothing, tail: Tail::Blank };
                    return Ok(Some(OpenRun { run, reading: Ok(reading) }));
                }
                Ok(None) => {}
                Ok(Some(reading)) if reading.status.is_over() => {}
                Ok(Some(reading)) if reading.lines.is_empty() && !tidy::lost_its_journal(&run, &folder) => {}
                Ok(Some(reading)) => return Ok(Some(OpenRun { run, reading: Ok(reading) })),
                Err(e) => return Ok(Some(OpenRun { run, reading: Err(e) })),
            }
        }
        Ok(None)
    }

    /// A new id that sorts behind every id seen here, even if the clock went back.
    ///
    /// # Errors
    /// [`Refusal::State`].
    pub(crate) fn new_id(&self) -> Result<RunId, Refusal> {
        let newest = self.transaction_ids()?.into_iter().chain(self.history_ids()?).max();
        let fresh = ulid::Ulid::generate();
        let last = newest.and_then(|id| ulid::Ulid::from_string(id.as_str()).ok());
        let ulid = match last {
            Some(last) if last >= fresh => last.increment().unwrap_or(fresh),
            _ => fresh,
        };
        let text = ulid.to_string().to_ascii_lowercase();
        text.parse().map_err(|_| Refusal::State {
            path: HostPath(self.path().to_owned()),
            why: "no id to be had".into(),
        })
    }
}

impl Locked {
    /// The state folder.
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// One plain name as a relative path. Only for names this crate knows to be plain.
pub(crate) fn plain(name: impl AsRef<OsStr>) -> backout_protocol::RelPath {
    let name: &OsStr = name.as_ref();
    match backout_protocol::RelPath::new(name) {
        Ok(rel) => rel,
        Err(e) => unreachable!("a constant or checked name: {e}"),
    }
}

/// Makes `path` and its missing parents, each 0700 and durable.
fn make_folders(path: &Path) -> Result<(), Refusal> {
    let mut missing: Vec<OsString> = Vec::new();
    let mut there: PathBuf = path.to_owned();
    while !there.exists() {
        match (there.file_name().map(OsStr::to_owned), there.parent()) {
            (Some(name), Some(parent)) => {
                missing.push(name);
                there = parent.to_owned();
            }
            _ => break,
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let fail = |e: Error| unusable(path, &e);
    let real = std::fs::canonicalize(&there)
        .map_err(|e| Refusal::State { path: HostPath(path.to_owned()), why: e.to_string() })?;
    crate::load::check_trust(&real, Trusted::State)?;
    let mut folder = Folder::open_root(&real).map_err(fail)?;
    for name in missing.iter().rev() {
        folder = durable::ensure_folder(&folder, name, 0o700).map_err(fail)?;
    }
    Ok(())
}

/// A failure in the state folder as a refusal.
pub(crate) fn unusable(path: &Path, error: &Error) -> Refusal {
    match error.kind {
        ErrorKind::Denied => Refusal::NoRights { path: HostPath(path.to_owned()) },
        _ => Refusal::State { path: HostPath(path.to_owned()), why: error.to_string() },
    }
}
