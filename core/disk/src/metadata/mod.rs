//! What a file has beside its bytes: owner, rights, times, attributes; and which of it a staged file takes from whom.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::{Metadata, dress};
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{Metadata, dress};

use backout_protocol::Place;
use std::{fs::File, io};

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
pub(crate) enum Wear<'a> {
    /// All of it: the bytes are its own.
    Everything,
    /// All but what is bound to the model's bytes.
    Guarded,
    /// Nothing wider than this folder gives.
    Within(&'a Metadata),
}

/// Owner, mode and attributes of one folder for another that is in use: its own times stay.
pub(crate) fn dress_in_place(folder: &File, like: &File) -> io::Result<Vec<String>> {
    let model = Metadata::of(like)?;
    let rest = Metadata::of(like)?.at_the_times_of(&Metadata::of(folder)?);
    dress(folder, &model, &rest, Wear::Everything)
}

/// Owner, mode, attributes and times of one folder for another.
pub(crate) fn dress_folder(folder: &File, like: &File, times: bool) -> io::Result<Vec<String>> {
    let model = Metadata::of(like)?;
    let now = Metadata::of(folder)?;
    dress(folder, &model, if times { &model } else { &now }, Wear::Everything)
}
