//! One open key, and the system's calls on it. Names are taken as they are, or not at all: what was changed on the way would go
//! back under another name.
#![expect(unsafe_code, reason = "the system's calls")]

use backout_protocol::registry::{Value, View};
use std::{io, ptr};
use windows_sys::Win32::{
    Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS},
    System::Registry::{
        HKEY, HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_32KEY, KEY_WOW64_64KEY, KEY_WRITE,
        REG_OPTION_NON_VOLATILE, REG_OPTION_OPEN_LINK, RegCloseKey, RegCreateKeyExW, RegDeleteKeyExW,
        RegDeleteValueW, RegEnumKeyExW, RegEnumValueW, RegFlushKey, RegOpenKeyExW, RegSetValueExW,
    },
};

/// Windows' own limits of names, in characters, and one for the NUL.
const KEY_NAME: usize = 256;
const VALUE_NAME: usize = 16_384;

/// An open key.
pub(super) struct Key(HKEY);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: it is open and nobody else's.
        unsafe { RegCloseKey(self.0) };
    }
}

fn flag(view: View) -> u32 {
    match view {
        View::Bits64 => KEY_WOW64_64KEY,
        View::Bits32 => KEY_WOW64_32KEY,
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn done(code: u32) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// That it is not there is no error.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(it) => Ok(Some(it)),
        Err(e) if e.raw_os_error() == Some(ERROR_FILE_NOT_FOUND.cast_signed()) => Ok(None),
        Err(e) => Err(e),
    }
}

/// A name as text.
fn name(units: &[u16]) -> io::Result<String> {
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "a name is no text");
    match String::from_utf16(units) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(odd()),
    }
}

impl Key {
    /// Opens a key of the machine; `None`: it is not there.
    pub(super) fn open(view: View, path: &str) -> io::Result<Option<Self>> {
        Self::open_for(view, path, KEY_READ)
    }

    /// The same, to be changed.
    pub(super) fn open_to_change(view: View, path: &str) -> io::Result<Option<Self>> {
        Self::open_for(view, path, KEY_READ | KEY_WRITE)
    }

    fn open_for(view: View, path: &str, access: u32) -> io::Result<Option<Self>> {
        let (path, mut key) = (wide(path), ptr::null_mut());
        // SAFETY: the path ends with a NUL; the key is written where it was opened. A link is not followed.
        let opened = done(unsafe {
            RegOpenKeyExW(
                HKEY_LOCAL_MACHINE,
                path.as_ptr(),
                REG_OPTION_OPEN_LINK,
                access | flag(view),
                &mut key,
            )
        });
        there(opened).map(|opened| opened.map(|()| Self(key)))
    }

    /// Makes a key with those above it, or opens it.
    pub(super) fn make(view: View, path: &str) -> io::Result<Self> {
        let (path, mut key, null) = (wide(path), ptr::null_mut(), ptr::null());
        let access = KEY_READ | KEY_WRITE | flag(view);
        // SAFETY: the path ends with a NUL; what is null is not asked for.
        done(unsafe {
            RegCreateKeyExW(
                HKEY_LOCAL_MACHINE,
                path.as_ptr(),
                0,
                null,
                REG_OPTION_NON_VOLATILE,
                access,
                ptr::null(),
                &mut key,
                ptr::null_mut(),
            )
        })
        .map(|()| Self(key))
    }

    /// Takes a key away that has no keys in it, with its values.
    pub(super) fn remove(view: View, path: &str) -> io::Result<()> {
        let path = wide(path);
        // SAFETY: the path ends with a NUL.
        let removed = done(unsafe { RegDeleteKeyExW(HKEY_LOCAL_MACHINE, path.as_ptr(), flag(view), 0) });
        there(removed).map(|_| ())
    }

    /// The names of the keys in it.
    pub(super) fn keys(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut buffer = vec![0u16; KEY_NAME];
        loop {
            let (mut len, null) = (buffer.len() as u32, ptr::null_mut());
            // SAFETY: the buffer is as long as is said; what is null is not asked for.
            let found = done(unsafe {
                RegEnumKeyExW(
                    self.0,
                    names.len() as u32,
                    buffer.as_mut_ptr(),
                    &mut len,
                    ptr::null(),
                    null,
                    null.cast(),
                    ptr::null_mut(),
                )
            });
            match found {
                Ok(()) => names.push(name(&buffer[..len as usize])?),
                Err(e) if e.raw_os_error() == Some(ERROR_NO_MORE_ITEMS.cast_signed()) => return Ok(names),
                Err(e) => return Err(e),
            }
        }
    }

    /// Gives `take` every value, whose answer may end it.
    pub(super) fn values<E: From<io::Error>>(
        &self,
        mut take: impl FnMut(String, Value) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = vec![0u16; VALUE_NAME];
        let mut bytes = vec![0u8; 4096];
        let mut number = 0;
        loop {
            let (mut len, mut kind, mut size) = (buffer.len() as u32, 0, bytes.len() as u32);
            // SAFETY: both buffers are as long as is said.
            let found = done(unsafe {
                RegEnumValueW(
                    self.0,
                    number,
                    buffer.as_mut_ptr(),
                    &mut len,
                    ptr::null(),
                    &mut kind,
                    bytes.as_mut_ptr(),
                    &mut size,
                )
            });
            match found {
                Ok(()) => {
                    let value = Value { kind, bytes: bytes[..size as usize].to_vec() };
                    take(name(&buffer[..len as usize])?, value)?;
                    number += 1;
                }
                // Somebody may make it longer again meanwhile.
                Err(e) if e.raw_os_error() == Some(ERROR_MORE_DATA.cast_signed()) => {
                    let wanted = (size as usize).max(bytes.len() * 2);
                    if wanted > super::LIMITS.bytes * 2 {
                        return Err(e.into());
                    }
                    bytes.resize(wanted, 0);
                }
                Err(e) if e.raw_os_error() == Some(ERROR_NO_MORE_ITEMS.cast_signed()) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    pub(super) fn set(&self, name: &str, value: &Value) -> io::Result<()> {
        let (name, size) = (wide(name), value.bytes.len() as u32);
        // Where there are none, what Rust points to is no address that the system takes.
        let bytes = if size == 0 { ptr::null() } else { value.bytes.as_ptr() };
        // SAFETY: the name ends with a NUL; the bytes are as many as is said.
        done(unsafe { RegSetValueExW(self.0, name.as_ptr(), 0, value.kind, bytes, size) })
    }

    pub(super) fn unset(&self, name: &str) -> io::Result<()> {
        let name = wide(name);
        // SAFETY: the name ends with a NUL.
        there(done(unsafe { RegDeleteValueW(self.0, name.as_ptr()) })).map(|_| ())
    }

    /// What was changed in it and below it is on the medium.
    pub(super) fn flush(&self) -> io::Result<()> {
        // SAFETY: the key is open.
        done(unsafe { RegFlushKey(self.0) })
    }
}
