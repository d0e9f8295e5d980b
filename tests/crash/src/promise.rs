//! What a run promises, and how a test says that it was not kept: a program that says so is never run again to pass.

use std::fmt::Arguments;

/// `cargo xtask test` looks for this.
pub const BROKEN: &str = "THE PROMISE IS BROKEN";

/// Fails for a broken promise.
#[track_caller]
pub fn broken(how: Arguments<'_>) -> ! {
    panic!("{BROKEN}: {how}")
}

/// Like `assert!`, of what is promised whatever happens: files and services old or new, nothing lost, nothing elsewhere
/// touched, an exit code that is true.
#[macro_export]
macro_rules! promised {
    ($holds:expr, $($how:tt)+) => {
        if !$holds {
            $crate::promise::broken(format_args!($($how)+))
        }
    };
}
