//! What a plugin prints. It goes to the log, line by line, and no further.

use super::Seen;
use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

/// No plugin prints more for one answer.
pub(super) const LIMIT: usize = 64 * 1024;

/// What was printed so far.
pub(super) struct Printed {
    id: String,
    total: usize,
    /// What no line end has come for yet.
    line: Vec<u8>,
    last: String,
}

impl Printed {
    /// Of this plugin.
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), total: 0, line: Vec::new(), last: String::new() }
    }

    /// Takes more. `false`: that is too much.
    pub(super) fn take(&mut self, more: &[u8]) -> bool {
        self.total += more.len();
        for byte in more {
            match byte {
                b'\n' => self.end_line(),
                other => self.line.push(*other),
            }
        }
        self.total <= LIMIT
    }

    /// Takes what still comes within `limit`.
    pub(super) fn rest(&mut self, seen: &Receiver<Seen>, limit: Duration) {
        let until = Instant::now() + limit;
        while let Ok(more) = seen.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Seen::Printed(more) = more
                && !self.take(&more)
            {
                break;
            }
        }
        self.end_line();
    }

    /// The last line that is not empty.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim();
        if !line.is_empty() {
            match logged(line) {
                Some((level, text)) => log::log!(level, "the plugin {}: {text}", self.id),
                None => log::info!("the plugin {} printed: {line}", self.id),
            }
            line.clone_into(&mut self.last);
        }
        self.line.clear();
    }
}

/// A line that is one of the plugin's own log: it begins with its level, as the SDK writes it.
fn logged(line: &str) -> Option<(log::Level, &str)> {
    let (level, text) = line.split_once(": ")?;
    let level = match level {
        "error" => log::Level::Error,
        "warn" => log::Level::Warn,
        "info" => log::Level::Info,
        "debug" => log::Level::Debug,
        _ => return None,
    };
    Some((level, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_with_a_level_is_one_of_the_log() {
        assert_eq!(logged("warn: old: yes"), Some((log::Level::Warn, "old: yes")));
        for printed in ["", "hello", "warning: x", "Error: x", "error:x"] {
            assert_eq!(logged(printed), None, "{printed}");
        }
    }
}
