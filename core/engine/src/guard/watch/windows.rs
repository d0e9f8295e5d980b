//! Windows: what lies where, on whatever drive.

use backout_protocol::NameRule;
use std::{
    ffi::OsStr,
    path::{Component, Path},
};

/// How names compare in folders that no profile speaks of.
pub(super) const NAMES: NameRule = NameRule::Folded;

/// Folders that the whole system lives by: what others change in them meanwhile would go back with the installer's work.
pub(super) const SYSTEM: [&str; 18] = [
    "$recycle.bin",
    "boot",
    "efi",
    "programdata",
    "programdata/microsoft",
    "program files/common files",
    "program files (x86)/common files",
    "program files/windowsapps",
    "recovery",
    "system volume information",
    "users",
    "windows",
    "windows/assembly",
    "windows/installer",
    "windows/system32",
    "windows/syswow64",
    "windows/temp",
    "windows/winsxs",
];
/// There is nothing that the kernel makes up.
pub(super) const KERNEL: [&str; 0] = [];
/// Folders that hold more than one product, as a rule.
pub(super) const WIDE: [&str; 4] =
    ["inetpub", "program files", "program files (x86)", "windows/system32/drivers"];

/// Whether the folder is this one.
pub(super) fn is(folder: &Path, known: &str) -> bool {
    let mut names = folder.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let same = |name: &str| names.next().is_some_and(|own| NAMES.same(own, OsStr::new(name)));
    known.split('/').all(same) && folder.components().count() == known.split('/').count() + 2
}
