//! Processes that tests end and wait for.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

#[cfg(unix)]
pub use system::signal;
pub use system::{is_there, kill, parent};

/// Waits until a process is gone.
pub fn gone(pid: u32) {
    while is_there(pid) {
        std::thread::yield_now();
    }
}
