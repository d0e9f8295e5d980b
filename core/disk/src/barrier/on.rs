//! The environment names what is left out, and a file that every barrier passed is written to.
#![expect(
    clippy::disallowed_methods,
    reason = "only in the build that the tests make to test themselves: reads the environment, writes the list"
)]

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write,
    sync::{Mutex, PoisonError},
};

static PASSED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Whether the barrier of this name is the one.
pub fn left_out(name: impl FnOnce() -> String) -> bool {
    let name = name();
    if std::env::var("BACKOUT_LEAVE_OUT").is_ok_and(|left_out| left_out == name) {
        return true;
    }
    if let Some(list) = std::env::var_os("BACKOUT_BARRIERS") {
        let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.insert(name.clone())
            && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(list)
        {
            let _ = writeln!(file, "{name}");
        }
    }
    false
}
