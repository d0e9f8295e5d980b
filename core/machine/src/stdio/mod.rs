//! What this process was given as its input and output.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

/// Keeps it from programs that are started and get something else: whoever reads what we print waits for the end of all that
/// have it, and some of what we start outlives us.
pub fn keep_to_ourselves() {
    os::keep_to_ourselves();
}
