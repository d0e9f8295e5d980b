//! Looks at files: fingerprint, version, machine type.

use crate::{failure::Holders, refusal::Refusal};
use backout_disk::{
    Error, ErrorKind, Folder,
    fingerprint::digest_file,
    folder::{DEEPEST, open_place},
};
use backout_machine::PeInfo;
use backout_protocol::{Fingerprint, HostPath, Image, Place, RelPath, message::Reject};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

/// The state of a file or of nothing.
///
/// # Errors
/// The disk's: a symbolic link, something that is no file, or one that cannot be read.
pub fn image(place: &Place) -> Result<Image, Error> {
    examine(place).map(|(image, _)| image)
}

/// A file's image, and whether it is whole: a PE file can be shorter than its headers say.
fn examine(place: &Place) -> Result<(Image, bool), Error> {
    let mut file = match open_place(place) {
        Ok(file) => file,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok((Image::ABSENT, true)),
        Err(e) => return Err(e),
    };
    let (len, sha256) = digest_file(&mut file).map_err(|e| e.at(&place.path()))?;
    let fingerprint = Fingerprint::File { len, sha256 };
    let pe = pe(&mut file, place)?;
    let image = Image { fingerprint, version: pe.and_then(|p| p.version), machine: pe.map(|p| p.machine) };
    Ok((image, pe.is_none_or(|p| p.whole)))
}

/// The language of a file's version resource, as Windows numbers them; `None`: it has none, or there is no file.
///
/// # Errors
/// As [`image`].
pub(crate) fn language(place: &Place) -> Result<Option<u16>, Error> {
    let mut file = match open_place(place) {
        Ok(file) => file,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    Ok(pe(&mut file, place)?.and_then(|pe| pe.language))
}

/// What the file says of itself, if it is a PE file.
fn pe(file: &mut File, place: &Place) -> Result<Option<PeInfo>, Error> {
    let pe = backout_machine::version::read(file);
    pe.map_err(|e| Error::unsupported("read", &place.path(), &e.to_string()))
}

/// A backup as a candidate, or why it is none.
pub(crate) fn candidate(place: &Place) -> Result<Image, Reject> {
    match examine(place) {
        Ok((image, _)) if image.fingerprint.is_absent() => Err(Reject::Missing),
        Ok((_, false)) => Err(Reject::CutShort),
        Ok((image, true)) => Ok(image),
        Err(e) => Err(match e.kind {
            ErrorKind::NotFound => Reject::Missing,
            ErrorKind::Symlink => Reject::Symlink,
            ErrorKind::NotAFile | ErrorKind::NotAFolder => Reject::NotAFile,
            _ => Reject::Unreadable(e.to_string()),
        }),
    }
}

/// What a symbolic link holds.
///
/// # Errors
/// The disk's.
pub(crate) fn link(place: &Place) -> Result<HostPath, Error> {
    let folder = Folder::open_parent_of(place)?;
    Ok(HostPath(folder.read_link(place.rel.name())?.into()))
}

/// A failure to look at a target, as a refusal.
pub(crate) fn refusal(error: Error) -> Refusal {
    let path = || HostPath(error.path.clone());
    match error.kind {
        ErrorKind::Symlink => Refusal::Symlink { path: path() },
        ErrorKind::NotAFile | ErrorKind::NotAFolder => Refusal::NotAFile { path: path() },
        ErrorKind::Denied => Refusal::NoRights { path: path() },
        ErrorKind::Busy => Refusal::InUse { holders: Holders::of(&error.path), path: path() },
        ErrorKind::TooDeep => Refusal::TooDeep { path: path(), most: DEEPEST },
        _ => Refusal::Look(error),
    }
}

/// Splits `variable/name/name` into the variable's folder and the names below it.
pub(crate) fn location(
    folders: &BTreeMap<String, HostPath>,
    text: &str,
) -> Option<(HostPath, Option<RelPath>)> {
    let (variable, below) = text.split_once('/').map_or((text, None), |(v, b)| (v, Some(b)));
    let root = folders.get(variable)?.clone();
    match below {
        None => Some((root, None)),
        Some(below) => Some((root, Some(RelPath::new(below).ok()?))),
    }
}

/// The absolute path of a location, for folders that are only looked under.
pub(crate) fn path_of(folders: &BTreeMap<String, HostPath>, text: &str) -> Option<PathBuf> {
    location(folders, text).map(|(root, rel)| rel.map_or(root.0.clone(), |rel| root.0.join(rel.as_path())))
}

/// Whether `path` is `root` or below it, name by name.
pub(crate) fn below(path: &Path, root: &Path) -> bool {
    path.starts_with(root)
}
