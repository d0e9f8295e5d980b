//! `plugins.lock`: digests that bind. A RON map from plugin id to the SHA-256 of its file, in the plugin folder.

use crate::error::HostError;
use backout_disk::{ErrorKind, Folder, durable, lock::Lock};
use backout_protocol::{Digest, HostPath, text::from_ron};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

/// The lock file's name.
pub const LOCK_FILE: &str = "plugins.lock";

/// No lock file is longer, in bytes.
const CAP: u64 = 1 << 20;
/// Held by whoever changes the lock file. It stays there, empty of meaning.
const CHANGING: &str = ".plugins.lock.changing";
/// How long another who changes it is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a plugin must be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pinning {
    /// A pin binds where there is one.
    #[default]
    WhereListed,
    /// A plugin without a pin is not loaded.
    Required,
}

/// Whether a pin is really given or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// It is only looked at, and told.
    No,
    /// Yes.
    Yes,
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

/// As [`of`], where the folder is to be trusted with more.
fn trusted(folder: &Path, id: &str) -> Result<Option<Digest>, HostError> {
    let path = HostPath(folder.join(LOCK_FILE));
    backout_disk::trust::check(folder).map_err(|e| HostError::Lock { path, why: e.to_string() })?;
    of(folder, id)
}

/// Pins a plugin to this digest, or with `None` to none, durably: if we die in here the file holds the old pins or the new
/// ones. Says what it was pinned to before.
///
/// # Errors
/// The folder or its pins are not to be trusted, or somebody else changes them and does not end: [`HostError::Lock`];
/// [`HostError::LockDenied`].
pub(crate) fn set(
    folder: &Path,
    id: &str,
    digest: Option<Digest>,
    writing: Writing,
) -> Result<Option<Digest>, HostError> {
    let path = || HostPath(folder.join(LOCK_FILE));
    let failed = |why: String| HostError::Lock { path: path(), why };
    let refused = |e: backout_disk::Error| match e.kind {
        ErrorKind::Denied => HostError::LockDenied { path: path(), why: e.to_string() },
        _ => failed(e.to_string()),
    };
    // Whoever may change nothing there is still told that nothing is to be changed.
    let before = trusted(folder, id)?;
    if before == digest || writing == Writing::No {
        return Ok(before);
    }
    // Links on the way to it have been judged, all of them; it is opened without any.
    let whole = fs::canonicalize(folder).map_err(|e| failed(e.to_string()))?;
    let open = Folder::open_root(&whole).map_err(refused)?;
    let _held = hold(&open, refused)?.ok_or_else(|| failed("somebody else is changing it".to_owned()))?;
    let mut pins = read(folder)?;
    let before = match digest {
        Some(digest) => pins.insert(id.to_owned(), digest),
        None => pins.remove(id),
    };
    if before != digest {
        let text = text(&pins).map_err(failed)?;
        durable::write(&open, LOCK_FILE.as_ref(), text.as_bytes(), 0o644).map_err(refused)?;
    }
    Ok(before)
}

/// What is read is still true when it is written; `None`: another holds it on and on.
fn hold(
    folder: &Folder,
    refused: impl Fn(backout_disk::Error) -> HostError,
) -> Result<Option<Lock>, HostError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match Lock::acquire(folder, OsStr::new(CHANGING)).map_err(&refused)? {
            None if Instant::now() < until => {}
            held => return Ok(held),
        }
    }
}

/// A pin a line, as people and tools that compare lines read it best.
fn text(pins: &BTreeMap<String, Digest>) -> Result<String, String> {
    let pretty = ron::ser::PrettyConfig::default().new_line("\n");
    ron::ser::to_string_pretty(pins, pretty).map(|text| text + "\n").map_err(|e| e.to_string())
}

fn read(folder: &Path) -> Result<BTreeMap<String, Digest>, HostError> {
    let path = folder.join(LOCK_FILE);
    let bad = |why: String| HostError::Lock { path: HostPath(path.clone()), why };
    let real = match fs::canonicalize(&path) {
        Ok(real) => real,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(bad(e.to_string())),
    };
    // Who can write the lock file can pin anything, or let a pipe or a file without end stand there.
    backout_disk::trust::check(&path).map_err(|e| bad(e.to_string()))?;
    let (Some(whole), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(bad("it is not a regular file".to_owned()));
    };
    let bytes = Folder::open_root(whole).and_then(|whole| durable::read(&whole, name, CAP));
    let Some(bytes) = bytes.map_err(|e| bad(e.to_string()))? else { return Ok(BTreeMap::new()) };
    let text = String::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
    from_ron(LOCK_FILE, &text).map_err(|e| bad(format!("line {}, column {}: {}", e.line, e.column, e.why)))
}
