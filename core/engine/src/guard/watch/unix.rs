//! Linux: what lies where, as the hierarchy standard has it.

use backout_protocol::NameRule;
use std::path::Path;

/// How names compare in folders that no profile speaks of.
pub(super) const NAMES: NameRule = NameRule::Exact;

/// Folders that the whole system lives by: what others change in them meanwhile would go back with the installer's work.
pub(super) const SYSTEM: [&str; 27] = [
    "bin",
    "boot",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "run",
    "sbin",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib32",
    "usr/lib64",
    "usr/libexec",
    "usr/sbin",
    "usr/share",
    "usr/lib/systemd/system",
    "var",
    "var/cache",
    "var/lib",
    "var/log",
    "var/run",
    "var/spool",
    "var/tmp",
];
/// File systems that the kernel makes up.
pub(super) const KERNEL: [&str; 3] = ["dev", "proc", "sys"];
/// Folders that hold more than one product, as a rule.
pub(super) const WIDE: [&str; 9] =
    ["media", "mnt", "opt", "root", "srv", "usr/local", "usr/local/bin", "usr/local/lib", "var/opt"];

/// Whether the folder is this one.
pub(super) fn is(folder: &Path, known: &str) -> bool {
    folder == Path::new("/").join(known)
}
