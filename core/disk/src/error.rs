//! What the file system refused, sorted by what a caller can do about it.

use backout_protocol::path::encode;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A refusal of the file system.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} `{}`{}", encode(path.as_os_str()), detail(cause.as_deref()))]
pub struct Error {
    /// What sort of refusal it is.
    pub kind: ErrorKind,
    /// What was tried, as a verb.
    pub op: String,
    /// On what.
    pub path: PathBuf,
    /// The system's own words. They are part of the message, so they are no `source()`: they would be told twice.
    pub cause: Option<Box<io::Error>>,
}

/// The sorts of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing has this name.
    NotFound,
    /// A symbolic link where none may be.
    Symlink,
    /// No regular file.
    NotAFile,
    /// No folder.
    NotAFolder,
    /// The name is taken.
    Exists,
    /// No space, or a quota is used up.
    NoSpace,
    /// A read-only file system.
    ReadOnly,
    /// No rights.
    Denied,
    /// In use.
    Busy,
    /// Two file systems.
    CrossDevice,
    /// Deeper below other folders than anything walks.
    TooDeep,
    /// The system or file system cannot do this.
    Unsupported,
    /// A sync failed: what is on the medium is unknown.
    Sync,
    /// Anything else.
    Other,
}

fn detail(source: Option<&io::Error>) -> String {
    source.map_or_else(String::new, |e| format!(": {e}"))
}

impl Error {
    /// A refusal of `op` on `path` by the system.
    pub(crate) fn io(op: &str, path: &Path, source: io::Error) -> Self {
        let kind = crate::os::kind_of(&source);
        Self { kind, op: op.to_owned(), path: path.to_owned(), cause: Some(Box::new(source)) }
    }

    /// A refusal of our own.
    pub(crate) fn own(kind: ErrorKind, op: &str, path: &Path) -> Self {
        let text = match kind {
            ErrorKind::Symlink => Some("it is, or leads through, a symbolic link"),
            ErrorKind::NotAFile => Some("it is not a regular file"),
            ErrorKind::NotAFolder => Some("it is not a folder"),
            ErrorKind::NotFound => Some("it is not there"),
            ErrorKind::Exists => Some("the name is taken"),
            ErrorKind::TooDeep => Some("folders are nested too deep here"),
            _ => None,
        };
        let cause = text.map(|t| Box::new(io::Error::other(t)));
        Self { kind, op: op.to_owned(), path: path.to_owned(), cause }
    }

    /// A failed sync.
    pub(crate) fn sync(path: &Path, source: io::Error) -> Self {
        Self {
            kind: ErrorKind::Sync,
            op: "sync".into(),
            path: path.to_owned(),
            cause: Some(Box::new(source)),
        }
    }

    /// Something that cannot be done, with the reason.
    pub fn unsupported(op: &str, path: &Path, why: &str) -> Self {
        let cause = Some(Box::new(io::Error::other(why.to_owned())));
        Self { kind: ErrorKind::Unsupported, op: op.to_owned(), path: path.to_owned(), cause }
    }

    /// Something that is not there.
    pub fn not_found(op: &str, path: &Path) -> Self {
        Self::own(ErrorKind::NotFound, op, path)
    }
}
