//! Swap: one name and its slot in the staging folder trade places.
//!
//! An exchange undoes itself when it is repeated, so callers look first ([`Pair::sight`]) unless they know.

use crate::{
    barrier,
    error::{Error, ErrorKind},
    fingerprint::fingerprint_in,
    folder::{Folder, Kind},
    os,
    staging::Staging,
};
use backout_protocol::{Fingerprint, HostPath};
use std::{
    ffi::{OsStr, OsString},
    io,
};

/// A name and its slot, their folders held open.
#[derive(Debug)]
pub struct Pair {
    /// The target's folder.
    pub folder: Folder,
    /// The target's name.
    pub name: OsString,
    /// The staging folder.
    pub staging: Folder,
    /// The slot's name in it.
    pub slot: OsString,
}

/// Which way a name turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A file for a file.
    Exchange,
    /// A file or folder where nothing was.
    Appear,
    /// A file or folder goes away.
    Vanish,
    /// A file for one with the same bytes: only where the two lie tells which is which. So the old one always goes to the
    /// slot's second name and leaves its own to nobody.
    Alike,
}

/// What lies under a pair's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Under the target's.
    pub target: Fingerprint,
    /// Under the slot's.
    pub slot: Fingerprint,
    /// Under the slot's second name, which file systems without an exchange need, and [`Turn::Alike`].
    pub old: Fingerprint,
    /// Which of the two is the very file that has the target's name.
    pub same: Same,
}

/// Whether one file has two of the names, where its bytes do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// Each name has a file of its own.
    None,
    /// The slot's file is the target's: a file system made one half of the rename durable.
    Slot,
    /// The slot's second name is the target's: the old file, which has not made way yet.
    Old,
}

/// How two files trade places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// One atomic exchange.
    Exchange,
    /// The old file gets a second name, then the new one takes its place.
    Link,
    /// The old file is moved away, then the new one takes its place.
    Moves,
}

/// The slot's second name.
pub fn old_name(slot: &OsStr) -> OsString {
    let mut old = slot.to_owned();
    old.push(".old");
    old
}

impl Pair {
    /// What lies under the names.
    ///
    /// # Errors
    /// Something that is neither file, folder nor link, or cannot be read.
    pub fn sight(&self) -> Result<Sighting, Error> {
        let file = |folder: &Folder, name: &OsStr| Ok::<_, Error>(folder.stat(name)?.map(|s| s.identity));
        let target = file(&self.folder, &self.name)?;
        let is_target =
            |name: &OsStr| Ok::<_, Error>(target.is_some() && file(&self.staging, name)? == target);
        let same = match (is_target(&self.slot)?, is_target(&old_name(&self.slot))?) {
            (true, _) => Same::Slot,
            (false, true) => Same::Old,
            (false, false) => Same::None,
        };
        Ok(Sighting {
            same,
            target: fingerprint_in(&self.folder, &self.name)?,
            slot: fingerprint_in(&self.staging, &self.slot)?,
            old: fingerprint_in(&self.staging, &old_name(&self.slot))?,
        })
    }

    /// Makes the turn. Atomic for all but [`Turn::Exchange`] on a file system that has no exchange; there, if we die
    /// half-way, the old file lies under the slot's second name.
    ///
    /// # Errors
    /// The system's; then nothing has moved, or the half that [`Pair::sight`] shows.
    pub fn forwards(&self, turn: Turn) -> Result<(), Error> {
        match turn {
            Turn::Exchange => self.exchange(&[Means::Exchange, Means::Link, Means::Moves]),
            Turn::Alike => self.exchange(&[Means::Link, Means::Moves]),
            Turn::Appear => self.appear(&self.slot),
            // The rename replaces what is in the slot: a placeholder, never a before-image.
            Turn::Vanish if !self.is_placeholder()? => {
                Err(Error::own(ErrorKind::Exists, "swap", &self.staging.path().join(&self.slot)))
            }
            Turn::Vanish => os::rename(&self.folder.handle, &self.name, &self.staging.handle, &self.slot)
                .map_err(|e| self.fail(e)),
        }
    }

    /// Takes the turn back.
    ///
    /// # Errors
    /// As [`Pair::forwards`].
    pub fn backwards(&self, turn: Turn) -> Result<(), Error> {
        match turn {
            Turn::Exchange => {
                let old = old_name(&self.slot);
                if self.staging.stat(&old)?.is_some() {
                    return self.put_over(&old).map_err(|e| self.fail(e));
                }
                self.exchange(&[Means::Exchange])
            }
            Turn::Alike => self.put_over(&old_name(&self.slot)).map_err(|e| self.fail(e)),
            Turn::Appear => os::rename_new(&self.folder.handle, &self.name, &self.staging.handle, &self.slot)
                .map_err(|e| self.fail(e)),
            Turn::Vanish => self.appear(&self.slot),
        }
    }

