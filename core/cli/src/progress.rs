//! What is seen while a run goes on: bars on a terminal, plain lines elsewhere, or a stream of JSON.

use crate::{args::Json, frame::Frame, json, logging, messages, terminal, worker};
use backout_engine::Observer;
use backout_protocol::{
    Event, RunId,
    report::{ActionDoing, EVENT_SCHEMA, Phase, ServiceAction},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::{
    fs::File,
    time::{Duration, Instant},
};

/// Shows events.
#[derive(Debug)]
pub(crate) struct Progress {
    how: How,
    begun: Instant,
}

#[derive(Debug)]
enum How {
    /// To the parent, which shows it.
    Told,
    Quiet,
    Lines,
    Bar(ProgressBar),
    Stream,
}

#[derive(Serialize)]
struct Streamed<'a> {
    schema: &'static str,
    /// Milliseconds since the command began.
    at_ms: u128,
    #[serde(flatten)]
    event: &'a Event,
}

impl Progress {
    pub(crate) fn new(json: Option<Json>, quiet: bool) -> Self {
        let how = match (json, quiet) {
            _ if worker::parent().is_some() => How::Told,
            (Some(Json::Stream), _) => How::Stream,
            (_, true) | (Some(Json::Result), _) => How::Quiet,
            (None, false) if terminal::err_is_terminal() => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}") {
                    bar.set_style(style);
                }
                How::Bar(bar)
            }
            (None, false) => How::Lines,
        };
        Self { how, begun: Instant::now() }
    }
}

impl Observer for Progress {
    fn begun(&self, run: &RunId, log: Option<File>) {
        if let How::Told = self.how {
            worker::tell(&Frame::Begun(run.clone()));
        }
        if let Some(file) = log {
            logging::keep_in(file);
        }
    }

    fn event(&self, event: &Event) {
        // A parent is told by a worker that has written it down already.
        logging::event(event);
        match &self.how {
            How::Told => worker::tell(&Frame::Event(event.clone())),
            // What somebody has to answer is told whatever is said.
            How::Quiet if matches!(event, Event::AwaitingConfirm { .. }) => {
                terminal::err(&words(event).unwrap_or_default());
            }
            How::Quiet => {}
            How::Stream => {
                let at_ms = self.begun.elapsed().as_millis();
                terminal::out(&json::line(&Streamed { schema: EVENT_SCHEMA, at_ms, event }));
            }
            How::Lines => {
                if let Some(line) = words(event) {
                    terminal::err(&line);
                }
            }
            How::Bar(bar) => {
                if let Event::Staged { done, total, target } | Event::Swapped { done, total, target } = event
                {
                    bar.set_length(*total);
                    bar.set_position(*done);
                    bar.set_message(target.clone());
                    if done == total {
                        bar.reset();
                    }
                }
                if let Some(line) = words(event) {
                    bar.suspend(|| terminal::err(&line));
                }
            }
        }
    }
}

/// An event in one line; single files only show in a bar.
pub(crate) fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::Phase { phase } => match phase {
            Phase::Preflight => "checking".to_owned(),
            Phase::Stage => "staging new files beside their targets".to_owned(),
            Phase::Quiesce => "stopping services".to_owned(),
            Phase::Swap => "swapping files".to_owned(),
            Phase::Resume => "starting services".to_owned(),
            Phase::Health => "looking whether all is well".to_owned(),
            Phase::Commit => "making it final".to_owned(),
            Phase::Recover => "settling an unfinished run".to_owned(),
            Phase::Install => "the installer runs".to_owned(),
            Phase::Judge => "looking whether the installer's work is whole".to_owned(),
        },
        Event::Service { service, action } => match action {
            ServiceAction::Stopping => format!("  stopping {service}"),
            ServiceAction::Stopped => format!("  stopped  {service}"),
            ServiceAction::Starting => format!("  starting {service}"),
            ServiceAction::Started => format!("  started  {service}"),
        },
        Event::Action { component, action, doing } => {
            let doing = match doing {
                ActionDoing::Applying => "applying",
                ActionDoing::Applied => "applied ",
                ActionDoing::Undoing => "undoing ",
                ActionDoing::Undone => "undone  ",
            };
            format!("  {doing} {action} of {component}")
        }
        Event::Waiting { images } => format!("  waiting for {} to be gone", images.join(", ")),
        Event::Log { line } => line.clone(),
        Event::AwaitingConfirm { run, left_s, until } => {
            messages::confirm::waits(run, Duration::from_secs(*left_s), *until)
        }
        Event::Unwinding => "putting everything back".to_owned(),
        _ => return None,
    })
}
