//! Links of the real registry, as no tool of the system makes them.
#![expect(unsafe_code, reason = "the system's calls")]

use std::ptr;
use windows_sys::Win32::{
    Foundation::{ERROR_SUCCESS, HANDLE, NTSTATUS},
    System::Registry::{
        HKEY, HKEY_LOCAL_MACHINE, KEY_ALL_ACCESS, REG_LINK, REG_OPTION_CREATE_LINK, RegCloseKey,
        RegCreateKeyExW, RegSetValueExW,
    },
};

#[link(name = "ntdll")]
unsafe extern "system" {
    /// Removes an open key: by its name that would be the key which a link leads to.
    fn NtDeleteKey(key: HANDLE) -> NTSTATUS;
}

/// A key below `HKEY_LOCAL_MACHINE` that is a link. It goes with this.
#[derive(Debug)]
pub struct Link(HKEY);

impl Link {
    /// Makes the key at one path a link to that at another, both below the hive.
    pub fn new(at: &str, to: &str) -> Self {
        let path: Vec<u16> = at.encode_utf16().chain([0]).collect();
        let to: Vec<u8> =
            format!(r"\Registry\Machine\{to}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let name: Vec<u16> = "SymbolicLinkValue\0".encode_utf16().collect();
        let mut key = ptr::null_mut();
        // SAFETY: path and name end with a NUL, the value is as long as is said, and what is null is not asked for.
        unsafe {
            let made = RegCreateKeyExW(
                HKEY_LOCAL_MACHINE,
                path.as_ptr(),
                0,
                ptr::null(),
                REG_OPTION_CREATE_LINK,
                KEY_ALL_ACCESS,
                ptr::null(),
                &mut key,
                ptr::null_mut(),
            );
            assert_eq!(made, ERROR_SUCCESS, "{at}");
            let link = Self(key);
            let set = RegSetValueExW(key, name.as_ptr(), 0, REG_LINK, to.as_ptr(), to.len() as u32);
            assert_eq!(set, ERROR_SUCCESS, "{at}");
            link
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody else's.
        unsafe {
            NtDeleteKey(self.0);
            RegCloseKey(self.0);
        }
    }
}
