//! Linux: owner and mode.

use super::{Fault, Part};
use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

/// Nobody else gets into the folder, and the file has no name elsewhere.
pub(super) fn is_private(folder: &fs::Metadata, file: &fs::Metadata) -> bool {
    folder.mode() & 0o077 == 0 && file.nlink() == 1
}

pub(super) fn fault(_: &Path, meta: &fs::Metadata, part: Part) -> io::Result<Option<Fault>> {
    if meta.uid() != 0 && meta.uid() != crate::os::effective_uid() {
        return Ok(Some(Fault::Owner(meta.uid())));
    }
    let mode = meta.mode() & 0o7777;
    // In a root-owned sticky folder nobody can replace another's file. A link's own mode says nothing.
    let sticky = meta.is_dir() && meta.uid() == 0 && mode & 0o1000 != 0;
    let open = part != Part::Link && mode & 0o022 != 0 && !sticky;
    Ok(open.then_some(Fault::Writable(mode)))
}
