//! Digests of what is shipped, as `sha256sum -c` reads them.

use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Writes `SHA256SUMS` into `folder`, for files below it.
pub(super) fn sums(folder: &Path, files: &[PathBuf]) -> Result<(), String> {
    let mut lines = String::new();
    for file in files {
        let bytes = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().replace('\\', "/");
        lines.push_str(&format!("{}  {name}\n", hex(&bytes)));
    }
    let to = folder.join("SHA256SUMS");
    fs::write(&to, lines).map_err(|e| format!("{}: {e}", to.display()))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A GUID that is always the same for the same words.
pub(super) fn guid(words: &str) -> String {
    let hex = hex(words.as_bytes()).to_uppercase();
    format!("{}-{}-5{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
