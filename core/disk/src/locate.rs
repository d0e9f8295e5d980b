//! Finds a name the way the product compares names.

use crate::{
    error::{Error, ErrorKind},
    folder::{Folder, Kind},
};
use backout_protocol::{HostPath, NameRule, Place, RelPath};
use std::path::{Path, PathBuf};

/// What is found of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The place, in its live spelling as far as it is live.
    pub place: Place,
    /// Live names that the product takes for the same; empty if all is well.
    pub twins: Vec<Place>,
    /// The first part of the path that is not there; `None`: all of it is.
    pub missing_from: Option<RelPath>,
    /// What is there.
    pub kind: Option<Kind>,
}

/// Walks `rel` name by name below `root`.
///
/// # Errors
/// [`ErrorKind::Symlink`], [`ErrorKind::NotAFolder`], [`ErrorKind::NotFound`] if the root itself is not there.
pub fn locate(root: &Path, rel: &RelPath, names: NameRule) -> Result<Located, Error> {
    let mut folder = Folder::open_root(root)?;
    let mut walked = PathBuf::new();
    let place = |rel: &Path| match RelPath::new(rel) {
        Ok(rel) => Ok(Place { root: HostPath(root.to_owned()), rel }),
        Err(e) => Err(Error::unsupported("find", &root.join(rel), &e.to_string())),
    };
    let parts: Vec<_> = rel.as_path().components().collect();
    for (at, part) in parts.iter().enumerate() {
        let wanted = part.as_os_str();
        let entries = folder.entries()?;
        let alike: Vec<_> = entries.iter().filter(|e| names.same(&e.name, wanted)).collect();
        let here = walked.clone();
        if alike.len() > 1 {
            let twins = alike.iter().map(|e| place(&here.join(&e.name))).collect::<Result<_, _>>()?;
            let full = here.join(parts[at..].iter().collect::<PathBuf>());
            return Ok(Located { place: place(&full)?, twins, missing_from: None, kind: None });
        }
        let Some(entry) = alike.first() else {
            let full = here.join(parts[at..].iter().collect::<PathBuf>());
            let missing_from = Some(place(&here.join(wanted))?.rel);
            return Ok(Located { place: place(&full)?, twins: Vec::new(), missing_from, kind: None });
        };
        walked.push(&entry.name);
        if at + 1 == parts.len() {
            let kind = Some(entry.kind);
            return Ok(Located { place: place(&walked)?, twins: Vec::new(), missing_from: None, kind });
        }
        folder = match entry.kind {
            Kind::Folder => folder.open_below(&place(Path::new(&entry.name))?.rel)?,
            Kind::Symlink => return Err(Error::own(ErrorKind::Symlink, "open", &root.join(&walked))),
            _ => return Err(Error::own(ErrorKind::NotAFolder, "open", &root.join(&walked))),
        };
    }
    Err(Error::not_found("find", root))
}
