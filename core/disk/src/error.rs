//! What failed, on which path, and of what kind.

use crate::os;
use backout_protocol::path::encode;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A file operation that failed: `cannot <op> <path>: <why>`.
///
/// The operating system's own words are part of the message, so the cause is no `source()`: it would be told twice.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} `{}`: {}", encode(.path.as_os_str()), self.why())]
#[non_exhaustive]
pub struct Error {
    /// What callers tell failures apart by.
    pub kind: ErrorKind,
    /// What was tried, as a verb.
    pub op: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the operating system said, where it said something.
    pub cause: Option<io::Error>,
}

/// The kinds of failure that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing has this name.
    NotFound,
    /// A symbolic link where none may be.
    Symlink,
    /// Something that is not a regular file.
    NotAFile,
    /// Something that is not a folder.
    NotAFolder,
    /// Something has this name already.
    Exists,
    /// No space, or no quota, is left.
    NoSpace,
    /// The file system is mounted read-only.
    ReadOnly,
    /// No rights, or the file is protected.
    Denied,
    /// In use.
    Busy,
    /// Two names that are on different file systems.
    CrossDevice,
    /// Not to be had here.
    Unsupported,
    /// A sync failed: what is on the medium is unknown, and asking again would be answered wrongly.
    Sync,
    /// Anything else.
    Other,
}

impl ErrorKind {
    fn words(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "nothing has this name",
            ErrorKind::Symlink => "it is, or is reached through, a symbolic link",
            ErrorKind::NotAFile => "it is not a regular file",
            ErrorKind::NotAFolder => "it is not a folder",
            ErrorKind::Exists => "something has this name already",
            ErrorKind::NoSpace => "no space is left",
            ErrorKind::ReadOnly => "the file system is read-only",
            ErrorKind::Denied => "permission denied",
            ErrorKind::Busy => "it is in use",
            ErrorKind::CrossDevice => "the names are on different file systems",
            ErrorKind::Unsupported => "not supported here",
            ErrorKind::Sync => "an earlier sync failed",
            ErrorKind::Other => "unknown failure",
        }
    }
}

impl Error {
    /// A failure that the operating system did not report.
    pub fn new(kind: ErrorKind, op: &'static str, path: &Path) -> Self {
        Self { kind, op, path: path.to_owned(), cause: None }
    }

    /// Nothing has this name.
    pub fn not_found(op: &'static str, path: &Path) -> Self {
        Self::new(ErrorKind::NotFound, op, path)
    }

    /// Something that cannot be done here; `why` is a lowercase fragment.
    pub fn unsupported(op: &'static str, path: &Path, why: &str) -> Self {
        let cause = io::Error::new(io::ErrorKind::Unsupported, why.to_owned());
        Self { kind: ErrorKind::Unsupported, op, path: path.to_owned(), cause: Some(cause) }
    }

    /// The same failure, told of another path.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// What the operating system reported, with its kind.
    pub(crate) fn io(op: &'static str, path: &Path, cause: io::Error) -> Self {
        Self { kind: os::kind_of(&cause), op, path: path.to_owned(), cause: Some(cause) }
    }

    /// A sync that failed, whatever the reason.
    pub(crate) fn sync(path: &Path, cause: io::Error) -> Self {
        Self { kind: ErrorKind::Sync, op: "sync", path: path.to_owned(), cause: Some(cause) }
    }

    fn why(&self) -> String {
        self.cause.as_ref().map_or_else(|| self.kind.words().to_owned(), io::Error::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_on_which_path_and_why() {
        let full = Error::io("write", Path::new("/a\nb"), io::Error::from_raw_os_error(28));
        assert_eq!(full.kind, ErrorKind::NoSpace);
        assert_eq!(full.to_string(), "cannot write `/a%0Ab`: No space left on device (os error 28)");
        let gone = Error::not_found("open", Path::new("/x"));
        assert_eq!(gone.to_string(), "cannot open `/x`: nothing has this name");
        assert!(std::error::Error::source(&full).is_none());
    }

    #[test]
    fn a_failed_sync_is_told_apart_from_the_same_errno_elsewhere() {
        let e = Error::sync(Path::new("/x"), io::Error::from_raw_os_error(28));
        assert_eq!(e.kind, ErrorKind::Sync);
    }
}
