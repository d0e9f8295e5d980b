//! In place: what no swap does. On the way back links are made what they were, whatever has another kind than it had goes
//! away, and names whose bytes stay get their rights and times back.
//!
//! Done behind `GoingBack`, when the installer's work is nothing to keep any more, and before the run back is planned: whatever is
//! cut off here is done again, as it only looks at the snapshot. What goes away here is the installer's; what the product
//! had under such a name is brought back by the run.

use crate::{
    refusal::Refusal,
    snapshot::{Exclude, diff::differing, store},
    state::{State, plain, unusable},
};
use backout_disk::{Error, ErrorKind, Folder, aside, durable, folder::Kind};
use backout_protocol::{
    RelPath,
    snapshot::{Entry, Facts, Snapshot, What},
};
use std::{collections::BTreeMap, ffi::OsStr};

/// Does it for everything that the snapshot covers.
///
/// # Errors
/// What cannot be looked at or changed.
pub(super) fn restore(state: &State, snapshot: &Snapshot) -> Result<(), Refusal> {
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    let copies = store::at(state, &snapshot.id).map_err(|e| unusable(state.path(), &e))?;
    for (number, root) in snapshot.roots.iter().enumerate() {
        let live = match Folder::open_root(&root.path.0) {
            Ok(live) => live,
            // The run back says so.
            Err(e) if e.kind == ErrorKind::NotFound => continue,
            Err(e) => return Err(Refusal::Look(e)),
        };
        let entries = snapshot.entries.iter().filter(|e| e.root == number);
        let saved: BTreeMap<&RelPath, &Entry> = entries.map(|e| (&e.path, e)).collect();
        let tree = copies.open_below(&store::tree(number)).map_err(Refusal::Look)?;
        let here = Here { saved: &saved, exclude: &exclude };
        let done = here.clear(&live, None).and_then(|()| here.fill(&live, &tree)).and_then(|()| {
            dress_folder(&live, &root.facts, &tree)?;
            live.sync_file_system()
        });
        done.map_err(Refusal::Look)?;
    }
    Ok(())
}

/// One root.
struct Here<'a> {
    saved: &'a BTreeMap<&'a RelPath, &'a Entry>,
    exclude: &'a Exclude,
}

impl Here<'_> {
    /// Takes away links that are not as they were, what is of another kind than it was, and new names of files that have
    /// others.
    fn clear(&self, folder: &Folder, rel: Option<&RelPath>) -> Result<(), Error> {
        for entry in folder.entries()? {
            let Ok(name) = RelPath::new(&entry.name) else { continue };
            let path = rel.map_or_else(|| name.clone(), |rel| rel.join(&name));
            if store::is_ours(&entry.name) || self.exclude.leaves_out(&path) {
                continue;
            }
            let was = self.saved.get(&path).map(|e| &e.what);
            let goes = match (was, entry.kind) {
                (Some(What::Link(to)), Kind::Symlink) => {
                    folder.read_link(&entry.name)?.as_os_str() != to.0.as_os_str()
                }
                (Some(What::Link(_)), _) | (None | Some(What::File(_) | What::Folder), Kind::Symlink) => true,
                // One more name, perhaps of the product's own file, which is to have as many again as it had.
                (None, Kind::File) => folder.stat(&entry.name)?.is_some_and(|s| s.nlink > 1),
                (Some(What::File(_)), Kind::Folder) | (Some(What::Folder), Kind::File) => true,
                _ => false,
            };
            if goes {
                durable::remove_tree(folder, &entry.name)?;
            } else if entry.kind == Kind::Folder && was.is_none_or(|w| *w == What::Folder) {
                self.clear(&folder.open_below(&name)?, Some(&path))?;
            }
        }
        Ok(())
    }

    /// Makes links that are gone, and dresses what is there.
    fn fill(&self, live: &Folder, copies: &Folder) -> Result<(), Error> {
        // Inner names first: what is done in a folder changes its time.
        for entry in self.saved.values().rev() {
            let Some((folder, tree)) = self.parents(live, copies, entry)? else { continue };
            let name = entry.path.name();
            let kind = folder.stat(name)?.map(|s| (s.kind, s.nlink));
            match (&entry.what, kind, &entry.facts) {
                (What::Link(to), None, _) => {
                    aside::link(&folder, name, to.0.as_os_str())?;
                }
                // What has several names is the business of whoever gave it them.
                (What::File(_), Some((Kind::File, 1)), Some(then)) => {
                    dress_file(&folder, name, then, &tree)?;
                }
                (What::Folder, Some((Kind::Folder, _)), Some(then)) => {
                    dress_folder(&folder.open_below(&plain(name))?, then, &tree.open_below(&plain(name))?)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The folders of an entry, live and copied. `None`: the live one is not there, and needs not be yet.
    fn parents(
        &self,
        live: &Folder,
        copies: &Folder,
        entry: &Entry,
    ) -> Result<Option<(Folder, Folder)>, Error> {
        let Some(parent) = entry.path.parent() else {
            return Ok(Some((live.try_clone()?, copies.try_clone()?)));
        };
        let tree = copies.open_below(&parent)?;
        match live.open_below(&parent) {
            Ok(folder) => Ok(Some((folder, tree))),
            // The run back makes folders with all that lies in them, but for links.
            Err(e) if e.kind == ErrorKind::NotFound && matches!(entry.what, What::Link(_)) => {
                Ok(Some((make(live, copies, &parent)?, tree)))
            }
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Makes a folder and those above it that are missing, each like its copy.
fn make(live: &Folder, copies: &Folder, path: &RelPath) -> Result<Folder, Error> {
    let (mut at, mut tree) = (live.try_clone()?, copies.try_clone()?);
    for name in path.as_path() {
        let name: &OsStr = name;
        tree = tree.open_below(&plain(name))?;
        at = match at.open_below(&plain(name)) {
            Ok(there) => there,
            Err(e) if e.kind == ErrorKind::NotFound => {
                let made = aside::make_folder(&at, name)?;
                aside::dress(&made, &tree)?;
                made
            }
            Err(e) => return Err(e),
        };
    }
    Ok(at)
}

fn dress_file(folder: &Folder, name: &OsStr, then: &Facts, copies: &Folder) -> Result<(), Error> {
    if !differing(then, &aside::facts_of(folder, name)?, false).is_empty() {
        aside::dress_file(folder, name, copies, name)?;
    }
    Ok(())
}

fn dress_folder(folder: &Folder, then: &Facts, copy: &Folder) -> Result<(), Error> {
    if !differing(then, &aside::facts(folder)?, true).is_empty() {
        aside::dress(folder, copy)?;
    }
    Ok(())
}