    /// Brings the before-image, or what it was written over with, back under the target's name, where nothing is now, from
    /// whichever slot holds it.
    ///
    /// # Errors
    /// As [`Pair::forwards`].
    pub fn bring_back(&self, seen: &Sighting, before: &Fingerprint) -> Result<(), Error> {
        // The second name first: beside it the slot holds the new file, of the same bytes maybe.
        let in_slot = seen.old.is_absent() || (seen.slot == *before && seen.old != *before);
        if in_slot { self.appear(&self.slot) } else { self.appear(&old_name(&self.slot)) }
    }

    /// Moves whatever is under the target's name into `drift`, and says where it is.
    ///
    /// # Errors
    /// The system's.
    pub fn set_aside(&self) -> Result<HostPath, Error> {
        let drift = Staging::drift(&self.staging)?;
        let mut name = self.slot.clone();
        let mut n = 1;
        while drift.stat(&name)?.is_some() {
            name = self.slot.clone();
            name.push(format!(".{n}"));
            n += 1;
        }
        os::rename_new(&self.folder.handle, &self.name, &drift.handle, &name).map_err(|e| self.fail(e))?;
        drift.sync()?;
        Ok(HostPath(drift.path().join(name)))
    }

    /// The old file takes its place back.
    fn put_over(&self, old: &OsStr) -> io::Result<()> {
        let (folder, staging) = (&self.folder.handle, &self.staging.handle);
        if os::ONE_MOVE_REPLACES {
            return os::rename(staging, old, folder, &self.name);
        }
        // If we die between the two, the name is absent, and both files lie in their slots.
        os::rename_new(folder, &self.name, staging, &self.slot)?;
        barrier::sync_folder(staging)?;
        os::rename_new(staging, old, folder, &self.name)
    }

    fn appear(&self, slot: &OsStr) -> Result<(), Error> {
        os::rename_new(&self.staging.handle, slot, &self.folder.handle, &self.name).map_err(|e| self.fail(e))
    }

    fn exchange(&self, means: &[Means]) -> Result<(), Error> {
        let mut last = None;
        for one in means {
            match self.exchange_by(*one) {
                Ok(()) => return Ok(()),
                Err(e) if self.try_next(*one, &e) => last = Some(e),
                Err(e) => return Err(self.fail(e)),
            }
        }
        Err(last.map_or_else(
            || Error::unsupported("swap", &self.folder.path().join(&self.name), "no way"),
            |e| self.fail(e),
        ))
    }

    fn try_next(&self, means: Means, error: &io::Error) -> bool {
        let kind = os::kind_of(error);
        match means {
            Means::Exchange => kind == ErrorKind::Unsupported,
            Means::Link => matches!(kind, ErrorKind::Unsupported | ErrorKind::Denied),
            Means::Moves => false,
        }
    }

    fn exchange_by(&self, means: Means) -> io::Result<()> {
        let (folder, staging) = (&self.folder.handle, &self.staging.handle);
        let old = old_name(&self.slot);
        match means {
            Means::Exchange => os::exchange(staging, &self.slot, folder, &self.name),
            Means::Link => {
                match os::hard_link(folder, &self.name, staging, &old) {
                    // Left by a run that died right here: the same file under its second name.
                    Err(e) if os::kind_of(&e) == ErrorKind::Exists && self.is_second_name(&old)? => {}
                    other => other?,
                }
                // The old file's second name must be durable before its first one is taken.
                barrier::sync_folder(staging)?;
                os::rename(staging, &self.slot, folder, &self.name)
            }
            Means::Moves => {
                os::rename_new(folder, &self.name, staging, &old)?;
                barrier::sync_folder(staging)?;
                os::rename_new(staging, &self.slot, folder, &self.name)
            }
        }
    }

    fn is_second_name(&self, old: &OsStr) -> io::Result<bool> {
        let one = os::stat(&self.folder.handle, &self.name)?;
        let two = os::stat(&self.staging.handle, old)?;
        Ok(one.zip(two).is_some_and(|(a, b)| (a.dev, a.ino) == (b.dev, b.ino)))
    }

    /// An empty file, or a folder (a full one refuses to be replaced), or nothing.
    fn is_placeholder(&self) -> Result<bool, Error> {
        let slot = self.staging.stat(&self.slot)?;
        Ok(slot.is_none_or(|s| s.kind == Kind::Folder || (s.kind == Kind::File && s.len == 0)))
    }

