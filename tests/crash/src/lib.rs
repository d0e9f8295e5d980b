//! Crash tests: see `tests/`.
