//! `backout`: takes a server back to the state before a patch. This crate alone prints, exits and reads the
//! environment; what it says is in `messages`, what it does is in the engine.

mod again;
mod answer;
mod args;
mod command;
mod events;
mod exit_code;
mod frame;
mod given;
mod json;
mod logging;
mod messages;
mod output;
mod parent;
mod progress;
mod request;
mod service;
mod session;
mod signals;
mod stanza;
mod terminal;
mod worker;

use answer::Answer;
use args::{Asking, Cli, Json, Verb};
use clap::Parser;
use frame::Frame;
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
    backout_machine::stdio::keep_to_ourselves();
    let mut msi = false;
    let (answer, how) = match Cli::try_parse() {
        Ok(cli) => {
            start_log(&cli);
            // What runs in a plugin's process, or is the demo's service, is a program that was started.
            if !matches!(cli.verb, Verb::PluginHost | Verb::DemoService { .. }) {
                backout_machine::open_files::raise();
            }
            msi = cli.global.msi_codes;
            let how = cli.global.json.or_else(wants_json);
            if let Some(asking) = cli.global.worker {
                return work(cli, asking);
            }
            let told = events::wanted(&cli.verb);
            let run = catch_unwind(AssertUnwindSafe(|| {
                if let Some(answer) = service::run(&cli) {
                    return answer;
                }
                let by_worker = parent::wanted(&cli).then(|| parent::run(&cli)).flatten();
                by_worker.unwrap_or_else(|| command::run(cli))
            }));
            let answer = run.unwrap_or_else(|_| bug());
            if let Some(verb) = told {
                events::report(verb, &answer);
            }
            (answer, how)
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
    leave(answer.print(how), msi)
}

/// Ends the process. Everything is printed and closed.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the binary's main; `ExitCode` takes no code above 255"
)]
fn leave(code: u8, msi: bool) -> ExitCode {
    match exit_code::of_process(code, msi) {
        long if long > i32::from(u8::MAX) => std::process::exit(long),
        _ => ExitCode::from(code),
    }
}

/// Carries the call out for a parent, which prints the answer.
fn work(cli: Cli, asking: Asking) -> ExitCode {
    if let Err(e) = worker::connect(asking) {
        log::error!("the process that would show what is done cannot be told of it: {e}");
        return ExitCode::from(exit_code::BUG);
    }
    let (frame, code) = match catch_unwind(AssertUnwindSafe(|| command::run(cli))) {
        Ok(answer) => {
            let code = answer.result.exit_code;
            (Frame::Answer(Box::new(answer)), code)
        }
        Err(_) => (Frame::Panicked(panicked()), exit_code::BUG),
    };
    worker::tell(&frame);
    ExitCode::from(code)
}

/// What the last panic said.
fn panicked() -> String {
    PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

fn start_log(cli: &Cli) {
    let level = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => log::LevelFilter::Error,
        (false, 0) => log::LevelFilter::Warn,
        (false, 1) => log::LevelFilter::Info,
        (false, _) => log::LevelFilter::Trace,
    };
    logging::start(level);
}

fn bug() -> Answer {
    Answer::error(exit_code::BUG, backout_protocol::Outcome::Stuck, messages::usage::bug(&panicked()))
}

/// A command line that cannot be understood; `None`: help or version was asked for.
fn misread(error: &clap::Error) -> Option<(Answer, Option<Json>)> {
    use clap::error::ErrorKind as K;
    if matches!(error.kind(), K::DisplayHelp | K::DisplayVersion) {
        return None;
    }
    if error.kind() == K::DisplayHelpOnMissingArgumentOrSubcommand {
        return Some((Answer::usage(messages::usage::usage("no command is given")), wants_json()));
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
