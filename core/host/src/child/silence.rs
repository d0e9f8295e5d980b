//! Why a child gave no answer.

use super::{os, printed};
use backout_protocol::message::Request;
use std::{process::ExitStatus, time::Duration};

/// Why a child gave no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// It took too long.
    TimeUp(Duration),
    /// It printed too much.
    TooMuch,
    /// Something that is no reply came where replies come.
    Nonsense(String),
    /// It ended.
    Ended,
}

impl Silence {
    /// In words: what the plugin was doing, how it ended, what it printed last.
    pub(super) fn why(&self, request: &Request, ended: Option<ExitStatus>, last: &str) -> String {
        let what = match self {
            Silence::TimeUp(deadline) => format!("it gave no answer within {} s", deadline.as_secs_f64()),
            Silence::TooMuch => format!("it printed more than {} bytes", printed::LIMIT),
            Silence::Nonsense(why) => format!("its process wrote no answer: {why}"),
            Silence::Ended => {
                let how = ended.map_or_else(|| "closed its answer".to_owned(), os::how);
                format!("its process {how} before it gave an answer")
            }
        };
        let last = if last.is_empty() { String::new() } else { format!("; the last it printed: {last}") };
        format!("while {}, {what}{last}", operation(request))
    }
}

/// What a plugin does for such a request.
pub(super) fn operation(request: &Request) -> String {
    match request {
        Request::Describe => "it described itself".to_owned(),
        Request::Plan(plan) => format!("it planned component `{}`", plan.component),
        Request::Schema => "it described its configuration".to_owned(),
        Request::Examples => "it gave its examples".to_owned(),
        Request::Prepare(a) => format!("it prepared action `{}` of component `{}`", a.action, a.component),
        Request::Apply(a) => format!("it applied action `{}` of component `{}`", a.action, a.component),
        Request::Undo(a) => format!("it undid action `{}` of component `{}`", a.action, a.component),
        Request::State(a) => format!("it looked at action `{}` of component `{}`", a.action, a.component),
    }
}
