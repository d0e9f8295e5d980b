//! What a file has beside its bytes: owner, mode, times, attributes; and which of it a staged file takes from whom.

use crate::os::{self, Raw};
use backout_protocol::Place;
use std::{ffi::OsString, fs::File, io};

/// Whose metadata a staged file takes.
#[derive(Debug, Clone, Copy)]
pub enum Dress<'a> {
    /// There is a live target: owner, group, mode, access lists and security attributes are its; times and user
    /// attributes are the source's.
    Live(&'a Place),
    /// There is none: all is the source's, but never wider than the folder it comes to lie in.
    Source,
    /// Everything exactly as it was saved.
    AsSaved,
}

/// How much of the rights' model is put on.
#[derive(Clone, Copy)]
pub(crate) enum Wear {
    /// All of it: the bytes are its own.
    Everything,
    /// All but what is bound to the model's bytes.
    Guarded,
    /// Nothing wider than a folder of this mode.
    Within(u32),
}

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
pub(crate) fn dress(file: &File, rights: &Metadata, rest: &Metadata, wear: Wear) -> io::Result<Vec<String>> {
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
        Wear::Within(folder) => rights.raw.mode & 0o777 & (folder | 0o600),
        // Setuid for another owner than the model's would hand out rights that nobody gave.
        Wear::Everything | Wear::Guarded if !owned => rights.raw.mode & 0o1777,
        Wear::Everything | Wear::Guarded => rights.raw.mode & 0o7777,
    };
    os::set_mode(file, mode)?;
    os::set_times(file, rest.raw.atime, rest.raw.mtime)?;
    Ok(notes)
}

/// Owner, mode, attributes and times of one folder for another.
pub(crate) fn dress_folder(folder: &File, like: &File, times: bool) -> io::Result<Vec<String>> {
    let model = Metadata::of(like)?;
    let now = Metadata::of(folder)?;
    dress(folder, &model, if times { &model } else { &now }, Wear::Everything)
}
