//! `backout`: takes a server back to the state before a patch. This crate alone prints, exits and reads the
//! environment; what it says is in `messages`, what it does is in the engine.

mod answer;
mod args;
mod command;
mod exit_code;
mod given;
mod json;
mod messages;
mod progress;
mod session;
mod signals;
mod terminal;

use answer::Answer;
use args::{Cli, Json};
use clap::Parser;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Mutex,
};

/// What a panic said, for the one message about it.
static PANIC: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string().replace('\n', " ");
        PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone_from(&text);
        // The one answer tells it; here it is only for those who ask for everything.
        log::debug!("{text}");
    }));
    let (answer, how) = match Cli::try_parse() {
        Ok(cli) => {
            logging(&cli);
            let how = cli.global.json.or_else(wants_json);
            let run = catch_unwind(AssertUnwindSafe(|| command::run(cli)));
            (run.unwrap_or_else(|_| bug()), how)
        }
        Err(e) => match misread(&e) {
            Some(answer) => answer,
            // Help and version are what was asked for.
            None => {
                let text = e.render().to_string();
                let data = serde_json::json!({ "help": text });
                (Answer::read(text, data), wants_json())
            }
        },
    };
    ExitCode::from(answer.print(how))
}

fn logging(cli: &Cli) {
    let level = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => log::LevelFilter::Error,
        (false, 0) => log::LevelFilter::Warn,
        (false, 1) => log::LevelFilter::Info,
        (false, _) => log::LevelFilter::Trace,
    };
    // A second logger is impossible here; if there were one, it would do.
    let _ = env_logger::Builder::new().filter_level(level).format_timestamp_millis().try_init();
}

fn bug() -> Answer {
    let why = PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    Answer::error(exit_code::BUG, backout_protocol::Outcome::Stuck, messages::usage::bug(&why))
}

/// A command line that cannot be understood; `None`: help or version was asked for.
fn misread(error: &clap::Error) -> Option<(Answer, Option<Json>)> {
    use clap::error::ErrorKind as K;
    if matches!(error.kind(), K::DisplayHelp | K::DisplayVersion) {
        return None;
    }
    if error.kind() == K::DisplayHelpOnMissingArgumentOrSubcommand {
        return Some((Answer::usage(messages::usage::usage("no command is given")), None));
    }
    let text = error.render().to_string();
    let text = text.split(" [subcommands:").next().unwrap_or(&text).to_owned();
    let first: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).take(2).collect();
    let why = first.join(" ").trim_start_matches("error: ").to_owned();
    Some((Answer::usage(messages::usage::usage(&why)), wants_json()))
}

/// Whether JSON was asked for, told from the words themselves: a command line that cannot be understood, and whatever
/// follows a verb that is not in this version, must still be answered in JSON. What follows `--` is not ours.
fn wants_json() -> Option<Json> {
    let mut words = std::env::args_os().skip(1).take_while(|word| word != "--");
    words
        .any(|word| word == "--json" || word.to_string_lossy().starts_with("--json="))
        .then_some(Json::Result)
}
