//! In place: what no swap does. A name that was a folder and is none now, or the other way round, goes away before the run back
//! is planned, which brings back what the product had there; and so does a new name of a file that has others. A folder that the
//! snapshot covers is made again where it is gone. What no run could change is [freed](free).
//!
//! What is in the way and holds something that is not the installer's, or that the snapshot leaves out, is never removed: it moves
//! aside, under another name in the same folder.
//!
//! Before the first change all copies that are needed behind it are looked at.
//!
//! Done behind `GoingBack`, when the installer's work is nothing to keep any more; whatever is cut off here is done again, as
//! it only looks at the snapshot.

mod free;
#[cfg(test)]
mod tests;

use super::{copies::Copies, root_folder, theirs::Theirs};
use crate::{
    refusal::Refusal,
    snapshot::{Exclude, differing, store},
};
use backout_disk::{
    Error, ErrorKind, Folder, aside, durable,
    folder::{Entry, Kind},
};
use backout_protocol::{
    NameRule, Notice, RelPath,
    snapshot::{Entry as Saved, Snapshot, What},
};
use free::{Freed, is_as_it_was};
use std::{collections::BTreeMap, ffi::OsStr, path::Path};

/// What a name ends in that was in the way and moved aside, and a number.
const ASIDE: &str = ".in-the-way-";

/// Why it goes no further.
#[derive(Debug)]
enum Halt {
    /// The disk's word.
    Disk(Error),
    /// Nothing is changed yet, nor will be.
    Refused(Refusal),
}

impl From<Error> for Halt {
    fn from(e: Error) -> Self {
        Self::Disk(e)
    }
}

impl From<Halt> for Refusal {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Disk(e) => Self::Look(e),
            Halt::Refused(why) => why,
        }
    }
}

/// Does it for everything that the snapshot covers. `theirs`: what is the installer's. `copies`: those of the snapshot. `reserve`:
/// the name of the folder that holds the guard's space. Gives what a person should know of it.
///
/// # Errors
/// What cannot be looked at or removed; as [`Copies::are_whole`].
pub(super) fn clear(
    snapshot: &Snapshot,
    theirs: &Theirs,
    copies: &Copies<'_>,
    reserve: &OsStr,
) -> Result<Vec<Notice>, Refusal> {
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    let freed = Freed::of(copies);
    for (number, root) in snapshot.roots.iter().enumerate() {
        let live = made(&root.path.0, &freed)?;
        let entries = snapshot.entries.iter().filter(|e| e.root == number);
        // On some systems a name is the same name in other letters.
        let names = snapshot.names;
        let saved: BTreeMap<String, &Saved> =
            entries.map(|e| (names.path_key(e.path.as_path()), e)).collect();
        let foreign =
            theirs.foreign().iter().filter(|(root, _)| *root == number).map(|(_, path)| path).collect();
        let all_new_goes = theirs.are_all_new();
        let here = Here { saved, names, exclude: &exclude, foreign, all_new_goes, freed: &freed };
        // What is staged for the way back, and was reserved for it, lies in there.
        freed.unlock_all(&live, reserve)?;
        here.clear(&live, None)?;
        live.sync_file_system().map_err(Refusal::Look)?;
    }
    Ok(freed.notices())
}

/// The folder itself. One that is gone, or that something else lies in the place of, is made anew: nobody but us gets in until
/// the run gives it the rights that it had.
fn made(path: &Path, freed: &Freed<'_>) -> Result<Folder, Halt> {
    match (root_folder(path)?, path.parent(), path.file_name()) {
        (Some(folder), ..) => Ok(folder),
        (None, Some(parent), Some(name)) => {
            freed.first()?;
            let parent = above(parent, freed)?;
            durable::remove_tree(&parent, name)?;
            Ok(durable::make_folder(&parent, name, 0o700)?)
        }
        (None, ..) => Ok(Folder::open_root(path)?),
    }
}

/// The folder that a root lies in. What rights it had, where it is gone, nobody knows: it gets what is usual.
fn above(path: &Path, freed: &Freed<'_>) -> Result<Folder, Error> {
    match (Folder::open_root(path), path.parent(), path.file_name()) {
        (Err(e), Some(parent), Some(name)) if e.kind == ErrorKind::NotFound => {
            let folder = durable::make_folder(&above(parent, freed)?, name, 0o755)?;
            freed.made(path);
            Ok(folder)
        }
        (opened, ..) => opened,
    }
}

/// One root.
struct Here<'a> {
    saved: BTreeMap<String, &'a Saved>,
    names: NameRule,
    exclude: &'a Exclude,
    foreign: Vec<&'a RelPath>,
    /// Whether whatever is new is the installer's.
    all_new_goes: bool,
    freed: &'a Freed<'a>,
}

