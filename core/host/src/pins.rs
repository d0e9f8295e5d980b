//! `plugins.lock`: digests that bind. A RON map from plugin id to the SHA-256 of its file, in the plugin folder.

use crate::error::HostError;
use backout_disk::{Folder, durable};
use backout_protocol::{Digest, HostPath, text::from_ron};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, path::Path};

/// The lock file's name.
pub const LOCK_FILE: &str = "plugins.lock";

/// Whether a plugin must be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pinning {
    /// A pin binds where there is one.
    #[default]
    WhereListed,
    /// A plugin without a pin is not loaded.
    Required,
}

/// Checks the file's digest against the lock file of its folder.
///
/// # Errors
/// [`HostError::Pinned`], [`HostError::NotPinned`], [`HostError::Lock`], or the lock file is not to be trusted.
pub(crate) fn check(path: &Path, id: &str, found: Digest, pinning: Pinning) -> Result<(), HostError> {
    let folder = path.parent().unwrap_or(path);
    let own = || HostPath(path.to_owned());
    match (read(folder)?.get(id), pinning) {
        (Some(pinned), _) if *pinned != found => {
            Err(HostError::Pinned { path: own(), pinned: *pinned, found })
        }
        (Some(_), _) | (None, Pinning::WhereListed) => Ok(()),
        (None, Pinning::Required) => Err(HostError::NotPinned { path: own(), id: id.to_owned() }),
    }
}

/// The digest that a plugin is pinned to.
///
/// # Errors
/// As [`check`].
pub(crate) fn of(folder: &Path, id: &str) -> Result<Option<Digest>, HostError> {
    Ok(read(folder)?.remove(id))
}

/// Pins a plugin to this digest, or with `None` to none, durably: if we die in here the file holds the old pins or the new
/// ones. Says what it was pinned to before.
///
/// # Errors
/// The folder or its pins are not to be trusted; [`HostError::Lock`].
pub(crate) fn set(folder: &Path, id: &str, digest: Option<Digest>) -> Result<Option<Digest>, HostError> {
    let failed = |why: String| HostError::Lock { path: HostPath(folder.join(LOCK_FILE)), why };
    backout_disk::trust::check(folder).map_err(|e| failed(e.to_string()))?;
    let mut pins = read(folder)?;
    let before = match digest {
        Some(digest) => pins.insert(id.to_owned(), digest),
        None => pins.remove(id),
    };
    if before != digest {
        let text = text(&pins).map_err(failed)?;
        Folder::open_root(folder)
            .and_then(|folder| durable::write(&folder, LOCK_FILE.as_ref(), text.as_bytes(), 0o644))
            .map_err(|e| failed(e.to_string()))?;
    }
    Ok(before)
}

/// A pin a line, as people and tools that compare lines read it best.
fn text(pins: &BTreeMap<String, Digest>) -> Result<String, String> {
    let pretty = ron::ser::PrettyConfig::default().new_line("\n");
    ron::ser::to_string_pretty(pins, pretty).map(|text| text + "\n").map_err(|e| e.to_string())
}

fn read(folder: &Path) -> Result<BTreeMap<String, Digest>, HostError> {
    let path = folder.join(LOCK_FILE);
    let bad = |why: String| HostError::Lock { path: HostPath(path.clone()), why };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(bad(e.to_string())),
    };
    // Who can write the lock file can pin anything.
    backout_disk::trust::check(&path).map_err(|e| bad(e.to_string()))?;
    from_ron(LOCK_FILE, &text).map_err(|e| bad(format!("line {}, column {}: {}", e.line, e.column, e.why)))
}
