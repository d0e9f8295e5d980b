//! The registry, where there is one: keys below `HKEY_LOCAL_MACHINE`.

#[cfg(windows)]
mod key;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

use backout_protocol::{
    KeyName,
    registry::{KeyTree, Value},
};
use std::{ffi::OsString, io};

/// What is read of one key at most: hostile and broken ones are no reason to fill the disk. In keys and values, in bytes, and in
/// keys one in the other.
pub const LIMITS: Limits = Limits { names: 100_000, bytes: 32 * 1024 * 1024, depth: 64 };

/// How much of a key is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Keys and values.
    pub names: usize,
    /// Bytes of names and values.
    pub bytes: usize,
    /// Keys one in the other.
    pub depth: usize,
}

/// The registry did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is none here.
    #[error("there is no registry on this system")]
    None,
    /// A key that is no product's own: it holds more than anybody could mean.
    #[error("`{key}` holds more than {what}")]
    TooMuch {
        /// The key.
        key: KeyName,
        /// What of.
        what: String,
    },
    /// A name in it is no text.
    #[error("a name in `{key}` is no text, or holds a NUL")]
    OddName {
        /// The key.
        key: KeyName,
    },
    /// A key in it is a link to another: that one is nobody's to change.
    #[error("`{key}` is or holds a link to another key")]
    Link {
        /// The key.
        key: KeyName,
    },
    /// It cannot be read or written.
    #[error("`{key}` cannot be {verb}")]
    System {
        /// The key.
        key: KeyName,
        /// What was done: read, changed.
        verb: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Keys and values below `HKEY_LOCAL_MACHINE`. Paths are those below the key that is named; the key itself has none.
pub trait Registry: Sync {
    /// Whether there is a registry at all.
    fn is_here(&self) -> bool;

    /// A key with all that lies in it; one that is not there is empty. Not more than [`LIMITS`].
    ///
    /// # Errors
    /// [`RegistryError`].
    fn tree(&self, key: &KeyName) -> Result<KeyTree, RegistryError>;

    /// Makes a key, with those above it. One that is there is no error.
    ///
    /// # Errors
    /// [`RegistryError`].
    fn make(&self, key: &KeyName, path: &str) -> Result<(), RegistryError>;

    /// Takes a key away that holds nothing. One that is gone is no error; one that holds something is.
    ///
    /// # Errors
    /// [`RegistryError`].
    fn remove(&self, key: &KeyName, path: &str) -> Result<(), RegistryError>;

    /// Gives a value of a key that is there this content; `None`: takes it away, and one that is gone is no error.
    ///
    /// # Errors
    /// [`RegistryError`].
    fn set(&self, key: &KeyName, path: &str, name: &str, value: Option<&Value>) -> Result<(), RegistryError>;

    /// Returns once everything that was done below the key, and to it, is on the medium.
    ///
    /// # Errors
    /// [`RegistryError`].
    fn flush(&self, key: &KeyName) -> Result<(), RegistryError>;
}

/// The registry of this machine.
pub fn here() -> &'static dyn Registry {
    &os::Here
}

/// Counts what is read against [`LIMITS`].
#[derive(Debug, Default)]
pub struct Meter {
    names: usize,
    bytes: usize,
}

impl Meter {
    /// One more name with so many bytes, at this depth.
    ///
    /// # Errors
    /// [`RegistryError::TooMuch`].
    pub fn count(&mut self, key: &KeyName, depth: usize, bytes: usize) -> Result<(), RegistryError> {
        self.names += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let what = match () {
            () if depth > LIMITS.depth => format!("{} keys one in the other", LIMITS.depth),
            () if self.names > LIMITS.names => format!("{} keys and values", LIMITS.names),
            () if self.bytes > LIMITS.bytes => format!("{} MiB", LIMITS.bytes >> 20),
            () => return Ok(()),
        };
        Err(RegistryError::TooMuch { key: key.clone(), what })
    }
}

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
