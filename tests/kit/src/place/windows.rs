use std::path::{Path, PathBuf};

/// Where worlds are made: what lies below the folder of temporary files may be anybody's.
pub(crate) fn worlds() -> PathBuf {
    PathBuf::from(r"C:\")
}

/// A new file has the rights of its folder.
pub(crate) fn shield(_file: &Path) {}

/// Copies a program to where it is run from.
#[track_caller]
pub fn program(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}
