//! Windows Installer: what it does is done by a service, which is none of an installer's own processes.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

/// Whether Windows Installer is installing, removing or patching anything now, whoever asked for it. It does one at a time. Where
/// we may not ask it is not.
pub fn is_at_work() -> bool {
    os::is_at_work()
}
