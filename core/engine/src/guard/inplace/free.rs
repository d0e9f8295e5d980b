//! Frees names that the run back could not change: a file with further names (hard links), which no swap parts from them, and what
//! is immutable or append-only. Only where something is not as it was; what is as it was stays as it is.

use super::Halt;
use crate::{
    guard::copies::{Copies, file_now},
    snapshot::differing,
};
use backout_disk::{
    Error, ErrorKind, Folder, durable,
    folder::{Kind, Stat},
};
use backout_protocol::{
    HostPath, Notice, RelPath,
    snapshot::{Entry, What},
};
use std::{cell::RefCell, ffi::OsStr, path::Path};

/// What was freed. Nothing is, before the copies that are needed behind it were looked at.
pub(super) struct Freed<'a> {
    copies: &'a Copies<'a>,
    parted: RefCell<Count>,
    unlocked: RefCell<Count>,
    made: RefCell<Count>,
}

/// The first of some names, and how many there are.
#[derive(Debug, Default)]
struct Count(Option<(HostPath, u64)>);

impl Count {
    fn add(&mut self, path: &Path) {
        self.0.get_or_insert_with(|| (HostPath(path.to_owned()), 0)).1 += 1;
    }
}

impl<'a> Freed<'a> {
    pub(super) fn of(copies: &'a Copies<'a>) -> Self {
        let none = || RefCell::new(Count::default());
        Self { copies, parted: none(), unlocked: none(), made: none() }
    }

    /// Asked before anything is changed.
    pub(super) fn first(&self) -> Result<(), Halt> {
        self.copies.are_whole().map_err(Halt::Refused)
    }

    /// A folder that a root lies in was made anew.
    pub(super) fn made(&self, path: &Path) {
        self.made.borrow_mut().add(path);
    }

    /// Lets the names in a folder change.
    pub(super) fn unlock(&self, folder: &Folder) -> Result<(), Halt> {
        self.first()?;
        Ok(self.unlocked(folder)?)
    }

    fn unlocked(&self, folder: &Folder) -> Result<(), Error> {
        folder.unlock()?;
        self.unlocked.borrow_mut().add(folder.path());
        Ok(())
    }

    fn unlocked_file(&self, folder: &Folder, name: &OsStr) -> Result<(), Error> {
        folder.unlock_file(name)?;
        self.unlocked.borrow_mut().add(&folder.path().join(name));
        Ok(())
    }

    /// Removes a name with all that lies in it.
    pub(super) fn remove(&self, folder: &Folder, name: &OsStr) -> Result<(), Halt> {
        self.first()?;
        Ok(durable::remove_freed(folder, name, &mut |folder, name| self.unlocked_name(folder, name))?)
    }

    /// Lets a name change; what lies in it stays as it is.
    pub(super) fn unlock_name(&self, folder: &Folder, name: &OsStr) -> Result<(), Halt> {
        if folder.stat(name)?.is_some_and(|stat| stat.is_locked()) {
            self.first()?;
        }
        Ok(self.unlocked_name(folder, name)?)
    }

    fn unlocked_name(&self, folder: &Folder, name: &OsStr) -> Result<(), Error> {
        let locked = folder.stat(name)?.filter(Stat::is_locked);
        match locked.map(|stat| stat.kind) {
            Some(Kind::File) => self.unlocked_file(folder, name),
            Some(Kind::Folder) => self.unlocked(&folder.open_anew(name)?),
            _ => Ok(()),
        }
    }

    /// Lets a name change, with all that lies in it and can be walked to.
    pub(super) fn unlock_all(&self, folder: &Folder, name: &OsStr) -> Result<(), Halt> {
        let Some(stat) = folder.stat(name)?.filter(|stat| !stat.mount_root) else { return Ok(()) };
        self.unlock_name(folder, name)?;
        if stat.kind != Kind::Folder {
            return Ok(());
        }
        let below = match below(folder, name) {
            Ok(Some(below)) => below,
            Err(e) if e.kind != ErrorKind::TooDeep => return Err(e.into()),
            Ok(None) | Err(_) => return Ok(()),
        };
        below.entries()?.iter().try_for_each(|entry| self.unlock_all(&below, &entry.name))
    }

    /// A file that the snapshot has: one that is not as it was is changed by nothing but its own name's swap. If we die behind the
    /// name's removal, the run back finds it gone and brings it back.
    pub(super) fn file(&self, folder: &Folder, name: &OsStr, saved: &Entry) -> Result<(), Halt> {
        let Some(stat) = folder.stat(name)? else { return Ok(()) };
        if !(stat.nlink > 1 || stat.is_locked()) || is_as_it_was(folder, name, saved)? {
            return Ok(());
        }
        self.first()?;
        self.unlock_name(folder, name)?;
        if stat.nlink > 1 {
            durable::remove_tree(folder, name)?;
            self.parted.borrow_mut().add(&folder.path().join(name));
        }
        Ok(())
    }

    /// A file that the snapshot does not have, and that goes: perhaps one more name of the product's own file, which is to have as
    /// many again as it had.
    pub(super) fn new_file(&self, folder: &Folder, name: &OsStr) -> Result<(), Halt> {
        self.unlock_name(folder, name)?;
        if folder.stat(name)?.is_some_and(|stat| stat.nlink > 1) {
            self.first()?;
            durable::remove_tree(folder, name)?;
        }
        Ok(())
    }

    /// What a person should know of it.
    pub(super) fn notices(self) -> Vec<Notice> {
        let parted = self.parted.into_inner().0.map(|(first, files)| Notice::Parted { first, files });
        let unlocked = self.unlocked.into_inner().0.map(|(first, names)| Notice::Unlocked { first, names });
        let made = self.made.into_inner().0.map(|(first, folders)| Notice::AboveMade { first, folders });
        parted.into_iter().chain(unlocked).chain(made).collect()
    }
}

/// A folder in it; `None`: its name is one that nothing of ours speaks of.
fn below(folder: &Folder, name: &OsStr) -> Result<Option<Folder>, Error> {
    RelPath::new(name).ok().map(|rel| folder.open_below(&rel)).transpose()
}

/// Whether a file is what the snapshot says, beside its bytes too.
pub(super) fn is_as_it_was(folder: &Folder, name: &OsStr, saved: &Entry) -> Result<bool, Error> {
    let What::File(image) = &saved.what else { return Ok(false) };
    let Some(taken) = file_now(folder, name)? else { return Ok(false) };
    let same = saved.facts.as_ref().is_none_or(|then| differing(&taken.facts, then, false).is_empty());
    Ok(same && taken.fingerprint == image.fingerprint)
}
