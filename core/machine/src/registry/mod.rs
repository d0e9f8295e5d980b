//! The registry, where there is one: text values below `HKEY_LOCAL_MACHINE`.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

use std::ffi::OsString;

/// A text value that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryText {
    /// Key, value and view, for people.
    pub name: String,
    /// The text.
    pub text: OsString,
}

/// The text value `value` of `key` below `HKEY_LOCAL_MACHINE`, as 64-bit programs see it and as 32-bit ones do; those
/// that are there. Values that are no text, or cannot be read, are taken for not there. Elsewhere there are none.
pub fn texts(key: &str, value: &str) -> Vec<RegistryText> {
    os::texts(key, value)
}
