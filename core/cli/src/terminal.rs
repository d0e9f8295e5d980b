//! The only place that writes to the terminal. A closed one changes nothing: errors are ignored, never a panic.
//! In a worker all of it is told to the parent instead.

use crate::{
    args::Asking,
    frame::{Frame, YES},
    worker,
};
use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::mpsc,
    time::Duration,
};

/// Writes one line to standard output.
pub(crate) fn out(line: &str) {
    if worker::parent().is_some() {
        return worker::tell(&Frame::Out(line.to_owned()));
    }
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", harmless(line));
    let _ = out.flush();
}

/// Writes one line to standard error.
pub(crate) fn err(line: &str) {
    if worker::parent().is_some() {
        return worker::tell(&Frame::Err(line.to_owned()));
    }
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", harmless(line));
}

/// Whether progress may draw.
pub(crate) fn err_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether a person can be asked.
pub(crate) fn can_ask() -> bool {
    match worker::parent() {
        Some(asking) => asking == Asking::Terminal,
        None => io::stdin().is_terminal() && io::stderr().is_terminal(),
    }
}

/// How often a question looks whether it was called off.
const LOOK: Duration = Duration::from_millis(50);

/// Asks a question that only `yes` answers; `None`: called off while it waited.
///
/// A thread reads the line, since a signal does not end a read: it would otherwise keep Ctrl-C waiting for Enter.
pub(crate) fn ask(question: &str, called_off: impl Fn() -> bool) -> Option<bool> {
    match worker::parent() {
        Some(_) => worker::tell(&Frame::Ask(question.to_owned())),
        None => err(question),
    }
    let (sender, answers) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer).is_ok();
        // Nobody listens any more if the question was called off.
        let _ = sender.send(read && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | YES));
    });
    loop {
        let answer = answers.recv_timeout(LOOK);
        if called_off() {
            return None;
        }
        match answer {
            Ok(answer) => return Some(answer),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Some(false),
        }
    }
}

/// The same text without what would steer a terminal: names, commands and plugins may have put anything into it.
pub(crate) fn harmless(text: &str) -> String {
    // Marks that turn the direction of text round make a name look like another one.
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let steers = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || turns(c);
    let shown = |c: char| if steers(c) { c.escape_unicode().to_string() } else { c.to_string() };
    if text.contains(steers) { text.chars().map(shown).collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_would_steer_a_terminal_is_shown_instead() {
        assert_eq!(super::harmless("a\n\tb \u{1b}[31m\r"), "a\n\tb \\u{1b}[31m\\u{d}");
        assert_eq!(super::harmless("サーバー"), "サーバー");
        assert_eq!(super::harmless("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
    }
}
