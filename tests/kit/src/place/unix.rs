use std::{fs, os::unix::fs::PermissionsExt, path::Path, path::PathBuf};

/// Where worlds are made.
pub(crate) fn worlds() -> PathBuf {
    std::env::temp_dir()
}

/// Takes what others may do to a file away.
pub(crate) fn shield(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
}
