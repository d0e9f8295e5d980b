//! What is known of a file system.

/// The file system that a folder lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its device number; only meaningful until the next boot.
    pub dev: u64,
    /// Its type as the kernel names it, such as `ext4`, `xfs`, `overlay`, `vfat`.
    pub kind: String,
    /// Bytes that may still be written, without those reserved for root.
    pub available: u64,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Whether a rename survives a power cut whole. False for ext2, FAT and ext4 without a journal; true where that
    /// cannot be found out.
    pub atomic_rename: bool,
}

/// File systems that write names in place, without a journal or copy-on-write.
const IN_PLACE: &[&str] = &["ext2", "vfat", "msdos", "fat", "exfat", "minix", "udf", "sysv", "hfs"];

/// Whether a rename on a file system of this type survives a power cut whole. `journal`: what is known of ext4's.
pub(crate) fn has_atomic_rename(kind: &str, journal: Option<bool>) -> bool {
    match kind {
        "ext4" => journal.unwrap_or(true),
        _ => !IN_PLACE.contains(&kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_journalled_or_copy_on_write_systems_rename_atomically() {
        for (kind, journal, expected) in [
            ("ext2", None, false),
            ("ext3", None, true),
            ("ext4", Some(true), true),
            ("ext4", Some(false), false),
            ("ext4", None, true),
            ("xfs", None, true),
            ("overlay", None, true),
            ("vfat", None, false),
            ("exfat", None, false),
        ] {
            assert_eq!(has_atomic_rename(kind, journal), expected, "{kind} {journal:?}");
        }
    }
}
