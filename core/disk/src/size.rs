//! Sizes of whole trees.

use crate::error::Error;
use std::{io, path::Path};

/// Bytes in all files below `path`.
///
/// # Errors
/// The system's.
pub fn tree_size(path: &Path) -> Result<u64, Error> {
    fs_extra::dir::get_size(path).map_err(|e| match e.kind {
        fs_extra::error::ErrorKind::Io(cause) => Error::io("measure", path, cause),
        _ => Error::io("measure", path, io::Error::other(e.to_string())),
    })
}
