//! What plugin code logs (crate `log`) becomes lines on standard error, which the host takes into its own log.
//!
//! A line begins with its level, so that the host can give it the same. Only so much is written: a plugin that prints
//! more than the host takes is ended, and nobody's plan is to fail for a log.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::{
    io::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many bytes of log are written for one process; the host takes 64 KiB, and what the plugin prints itself counts too.
const MOST: usize = 32 * 1024;

static LOGGER: Lines = Lines { written: AtomicUsize::new(0) };

struct Lines {
    written: AtomicUsize,
}

/// Takes what is logged from now on, unless somebody does already.
pub(crate) fn start() {
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = line(record.level(), &record.args().to_string());
        let before = self.written.fetch_add(line.len(), Ordering::Relaxed);
        if before + line.len() <= MOST {
            // Nobody listens: then nobody misses it.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

fn line(level: Level, text: &str) -> String {
    format!("{}: {}\n", level.as_str().to_ascii_lowercase(), text.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_record_is_one_line_that_begins_with_its_level() {
        assert_eq!(super::line(log::Level::Warn, "a\nb"), "warn: a b\n");
    }
}
