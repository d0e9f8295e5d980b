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

/// How long ago this boot was, sleep included: a clock that nobody sets.
///
/// # Errors
/// The system's.
pub fn since_boot() -> std::io::Result<std::time::Duration> {
    os::since_boot()
}

/// The user whose rights count, by number; `None` where users have no numbers.
pub fn effective_uid() -> Option<u32> {
    os::effective_uid()
}

/// Whether we may do anything here. `false` where that cannot be told.
pub fn is_root() -> bool {
    os::is_root()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_since_the_boot_only_grows() {
        let before = super::since_boot().unwrap();
        assert!(!before.is_zero() && super::since_boot().unwrap() >= before);
    }

    #[test]
    fn one_boot_has_one_id() {
        let id = super::boot_id().unwrap();
        assert!(id.len() >= 16 && id.chars().any(|c| c != '0'), "{id}");
        assert_eq!(id, super::boot_id().unwrap());
    }
}
