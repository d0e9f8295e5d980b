//! Which boot this is, and who we are.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

/// Names this boot of the machine: another value after each restart.
///
/// Fails where the system gives no such name.
pub fn boot_id() -> std::io::Result<String> {
    os::boot_id()
}

/// The user whose rights count, by number; `None` where users have no numbers.
pub fn effective_uid() -> Option<u32> {
    os::effective_uid()
}

/// Whether we may do anything here. `false` where that cannot be told.
pub fn is_root() -> bool {
    effective_uid() == Some(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn one_boot_has_one_id() {
        let id = super::boot_id().unwrap();
        assert_eq!(id.len(), 36, "{id}");
        assert_eq!(id, super::boot_id().unwrap());
    }
}
