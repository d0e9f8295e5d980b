//! One file of a package's folder, beside it. The same folder gives the same names in the same order.

use super::within;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// `NAME.tar.gz`.
pub(super) fn tar(folder: &Path) -> Result<PathBuf, String> {
    let (above, name, file) = places(folder, "tar.gz")?;
    let mut tar = Command::new("tar");
    // Whoever unpacks it as root is to own it; nobody else may write.
    tar.args([
        "--create",
        "--gzip",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=go-w",
    ]);
    within(&above, tar.arg("--file").arg(&file).arg(&name))?;
    Ok(file)
}

/// `NAME.zip`.
pub(super) fn zip(folder: &Path) -> Result<PathBuf, String> {
    let (above, name, file) = places(folder, "zip")?;
    let mut zip = Command::new("zip");
    within(&above, zip.args(["-q", "-X", "-r"]).arg(&file).arg(&name).stdin(Stdio::null()))?;
    Ok(file)
}

fn places(folder: &Path, ends: &str) -> Result<(PathBuf, String, PathBuf), String> {
    let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(format!("{}: it has no name", folder.display()));
    };
    let name = name.to_string_lossy().into_owned();
    let file = above.join(format!("{name}.{ends}"));
    // The programs would add to what is there.
    if file.exists() {
        fs::remove_file(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok((above.to_owned(), name, file))
}
