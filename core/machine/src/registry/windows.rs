//! Windows: both views, as a 32-bit product on a 64-bit system writes to the one that 64-bit programs do not see.

use super::RegistryText;
use std::ffi::OsString;
use winreg::{
    RegKey,
    enums::{HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_32KEY, KEY_WOW64_64KEY},
};

pub(super) fn texts(key: &str, value: &str) -> Vec<RegistryText> {
    let machine = RegKey::predef(HKEY_LOCAL_MACHINE);
    let views = [(KEY_WOW64_64KEY, "64-bit view"), (KEY_WOW64_32KEY, "32-bit view")];
    let read = |(view, words): (u32, &str)| {
        let text = machine
            .open_subkey_with_flags(key, KEY_READ | view)
            .ok()?
            .get_value::<OsString, _>(value)
            .ok()?;
        Some(RegistryText { name: format!(r"HKLM\{key}\{value} ({words})"), text })
    };
    let mut found: Vec<RegistryText> = views.into_iter().filter_map(read).collect();
    // Where both views are the same key, or hold the same, it is said once.
    found.dedup_by(|a, b| a.text == b.text);
    found
}
