//! Appends records. A failed write or sync poisons the journal: what is on disk is unknown then, so nothing more
//! is written through this handle and the caller must act as if the record may or may not be there.

use crate::{
    format::{self, LENGTH, Line, MAX_LINE},
    reader::{self, Reading, Unreadable},
    record::Record,
    status::{self, IllegalRecord, Status},
};
use backout_disk::{Folder, barrier, durable, durable::Preallocated};
use backout_protocol::RunId;
use std::{
    ffi::OsStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// The journal's name in the transaction's folder.
pub const NAME: &str = "journal";
/// A second file of the same length: a recovery writes the new journal there, so that it needs no space either.
const SPARE: &str = "journal.spare";
/// A journal longer than this was not written by us.
const CAP: usize = 4 * 1024 * 1024;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    run: RunId,
    /// `None` once poisoned: nothing more is written, and where an open file keeps its name a new journal can take it.
    file: Option<Preallocated>,
    status: Status,
    seq: u32,
    prev: u32,
    offset: usize,
}

/// Why a record could not be made durable, or a journal not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused.
    #[error("the journal cannot be written")]
    Disk(#[from] backout_disk::Error),
    /// An earlier write failed.
    #[error("the journal took an earlier failure and is not written any more")]
    Poisoned,
    /// The record cannot follow; a bug.
    #[error(transparent)]
    Illegal(#[from] IllegalRecord),
    /// It cannot be acted on.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// No room is left in the preallocated file.
    #[error("the journal is full")]
    Full,
    /// The record cannot be put into RON; a bug.
    #[error("the record cannot be written as RON: {0}")]
    Encode(#[from] ron::Error),
}

impl Journal {
    /// Makes the journal of `run` in `folder`, preallocated and without a record, and its spare.
    ///
    /// # Errors
    /// [`JournalError::Disk`]. If we die here, an empty or half-filled file is left: no record, nothing had been done.
    pub fn create(folder: &Folder, run: &RunId) -> Result<Self, JournalError> {
        Preallocated::create(folder, OsStr::new(SPARE), LENGTH as u64)?;
        let file = Preallocated::create(folder, OsStr::new(NAME), LENGTH as u64)?;
        Ok(Self { file: Some(file), ..Self::fresh(run) })
    }

    /// Without a file yet.
    fn fresh(run: &RunId) -> Self {
        Self { run: run.clone(), file: None, status: Status::Nothing, seq: 0, prev: 0, offset: 0 }
    }

    /// Reads the journal of `run` in `folder`. `None`: there is none.
    ///
    /// # Errors
    /// [`JournalError::Disk`] and [`JournalError::Unreadable`].
    pub fn read(folder: &Folder, run: &RunId) -> Result<Option<Reading>, JournalError> {
        match durable::read(folder, OsStr::new(NAME), CAP as u64)? {
            Some(bytes) => Ok(Some(reader::read(run, &bytes)?)),
            None => Ok(None),
        }
    }

    /// Replaces the journal by one with the same milestones and `added` behind them, and opens that.
    ///
    /// A record that this boot's page cache shows may never have reached the medium (its sync failed, the process was
    /// killed before it). So the lines are written anew and synced, under another name, before anything is done on
    /// them. If we die before the rename, the old journal stands; after it, the new one with the same meaning.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn take_over(
        folder: &Folder,
        run: &RunId,
        reading: &Reading,
        added: impl IntoIterator<Item = Record>,
    ) -> Result<Self, JournalError> {
        let spare = OsStr::new(SPARE);
        let mut bytes = Vec::with_capacity(LENGTH);
        let file = match Preallocated::open(folder, spare) {
            Ok(file) => file,
            Err(_) => {
                durable::remove_tree(folder, spare)?;
                Preallocated::create(folder, spare, LENGTH as u64)?
            }
        };
        let mut journal = Self::fresh(run);
        let kept = reading.lines.iter().filter(|l| l.record.is_milestone()).map(|l| (l.record.clone(), l.at));
        for (record, at) in kept.chain(added.into_iter().map(|record| (record, now()))) {
            bytes.extend(journal.line(record, at)?);
        }
        bytes.resize(bytes.len().max(LENGTH), format::BLANK);
        file.write_at(0, &bytes)?;
        file.sync()?;
        journal.file = Some(file);
        durable::rename(folder, spare, folder, OsStr::new(NAME))?;
        // The old journal's blocks are free again, so this rarely fails; without a spare only a full disk would hurt.
        if let Err(e) = Preallocated::create(folder, spare, LENGTH as u64) {
            log_spare(&e);
        }
        Ok(journal)
    }

    /// Where the run stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether an earlier failure stopped this journal.
    pub fn is_poisoned(&self) -> bool {
        self.file.is_none()
    }

    /// Appends one record; it is on the medium once this returns.
    ///
    /// Every record is synced, also those that no recovery needs: a medium may take a later line and lose the one before
    /// it, and that could not be told from damage.
    ///
    /// # Errors
    /// Any error poisons the journal. If we die in here the record is whole, torn or absent.
    pub fn append(&mut self, record: Record) -> Result<(), JournalError> {
        let Some(file) = self.file.take() else { return Err(JournalError::Poisoned) };
        let offset = self.offset;
        let before = (self.prev, self.seq, self.offset);
        let left_out = barrier::left_out(|| format!("record {}", record.name()));
        let outcome = self.line(record, now()).and_then(|bytes| {
            if left_out {
                return Ok(());
            }
            if offset + bytes.len() > LENGTH || bytes.len() > MAX_LINE {
                return Err(JournalError::Full);
            }
            file.write_at(offset as u64, &bytes)?;
            Ok(file.sync()?)
        });
        if left_out {
            (self.prev, self.seq, self.offset) = before;
        }
        if outcome.is_ok() {
            self.file = Some(file);
        }
        outcome
    }

    /// The next line's bytes; moves on as if they were written.
    fn line(&mut self, record: Record, at: u64) -> Result<Vec<u8>, JournalError> {
        let status = status::next(self.status, &record)?;
        let line = Line { seq: self.seq, run: self.run.clone(), prev: self.prev, at, record };
        let (bytes, crc) = format::encode(&line)?;
        (self.status, self.prev, self.seq, self.offset) =
            (status, crc, self.seq + 1, self.offset + bytes.len());
        Ok(bytes)
    }
}

fn log_spare(error: &backout_disk::Error) {
    // The run goes on; the next recovery on a full disk would have to ask for 64 KiB.
    log::warn!("no spare journal: {error}");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
