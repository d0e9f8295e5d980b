//! The log: on standard error as -q and -v say, and whole in the file of the run that goes on.

use crate::{frame::Frame, progress::words, terminal::harmless, worker};
use backout_protocol::Event;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::{
    fs::File,
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// What the file of a run holds, whatever is shown.
const KEPT: LevelFilter = LevelFilter::Debug;

/// The file of the run that goes on.
static FILE: Mutex<Option<File>> = Mutex::new(None);

/// Both places.
struct Tee(env_logger::Logger);

impl Log for Tee {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= KEPT || self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.0.matches(record) {
            match worker::parent() {
                Some(_) => worker::tell(&Frame::Log {
                    level: record.level().to_string(),
                    target: record.target().to_owned(),
                    text: record.args().to_string(),
                }),
                None => self.0.log(record),
            }
        }
        if record.level() <= KEPT {
            line(&format!("{} {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// A line of a worker's log.
pub(crate) fn of_worker(level: &str, target: &str, text: &str) {
    let level = level.parse().unwrap_or(Level::Warn);
    log::logger().log(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
}

/// Starts logging. `shown`: what goes to standard error.
pub(crate) fn start(shown: LevelFilter) {
    let harmless_line = |to: &mut env_logger::fmt::Formatter, record: &Record<'_>| {
        let (at, level, target) = (to.timestamp_millis(), record.level(), record.target());
        writeln!(to, "[{at} {level} {target}] {}", harmless(&record.args().to_string()))
    };
    let shown = env_logger::Builder::new().filter_level(shown).format(harmless_line).build();
    let most = shown.filter().max(KEPT);
    // A second logger is impossible here; if there were one, it would do.
    if log::set_boxed_logger(Box::new(Tee(shown))).is_ok() {
        log::set_max_level(most);
    }
}

/// From now on everything goes to this file too.
pub(crate) fn keep_in(file: File) {
    *kept() = Some(file);
}

/// One event of the run, for its file alone; single files too.
pub(crate) fn event(event: &Event) {
    match event {
        Event::Staged { done, total, target } => line(&format!("  staged {done} of {total}: {target}")),
        Event::Swapped { done, total, target } => line(&format!("  swapped {done} of {total}: {target}")),
        other => {
            if let Some(words) = words(other) {
                line(&words);
            }
        }
    }
}

/// One line of the run's file. A full disk changes nothing.
pub(crate) fn line(text: &str) {
    if let Some(file) = kept().as_mut() {
        let text = harmless(text).replace('\n', "\n    ");
        let _ = file.write_all(format!("{} {text}\n", when(now())).as_bytes());
    }
}

fn kept() -> MutexGuard<'static, Option<File>> {
    FILE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// A moment as people and programs read it, in UTC: `2026-01-31T03:00:00.000Z`.
pub(crate) fn when(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| ms.to_string(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_moment_is_told_in_utc() {
        assert_eq!(super::when(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(super::when(1_767_225_600_007), "2026-01-01T00:00:00.007Z");
        assert_eq!(super::when(u64::MAX), u64::MAX.to_string());
    }
}
