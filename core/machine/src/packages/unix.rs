//! dpkg and rpm, each where it is.

use super::{Owner, PackagesError, debian, rpm};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Where dpkg keeps its records.
const DPKG: &str = "/var/lib/dpkg";

pub(super) fn owners(files: &BTreeSet<PathBuf>) -> Result<Vec<Owner>, PackagesError> {
    let mut all = Vec::new();
    if Path::new(DPKG).join(debian::STATUS).is_file() {
        all.extend(debian::owners(Path::new(DPKG), Path::new("/"), files)?);
    }
    if let Some(program) = rpm::program() {
        all.extend(rpm::owners(program, files)?);
    }
    Ok(all)
}
