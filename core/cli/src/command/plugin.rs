//! `backout plugin`: one file a sub-verb. And the process that a plugin's code runs in.

mod list;
mod show;
mod trust;

pub(crate) use list::list;
pub(crate) use show::show;
pub(crate) use trust::{trust, untrust};

pub(crate) mod plan;
pub(crate) mod record;

use crate::{
    answer::Answer,
    messages::{plugin as words, usage},
    session::Stop,
};
use backout_engine::Refusal;
use backout_host::HostError;
use backout_protocol::Outcome;
use std::path::Path;

/// Is the process that a plugin's code runs in. Whoever started it reads its reply and looks at nothing else.
pub(crate) fn host() -> Result<Answer, Stop> {
    let Err(e) = backout_host::serve();
    Err(Box::new(Answer::usage(usage::no_host(&e.to_string()))))
}

/// What a person names a plugin by.
enum Named<'a> {
    Id(&'a str),
    File(&'a Path),
}

impl<'a> Named<'a> {
    /// A path and a library's name stand for a file, all else for an id.
    fn of(given: &'a Path) -> Self {
        let library = given.extension().is_some_and(|e| e == std::env::consts::DLL_EXTENSION);
        match given.to_str() {
            Some(id) if !library && given.components().count() == 1 && !given.is_absolute() => Self::Id(id),
            _ => Self::File(given),
        }
    }
}

/// Why a verb about a plugin's file has no other answer.
fn refused(error: HostError) -> Stop {
    match words::refused(&error) {
        Some(said) => Box::new(Answer::error(crate::exit_code::REFUSED, Outcome::Refused, said)),
        None => crate::session::stop(Refusal::Plugin(error.into())),
    }
}
