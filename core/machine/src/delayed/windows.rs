//! Windows: two values of the session manager's key.
#![expect(unsafe_code, reason = "the system's calls")]

use std::io;
use windows_sys::Win32::{Foundation::ERROR_SUCCESS, System::Registry::RegFlushKey};
use winreg::{
    RegKey, RegValue,
    enums::{HKEY_LOCAL_MACHINE, KEY_QUERY_VALUE, KEY_SET_VALUE, KEY_WOW64_64KEY, REG_MULTI_SZ},
};

const KEY: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager";

/// Whether the system has such a queue.
pub fn is_there() -> bool {
    true
}

fn key(access: u32) -> io::Result<RegKey> {
    RegKey::predef(HKEY_LOCAL_MACHINE).open_subkey_with_flags(KEY, access | KEY_WOW64_64KEY)
}

pub(super) fn read(queue: &str) -> io::Result<Option<Vec<u8>>> {
    match key(KEY_QUERY_VALUE)?.get_raw_value(queue) {
        Ok(value) if value.vtype == REG_MULTI_SZ => Ok(Some(value.bytes.to_vec())),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no list of texts")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Durable when it returns: if the power goes before, the queue is as it was.
pub(super) fn write(queue: &str, bytes: Option<&[u8]>) -> io::Result<()> {
    let key = key(KEY_QUERY_VALUE | KEY_SET_VALUE)?;
    match bytes {
        Some(bytes) => {
            key.set_raw_value(queue, &RegValue { bytes: bytes.to_vec().into(), vtype: REG_MULTI_SZ })?
        }
        None => match key.delete_value(queue) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        },
    }
    // SAFETY: the key is open.
    match unsafe { RegFlushKey(key.raw_handle().cast()) } {
        ERROR_SUCCESS => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}
