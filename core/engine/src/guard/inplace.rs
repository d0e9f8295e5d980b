//! In place: what no swap does. A name that was a folder and is none now, or the other way round, goes away before the run back
//! is planned, which brings back what the product had there; and so does a new name of a file that has others. A folder that the
//! snapshot covers is made again where it is gone.
//!
//! What is in the way and holds something that is not the installer's, or that the snapshot leaves out, is never removed: it moves
//! aside, under another name in the same folder.
//!
//! Done behind `GoingBack`, when the installer's work is nothing to keep any more; whatever is cut off here is done again, as
//! it only looks at the snapshot.

use super::{came::Came, root_folder};
use crate::{
    refusal::Refusal,
    snapshot::{Exclude, store},
};
use backout_disk::{
    Error, Folder, durable,
    folder::{Entry, Kind},
};
use backout_protocol::{
    NameRule, RelPath,
    snapshot::{Snapshot, What},
};
use std::{collections::BTreeMap, ffi::OsStr, path::Path};

/// What a name ends in that was in the way and moved aside, and a number.
const ASIDE: &str = ".in-the-way-";

/// Does it for everything that the snapshot covers. `came`: what is the installer's; `None`: all that is new.
///
/// # Errors
/// What cannot be looked at or removed.
pub(super) fn clear(snapshot: &Snapshot, came: Option<&Came>) -> Result<(), Refusal> {
    let foreign = came.map(|came| came.foreign(snapshot)).transpose()?.unwrap_or_default();
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    for (number, root) in snapshot.roots.iter().enumerate() {
        let live = made(&root.path.0).map_err(Refusal::Look)?;
        let entries = snapshot.entries.iter().filter(|e| e.root == number);
        // On some systems a name is the same name in other letters.
        let names = snapshot.names;
        let saved = entries.map(|e| (names.path_key(e.path.as_path()), &e.what)).collect();
        let foreign = foreign.iter().filter(|(root, _)| *root == number).map(|(_, path)| path).collect();
        let here = Here { saved, names, exclude: &exclude, foreign };
        here.clear(&live, None).and_then(|()| live.sync_file_system()).map_err(Refusal::Look)?;
    }
    Ok(())
}

/// The folder itself. One that is gone, or that something else lies in the place of, is made anew: nobody but us gets in until
/// the run gives it the rights that it had.
fn made(path: &Path) -> Result<Folder, Error> {
    match (root_folder(path)?, path.parent(), path.file_name()) {
        (Some(folder), ..) => Ok(folder),
        (None, Some(parent), Some(name)) => {
            let parent = Folder::open_root(parent)?;
            durable::remove_tree(&parent, name)?;
            durable::make_folder(&parent, name, 0o700)
        }
        (None, ..) => Folder::open_root(path),
    }
}

/// One root.
struct Here<'a> {
    saved: BTreeMap<String, &'a What>,
    names: NameRule,
    exclude: &'a Exclude,
    foreign: Vec<&'a RelPath>,
}

impl Here<'_> {
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
        let below = folder.open_below(&name)?;
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
    fn move_aside(&self, folder: &Folder, name: &OsStr) -> Result<(), Error> {
        for number in 0_u32.. {
            let mut other = name.to_owned();
            other.push(format!("{ASIDE}{number}"));
            if folder.stat(&other)?.is_none() {
                log::warn!(
                    "`{}` is in the way and holds what is not the installer's: it is `{}` now",
                    folder.path().join(name).display(),
                    folder.path().join(&other).display()
                );
                return durable::rename(folder, name, folder, &other);
            }
        }
        Ok(())
    }

    fn clear(&self, folder: &Folder, rel: Option<&RelPath>) -> Result<(), Error> {
        for entry in folder.entries()? {
            let Ok(name) = RelPath::new(&entry.name) else { continue };
            let path = rel.map_or_else(|| name.clone(), |rel| rel.join(&name));
            if store::is_ours(&entry.name) || self.exclude.leaves_out(&path) {
                continue;
            }
            match (self.saved.get(&self.names.path_key(path.as_path())), entry.kind) {
                (Some(What::File(_) | What::Link(_)), Kind::Folder | Kind::Other)
                | (Some(What::Folder), Kind::File | Kind::Symlink | Kind::Other) => {
                    if self.may_go(&path) && !self.holds_left_out(folder, &entry, &path)? {
                        durable::remove_tree(folder, &entry.name)?;
                    } else {
                        self.move_aside(folder, &entry.name)?;
                    }
                }
                // One more name, perhaps of the product's own file, which is to have as many again as it had.
                (None, Kind::File)
                    if self.may_go(&path) && folder.stat(&entry.name)?.is_some_and(|s| s.nlink > 1) =>
                {
                    durable::remove_tree(folder, &entry.name)?;
                }
                (None | Some(What::Folder), Kind::Folder) => {
                    self.clear(&folder.open_below(&name)?, Some(&path))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
