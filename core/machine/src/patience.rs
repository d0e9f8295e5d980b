//! How long one waits, and how one is called off while waiting.

use std::time::{Duration, Instant};

/// How long an operation may take, and who may call it off.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// How long.
    pub limit: Duration,
    /// Looked at before each pause; once it says `true` the operation ends as cancelled.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Patience<'a> {
    /// Waits for `limit`, unless `cancelled` says otherwise.
    pub fn new(limit: Duration, cancelled: &'a dyn Fn() -> bool) -> Self {
        Self { limit, cancelled }
    }

    /// Waits for `limit`, whatever happens.
    pub fn firm(limit: Duration) -> Patience<'static> {
        Patience { limit, cancelled: &|| false }
    }

    /// Starts the clock. Pauses grow from `first` to `longest`.
    pub(crate) fn begin(&self, first: Duration, longest: Duration) -> Wait<'a> {
        // A limit beyond what the clock can count is no limit.
        let until = Instant::now().checked_add(self.limit);
        Wait { until, cancelled: self.cancelled, pause: first, longest }
    }
}

/// A wait that has begun.
pub(crate) struct Wait<'a> {
    until: Option<Instant>,
    cancelled: &'a dyn Fn() -> bool,
    pause: Duration,
    longest: Duration,
}

/// What a pause ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Look again.
    Again,
    /// The limit has passed.
    TimeUp,
    /// Called off.
    Cancelled,
}

impl<'a> Wait<'a> {
    /// What is left of the limit.
    pub(crate) fn left(&self) -> Duration {
        self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
    }

    /// What is left, as a patience of its own, but at least `least`.
    pub(crate) fn rest(&self, least: Duration) -> Patience<'a> {
        Patience { limit: self.left().max(least), cancelled: self.cancelled }
    }

    /// Pauses once, unless the wait is over.
    pub(crate) fn pause(&mut self) -> Look {
        if (self.cancelled)() {
            return Look::Cancelled;
        }
        let left = self.left();
        if left.is_zero() {
            return Look::TimeUp;
        }
        std::thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 2).min(self.longest);
        Look::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_wait_ends_at_its_limit_and_when_it_is_called_off() {
        assert_eq!(Patience::firm(Duration::ZERO).begin(MS, MS).pause(), Look::TimeUp);
        let looks = Cell::new(0);
        let cancelled = || looks.replace(looks.get() + 1) == 2;
        let mut wait = Patience::new(Duration::MAX, &cancelled).begin(MS, MS);
        assert_eq!([wait.pause(), wait.pause(), wait.pause()], [Look::Again, Look::Again, Look::Cancelled]);
    }
}
