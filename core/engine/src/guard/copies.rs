//! The copies that a way back takes from its snapshot. All of them are looked at before anything is changed: what is removed to
//! make room for a copy that turns out to be damaged is gone, in its old form and its new one.

use super::{root_folder, theirs::Theirs};
use crate::{
    look,
    refusal::Refusal,
    snapshot::{differing, store, verify},
    state::State,
};
use backout_disk::{
    Error, ErrorKind, Folder,
    aside::{self, Taken},
    folder::{Entry, Kind},
};
use backout_protocol::{
    RelPath,
    snapshot::{Entry as Saved, Facts, Snapshot, What},
};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
};

/// The copies of one snapshot.
pub(super) struct Copies<'a> {
    state: &'a State,
    snapshot: &'a Snapshot,
    theirs: &'a Theirs,
    looked_at: Cell<bool>,
}

impl<'a> Copies<'a> {
    pub(super) fn of(state: &'a State, snapshot: &'a Snapshot, theirs: &'a Theirs) -> Self {
        Self { state, snapshot, theirs, looked_at: Cell::new(false) }
    }

    /// Asked before each change. The first time every copy that is needed is read, as is every file of the product; where nothing
    /// has to change before the run back is planned nobody asks, as the plan looks at them too.
    ///
    /// # Errors
    /// [`Refusal::SnapshotDamaged`]; whatever cannot be read. Nothing is changed.
    pub(super) fn are_whole(&self) -> Result<(), Refusal> {
        if self.looked_at.get() {
            return Ok(());
        }
        let mut needed = BTreeSet::new();
        for (number, root) in self.snapshot.roots.iter().enumerate() {
            let entries = self.snapshot.entries.iter().filter(|e| e.root == number);
            let mut here = Needed {
                copies: self,
                number,
                saved: entries.map(|e| (self.snapshot.names.path_key(e.path.as_path()), e)).collect(),
            };
            // One that is gone, or that something else lies in the place of, needs all of its own.
            if let Some(folder) = root_folder(&root.path.0).map_err(look::refusal)? {
                here.spare(&folder, None)?;
            }
            needed.extend(here.saved.into_values().map(|e| (number, e.path.clone())));
        }
        let needed = self.snapshot.entries.iter().filter(|e| needed.contains(&(e.root, e.path.clone())));
        verify::are_whole(self.state, self.snapshot, needed)?;
        self.looked_at.set(true);
        Ok(())
    }
}

/// A file as it is now; `None`: it is gone, or none any more, or changes each time that it is read.
pub(super) fn file_now(folder: &Folder, name: &OsStr) -> Result<Option<Taken>, Error> {
    match aside::look(folder, name) {
        Ok(taken) => Ok(Some(taken)),
        Err(e) if matches!(e.kind, ErrorKind::Busy | ErrorKind::NotFound | ErrorKind::NotAFile) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What is needed of one root: all that it had, until it is seen that some of it needs no copy.
struct Needed<'a> {
    copies: &'a Copies<'a>,
    number: usize,
    saved: BTreeMap<String, &'a Saved>,
}

impl Needed<'_> {
    /// Leaves out what lies in this folder as it was.
    fn spare(&mut self, folder: &Folder, rel: Option<&RelPath>) -> Result<(), Refusal> {
        for entry in folder.entries().map_err(look::refusal)? {
            let Ok(name) = RelPath::new(&entry.name) else { continue };
            let path = rel.map_or_else(|| name.clone(), |rel| rel.join(&name));
            let key = self.copies.snapshot.names.path_key(path.as_path());
            let Some(saved) = self.saved.get(&key).copied() else { continue };
            if self.is_needed(folder, &entry, &path, saved)? {
                continue;
            }
            self.saved.remove(&key);
            if entry.kind == Kind::Folder {
                match folder.open_below(&name) {
                    Ok(below) => self.spare(&below, Some(&path))?,
                    Err(e) if e.kind == ErrorKind::NotFound => {}
                    Err(e) => return Err(look::refusal(e)),
                }
            }
        }
        Ok(())
    }

    /// Whether the copy of a name that is there may be needed.
    fn is_needed(
        &self,
        folder: &Folder,
        entry: &Entry,
        path: &RelPath,
        saved: &Saved,
    ) -> Result<bool, Refusal> {
        match (&saved.what, entry.kind) {
            // Its rights are set from its copy where they can be, and said where not.
            (What::Folder, Kind::Folder) => Ok(false),
            (What::File(_), Kind::File)
                if self.copies.theirs.foreign().contains(&(self.number, path.clone())) =>
            {
                Ok(true)
            }
            (What::File(image), Kind::File) => {
                let now = file_now(folder, &entry.name).map_err(look::refusal)?;
                let Some(taken) = now else { return Ok(true) };
                if taken.fingerprint != image.fingerprint {
                    return Ok(true);
                }
                let differs = |now: &Facts| {
                    saved.facts.as_ref().is_some_and(|then| !differing(now, then, false).is_empty())
                };
                if !differs(&taken.facts) {
                    return Ok(false);
                }
                // With further names it makes room for its copy; else it does so only where the copy can give what differs.
                let parted =
                    folder.stat(&entry.name).map_err(look::refusal)?.is_none_or(|stat| stat.nlink > 1);
                let copy = store::copy_of(
                    self.copies.state,
                    &self.copies.snapshot.id,
                    self.number,
                    Some(&saved.path),
                );
                Ok(parted || aside::file_facts(&copy).is_ok_and(|copy| !differs(&copy)))
            }
            (What::Link(to), Kind::Symlink) => match folder.read_link(&entry.name) {
                Ok(now) => Ok(now != to.0.as_os_str()),
                Err(e) if e.kind == ErrorKind::NotFound => Ok(true),
                Err(e) => Err(look::refusal(e)),
            },
            // Nothing was kept of it.
            (What::Other, _) => Ok(false),
            (What::Folder | What::File(_) | What::Link(_), _) => Ok(true),
        }
    }
}
