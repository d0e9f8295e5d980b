//! Linux: owner, group, mode, extended attributes, times.

use super::Wear;
use crate::{
    fingerprint::digest_bytes,
    os::{self, Raw},
};
use backout_protocol::{path::encode, snapshot::Facts};
use std::{ffi::OsString, fs::File, io};

/// A signature or hash of the bytes: on other bytes it is wrong, and an appraising kernel refuses the file.
const BOUND_TO_BYTES: &[&str] = &["security.ima", "security.evm"];
/// Rights that come with the file, whoever runs it.
const CAPABILITY: &str = "security.capability";

/// Metadata of one file.
pub(crate) struct Metadata {
    raw: Raw,
    attributes: Vec<(OsString, Vec<u8>)>,
}

impl Metadata {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self { raw: os::stat_of(file)?, attributes: os::attributes(file)? })
    }

    /// As it can be written down.
    pub(crate) fn facts(&self) -> Facts {
        let attribute = |(name, value): &(OsString, Vec<u8>)| (encode(name), digest_bytes(value));
        Facts {
            owner: self.raw.uid.to_string(),
            group: Some(self.raw.gid.to_string()),
            mode: self.raw.mode & 0o7777,
            modified: self.raw.mtime,
            attributes: self.attributes.iter().map(attribute).collect(),
        }
    }

    /// The same with another's times.
    pub(super) fn at_the_times_of(mut self, other: &Self) -> Self {
        (self.raw.atime, self.raw.mtime) = (other.raw.atime, other.raw.mtime);
        self
    }

    fn user(&self) -> impl Iterator<Item = &(OsString, Vec<u8>)> {
        self.attributes.iter().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"user."))
    }

    fn guarded(&self) -> impl Iterator<Item = &(OsString, Vec<u8>)> {
        self.attributes.iter().filter(|(name, _)| !name.as_encoded_bytes().starts_with(b"user."))
    }
}

/// Dresses a new file; what could not be had is returned in words.
///
/// The order matters: owner first (a change of owner clears setuid), then attributes, then the mode, then times.
pub(crate) fn dress(
    file: &File,
    rights: &Metadata,
    rest: &Metadata,
    wear: Wear<'_>,
) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    let owned = os::set_owner(file, rights.raw.uid, rights.raw.gid)?;
    if !owned {
        notes.push(format!("owner {}:{}", rights.raw.uid, rights.raw.gid));
    }
    let wanted: Vec<&(OsString, Vec<u8>)> = rights
        .guarded()
        .filter(|(name, _)| match wear {
            Wear::Everything => owned || name != CAPABILITY,
            Wear::Guarded => (owned || name != CAPABILITY) && !BOUND_TO_BYTES.iter().any(|b| name == b),
            Wear::Within(_) => name != CAPABILITY,
        })
        .chain(rest.user())
        .collect();
    if wanted.iter().all(|(n, _)| n != CAPABILITY) && rights.guarded().any(|(n, _)| n == CAPABILITY) {
        notes.push(format!("attribute {CAPABILITY}"));
    }
    // What the new file got from its folder's defaults and the model does not have must go.
    for (name, _) in os::attributes(file)? {
        if !wanted.iter().any(|(n, _)| *n == name) && os::remove_attribute(file, &name).is_err() {
            log::debug!("attribute {} stays", name.to_string_lossy());
        }
    }
    for (name, value) in wanted {
        if os::set_attribute(file, name, value).is_err() {
            notes.push(format!("attribute {}", name.to_string_lossy()));
        }
    }
    let mode = match wear {
        // A file from a backup folder may be more open than anything in the folder it goes to.
        Wear::Within(folder) => rights.raw.mode & 0o777 & (folder.raw.mode | 0o600),
        // Setuid for another owner than the model's would hand out rights that nobody gave.
        Wear::Everything | Wear::Guarded if !owned => rights.raw.mode & 0o1777,
        Wear::Everything | Wear::Guarded => rights.raw.mode & 0o7777,
    };
    os::set_mode(file, mode)?;
    os::set_times(file, rest.raw.atime, rest.raw.mtime)?;
    Ok(notes)
}
