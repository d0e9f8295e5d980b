//! `backout plugin`: one file a sub-verb. And the process that a plugin's code runs in.

mod list;
mod show;
mod trust;

pub(crate) use list::list;
pub(crate) use show::show;
pub(crate) use trust::{trust, untrust};

pub(crate) mod check;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod schema;

use crate::{
    answer::Answer,
    exit_code,
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
    let code = match &error {
        HostError::LockDenied { .. } => exit_code::NO_RIGHTS,
        _ => exit_code::REFUSED,
    };
    match words::refused(&error) {
        Some(said) => Box::new(Answer::error(code, Outcome::Refused, said)),
        None => crate::session::stop(Refusal::Plugin(error.into())),
    }
}

/// A path as it is typed at this machine's shell.
pub(super) fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:".contains(c) || (cfg!(windows) && c == '\\');
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    if cfg!(windows) { format!("\"{text}\"") } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
