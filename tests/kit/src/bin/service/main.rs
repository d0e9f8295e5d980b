//! A service of the system's own manager: `service HOW LIBRARY…`. It has the libraries loaded while it runs.
//!
//! The file HOW says how it behaves, read anew at each start: `refuses` to be stopped, `hangs` when it is told to,
//! `lingers` as a process behind it, `fails` at each start, `fails-once`. No file: it does as it is told.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod program;

fn main() -> std::process::ExitCode {
    program::main()
}