impl Here<'_> {
    /// What the snapshot has of a name.
    fn saved(&self, path: &RelPath) -> Option<&Saved> {
        self.saved.get(&self.names.path_key(path.as_path())).copied()
    }

    /// Whether all of it is the installer's.
    fn may_go(&self, path: &RelPath) -> bool {
        !self.foreign.iter().any(|foreign| foreign.as_path().starts_with(path.as_path()))
    }

    /// Whether something lies in it that the snapshot leaves out: it may be anybody's.
    fn holds_left_out(&self, folder: &Folder, entry: &Entry, path: &RelPath) -> Result<bool, Error> {
        if entry.kind != Kind::Folder {
            return Ok(false);
        }
        let Ok(name) = RelPath::new(&entry.name) else { return Ok(true) };
        let below = match folder.open_below(&name) {
            // What lies in there is not looked at.
            Err(e) if e.kind == ErrorKind::TooDeep => return Ok(!self.exclude.globs().is_empty()),
            below => below?,
        };
        for entry in below.entries()? {
            // A name that cannot be told of is nobody's that we know.
            let Ok(name) = RelPath::new(&entry.name) else { return Ok(true) };
            let path = path.join(&name);
            if self.exclude.leaves_out(&path) || self.holds_left_out(&below, &entry, &path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives it another name. If we die behind that, nothing is in the way any more.
    fn move_aside(&self, folder: &Folder, name: &OsStr) -> Result<(), Halt> {
        self.freed.first()?;
        self.freed.unlock_name(folder, name)?;
        for number in 0_u32.. {
            let mut other = name.to_owned();
            other.push(format!("{ASIDE}{number}"));
            if folder.stat(&other)?.is_none() {
                log::warn!(
                    "`{}` is in the way and holds what is not the installer's: it is `{}` now",
                    folder.path().join(name).display(),
                    folder.path().join(&other).display()
                );
                return Ok(durable::rename(folder, name, folder, &other)?);
            }
        }
        Ok(())
    }

    /// Removes a name that no snapshot has, and nothing of ours speaks of or walks to: what is neither wholly the installer's
    /// nor sure to hold nothing that the snapshot leaves out stays, and is named.
    fn unspoken(&self, folder: &Folder, name: &OsStr, installers: bool) -> Result<(), Halt> {
        match installers && !store::is_ours(name) && self.exclude.globs().is_empty() {
            true => self.freed.remove(folder, name),
            false => Ok(()),
        }
    }

    /// Whether a name is one that nothing is done with.
    fn leaves_out(&self, name: &OsStr, path: &RelPath) -> bool {
        store::is_ours(name) || self.exclude.leaves_out(path)
    }

    /// Whether the folder, or a name in it, has to change.
    fn changes(&self, folder: &Folder, rel: &RelPath) -> Result<bool, Error> {
        let same = match self.saved(rel).map(|saved| &saved.facts) {
            Some(Some(then)) => differing(&aside::facts(folder)?, then, true).is_empty(),
            Some(None) => true,
            None => !self.may_go(rel),
        };
        if !same {
            return Ok(true);
        }
        let key = self.names.path_key(rel.as_path());
        let within = |saved: &&&Saved| {
            saved.path.parent().is_some_and(|above| self.names.path_key(above.as_path()) == key)
        };
        let mut missing = self.saved.values().filter(within).count();
        for entry in folder.entries()? {
            let Ok(name) = RelPath::new(&entry.name) else { continue };
            let path = rel.join(&name);
            if self.leaves_out(&entry.name, &path) {
                continue;
            }
            let changes = match (self.saved(&path), entry.kind) {
                (None, _) => self.may_go(&path),
                (Some(saved), Kind::File) => !is_as_it_was(folder, &entry.name, saved)?,
                (Some(saved), Kind::Folder) => saved.what != What::Folder,
                (Some(saved), Kind::Symlink) => !matches!(&saved.what, What::Link(to)
                    if folder.read_link(&entry.name)? == to.0.as_os_str()),
                (Some(saved), Kind::Other) => saved.what != What::Other,
            };
            if changes {
                return Ok(true);
            }
            missing = missing.saturating_sub(usize::from(self.saved(&path).is_some()));
        }
        Ok(missing > 0)
    }

    fn clear(&self, folder: &Folder, rel: Option<&RelPath>) -> Result<(), Halt> {
        // What is staged lies in the root.
        if folder.stat_self()?.is_locked() && rel.map_or(Ok(true), |rel| self.changes(folder, rel))? {
            self.freed.unlock(folder)?;
        }
        for entry in folder.entries()? {
            let Ok(name) = RelPath::new(&entry.name) else {
                self.unspoken(folder, &entry.name, self.all_new_goes)?;
                continue;
            };
            let path = rel.map_or_else(|| name.clone(), |rel| rel.join(&name));
            if self.leaves_out(&entry.name, &path) {
                continue;
            }
            let saved = self.saved(&path);
            match (saved.map(|saved| &saved.what), entry.kind) {
                (Some(What::File(_) | What::Link(_)), Kind::Folder | Kind::Other)
                | (Some(What::Folder), Kind::File | Kind::Symlink | Kind::Other) => {
                    if self.may_go(&path) && !self.holds_left_out(folder, &entry, &path)? {
                        self.freed.remove(folder, &entry.name)?;
                    } else {
                        self.move_aside(folder, &entry.name)?;
                    }
                }
                (Some(What::File(_) | What::Link(_)), Kind::File) if !self.may_go(&path) => {
                    self.move_aside(folder, &entry.name)?;
                }
                (Some(What::File(_) | What::Link(_)), Kind::File) => {
                    if let Some(saved) = saved {
                        self.freed.file(folder, &entry.name, saved)?;
                    }
                }
                (None, Kind::File) if self.may_go(&path) => self.freed.new_file(folder, &entry.name)?,
                (None | Some(What::Folder), Kind::Folder) => match folder.open_below(&name) {
                    Err(e) if e.kind == ErrorKind::TooDeep => {
                        self.unspoken(folder, &entry.name, self.may_go(&path))?;
                    }
                    below => self.clear(&below?, Some(&path))?,
                },
                _ => {}
            }
        }
        Ok(())
    }
}
