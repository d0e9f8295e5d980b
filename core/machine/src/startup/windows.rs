//! Windows: not told yet.

use super::{StartupError, StartupFile};
use std::path::Path;

/// Whether there is a manager that can be told.
pub fn is_there() -> bool {
    false
}

/// No files.
///
/// # Errors
/// Never.
pub fn files(_exe: &Path, _state: &Path) -> Result<Vec<StartupFile>, StartupError> {
    Ok(Vec::new())
}

/// Cannot be done.
///
/// # Errors
/// Always.
pub fn enable() -> Result<(), StartupError> {
    Err(StartupError { command: "boot install".to_owned(), why: "not on this system".to_owned() })
}

/// Cannot be done.
///
/// # Errors
/// Always.
pub fn disable() -> Result<(), StartupError> {
    enable()
}

/// Nothing to read.
///
/// # Errors
/// Never.
pub fn reload() -> Result<(), StartupError> {
    Ok(())
}

/// Never.
pub fn is_enabled() -> bool {
    false
}
