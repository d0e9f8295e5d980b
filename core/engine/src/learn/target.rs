//! The file that a learned profile is written to: looked at before anything runs, made at the end, and nothing of anybody's is
//! replaced.

use crate::{load::absolute, look, refusal::Refusal};
use backout_disk::{Error, Folder, durable};
use backout_protocol::{HostPath, profile::is_name};
use std::{ffi::OsString, path::Path};

/// Everybody may read it, as far as the umask goes; who writes it alone may change it: else nobody would trust it.
const MODE: u32 = 0o644;

/// Why a profile cannot be written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cannot {
    /// Something has this name.
    Exists,
    /// Its name is none that a profile can have: `NAME.ron`.
    Name,
    /// The folder is not there, or nothing can be made in it: the system's words.
    Folder(String),
    /// It lies in a folder that the guard covers, or in the state folder: this one.
    Covered(HostPath),
}

/// The profile's name that a file stands for.
pub(crate) fn name(path: &Path) -> Option<&str> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".ron")?;
    is_name(stem).then_some(stem)
}

/// The file by its real folder, if a profile could be written to it now.
///
/// # Errors
/// [`Refusal::CannotLearn`].
pub fn check(asked: &Path, covered: &[HostPath], state: &Path) -> Result<HostPath, Refusal> {
    let path = absolute(asked);
    let refuse = |why: Cannot| Refusal::CannotLearn { path: path.clone(), why };
    let (Some(above), Some(file)) = (path.0.parent(), path.0.file_name().filter(|_| name(&path.0).is_some()))
    else {
        return Err(refuse(Cannot::Name));
    };
    let unusable = |why: String| refuse(Cannot::Folder(why));
    let real = std::fs::canonicalize(above).map_err(|e| unusable(e.to_string()))?;
    let mut not_in = covered.iter().map(|root| root.0.as_path()).chain([state]);
    if let Some(folder) = not_in.find(|folder| look::below(&real, folder)) {
        return Err(refuse(Cannot::Covered(HostPath(folder.to_owned()))));
    }
    let folder = Folder::open_root(&real).map_err(|e| unusable(e.to_string()))?;
    if !folder.writable().map_err(|e| unusable(e.to_string()))? {
        return Err(unusable("you may not write there".to_owned()));
    }
    if folder.stat(file).map_err(|e| unusable(e.to_string()))?.is_some() {
        return Err(refuse(Cannot::Exists));
    }
    Ok(HostPath(real.join(file)))
}

/// Sees that a file can really be made beside it: rights alone do not tell that of every file system.
///
/// # Errors
/// [`Refusal::CannotLearn`].
pub fn try_out(path: &HostPath) -> Result<(), Refusal> {
    let tried = folder_of(path).and_then(|folder| durable::try_out(&folder, &beside(path)));
    tried.map_err(|e| Refusal::CannotLearn { path: path.clone(), why: Cannot::Folder(e.to_string()) })
}

/// Writes the file, whole or not at all. If we die in here there may be one beside it that begins with a dot and ends in `.new`.
///
/// # Errors
/// The disk's; [`backout_disk::ErrorKind::Exists`]: something has its name by now.
pub(crate) fn write(path: &HostPath, text: &str) -> Result<(), Error> {
    let folder = folder_of(path)?;
    let name = path.0.file_name().unwrap_or_default();
    durable::create(&folder, name, &beside(path), text.as_bytes(), MODE)
}

fn folder_of(path: &HostPath) -> Result<Folder, Error> {
    let above =
        path.0.parent().ok_or_else(|| Error::unsupported("write", &path.0, "it is no file's name"))?;
    Folder::open_root(above)
}

/// A name that nothing has.
fn beside(path: &HostPath) -> OsString {
    let mut new = OsString::from(".");
    new.push(path.0.file_name().unwrap_or_default());
    new.push(format!(".{}.new", ulid::Ulid::generate().to_string().to_ascii_lowercase()));
    new
}
