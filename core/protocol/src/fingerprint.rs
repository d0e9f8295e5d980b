//! What state is compared by: kind, length and digest, and nothing else.

use crate::version::{FileVersion, MachineType};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A SHA-256, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

/// Text that is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 (64 hex digits)")]
pub struct BadDigest(pub String);

impl Digest {
    /// The first 12 hex digits, enough for people to tell files apart by.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}
impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(s: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(s.to_owned());
        if s.len() != 64 || !s.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(s.as_bytes().chunks(2)) {
            let digit = |c: u8| (c as char).to_digit(16).ok_or_else(bad);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}
impl TryFrom<String> for Digest {
    type Error = BadDigest;
    fn try_from(s: String) -> Result<Self, BadDigest> {
        s.parse()
    }
}
impl From<Digest> for String {
    fn from(d: Digest) -> String {
        d.to_string()
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The state of one name. Two states are the same if and only if their fingerprints are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fingerprint {
    /// Nothing has this name.
    Absent,
    /// A regular file.
    File {
        /// Length in bytes.
        len: u64,
        /// Digest of its bytes.
        sha256: Digest,
    },
    /// A folder with all that is in it (`.backout-*` left out).
    Folder {
        /// Digest over the sorted listing: kind, relative name, and each file's length and digest.
        sha256: Digest,
    },
    /// A symbolic link, whatever it leads to.
    Link {
        /// Digest of what it holds.
        sha256: Digest,
    },
}

impl Fingerprint {
    /// Whether nothing has this name.
    pub fn is_absent(&self) -> bool {
        matches!(self, Fingerprint::Absent)
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        matches!(self, Fingerprint::Link { .. })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fingerprint::Absent => f.write_str("absent"),
            Fingerprint::File { len, sha256 } => write!(f, "{len} bytes, sha256 {}", sha256.short()),
            Fingerprint::Folder { sha256 } => write!(f, "folder, sha256 {}", sha256.short()),
            Fingerprint::Link { sha256 } => write!(f, "symbolic link, sha256 {}", sha256.short()),
        }
    }
}

/// A fingerprint with what people know a file by: its version, and for a PE file its machine type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// What it is compared by.
    pub fingerprint: Fingerprint,
    /// The version resource's file version, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<FileVersion>,
    /// The PE machine type, where the file is a PE file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineType>,
}

impl Image {
    /// Nothing there.
    pub const ABSENT: Image = Image::bare(Fingerprint::Absent);

    /// A state that has neither version nor machine type.
    pub const fn bare(fingerprint: Fingerprint) -> Self {
        Image { fingerprint, version: None, machine: None }
    }
}