    fn fail(&self, error: io::Error) -> Error {
        Error::io("swap", &self.folder.path().join(&self.name), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable;
    use std::path::Path;

    fn world() -> (tempfile::TempDir, Pair) {
        let dir = tempfile::tempdir().unwrap();
        let root = Folder::open_root(&dir.path().canonicalize().unwrap()).unwrap();
        let staging = durable::make_folder(&root, OsStr::new(".backout-x"), 0o700).unwrap();
        (dir, Pair { folder: root, name: "f".into(), staging, slot: "0000-f".into() })
    }
    fn put(folder: &Folder, name: &str, text: &str) {
        durable::write(folder, OsStr::new(name), text.as_bytes(), 0o600).unwrap();
    }
    fn text(folder: &Folder, name: &str) -> Option<String> {
        durable::read(folder, OsStr::new(name), 100).unwrap().map(|b| String::from_utf8(b).unwrap())
    }

    /// Those this platform has.
    fn ways() -> Vec<Means> {
        let one_move = if os::ONE_MOVE_REPLACES { vec![Means::Exchange, Means::Link] } else { Vec::new() };
        [one_move, vec![Means::Moves]].concat()
    }

    #[test]
    fn an_exchange_goes_there_and_back_by_every_means() {
        for means in ways() {
            let (_dir, pair) = world();
            put(&pair.folder, "f", "old");
            put(&pair.staging, "0000-f", "new");
            pair.exchange_by(means).unwrap();
            assert_eq!(text(&pair.folder, "f").unwrap(), "new", "{means:?}");
            let saved = if means == Means::Exchange { "0000-f" } else { "0000-f.old" };
            assert_eq!(text(&pair.staging, saved).unwrap(), "old", "{means:?}");
            pair.backwards(Turn::Exchange).unwrap();
            assert_eq!(text(&pair.folder, "f").unwrap(), "old", "{means:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_left_by_a_dead_run_is_taken_for_its_own() {
        let (_dir, pair) = world();
        put(&pair.folder, "f", "old");
        put(&pair.staging, "0000-f", "new");
        os::hard_link(&pair.folder.handle, OsStr::new("f"), &pair.staging.handle, OsStr::new("0000-f.old"))
            .unwrap();
        pair.exchange_by(Means::Link).unwrap();
        assert_eq!(text(&pair.folder, "f").unwrap(), "new");
    }

    #[test]
    fn names_appear_and_vanish_and_never_replace_what_came_meanwhile() {
        let (_dir, pair) = world();
        put(&pair.staging, "0000-f", "new");
        pair.forwards(Turn::Appear).unwrap();
        assert_eq!(text(&pair.folder, "f").unwrap(), "new");
        pair.backwards(Turn::Appear).unwrap();
        assert_eq!(text(&pair.folder, "f"), None);
        put(&pair.folder, "f", "somebody's");
        assert_eq!(pair.forwards(Turn::Appear).unwrap_err().kind, ErrorKind::Exists);
        put(&pair.staging, "0000-f", "");
        pair.forwards(Turn::Vanish).unwrap();
        assert_eq!(
            (text(&pair.folder, "f"), text(&pair.staging, "0000-f").unwrap().as_str()),
            (None, "somebody's")
        );
        pair.backwards(Turn::Vanish).unwrap();
        assert_eq!(text(&pair.folder, "f").unwrap(), "somebody's");
    }

    #[test]
    fn a_drifted_file_is_kept_and_the_before_image_comes_back() {
        let (_dir, pair) = world();
        put(&pair.folder, "f", "drifted");
        put(&pair.staging, "0000-f", "old");
        let seen = pair.sight().unwrap();
        let kept = pair.set_aside().unwrap();
        pair.bring_back(&seen, &seen.slot).unwrap();
        assert_eq!(text(&pair.folder, "f").unwrap(), "old");
        assert_eq!(std::fs::read_to_string(Path::new(&kept.0)).unwrap(), "drifted");
    }

    #[test]
    fn a_foreign_old_name_is_not_taken_for_its_own() {
        let (_dir, pair) = world();
        put(&pair.folder, "f", "live");
        put(&pair.staging, "0000-f", "new");
        put(&pair.staging, "0000-f.old", "something else");
        let _ = pair.exchange_by(Means::Link);
        let kept =
            [text(&pair.folder, "f"), text(&pair.staging, "0000-f.old"), text(&pair.staging, "0000-f")];
        assert!(kept.iter().flatten().any(|t| t == "live"), "{kept:?}");
    }
}
