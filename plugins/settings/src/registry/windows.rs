//! Windows: both views of `HKEY_LOCAL_MACHINE`.
#![expect(unsafe_code, reason = "the one call that says that a key is on the medium")]

use super::{Key, Raw, Registry};
use crate::config::View;
use backout_plugin::{failure, protocol::message::Failure};
use std::io;
use windows_sys::Win32::System::Registry::RegFlushKey;
use winreg::{
    RegKey, RegValue,
    enums::{
        HKEY_LOCAL_MACHINE, KEY_ALL_ACCESS, KEY_READ, KEY_WOW64_32KEY, KEY_WOW64_64KEY, KEY_WRITE, RegType,
    },
};

/// The registry of this machine.
#[derive(Debug)]
pub(super) struct Here;

fn flag(view: View) -> u32 {
    match view {
        View::Bits64 => KEY_WOW64_64KEY,
        View::Bits32 => KEY_WOW64_32KEY,
    }
}

fn machine() -> RegKey {
    RegKey::predef(HKEY_LOCAL_MACHINE)
}

fn said(key: &str) -> impl Fn(io::Error) -> Failure {
    move |e| failure(format!(r"`HKLM\{key}`: {e}"))
}

/// `None` where it is not there.
fn there<T>(found: io::Result<T>, key: &str) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(said(key)(e)),
    }
}

/// What was changed below it is on the medium.
fn flush(key: &RegKey) -> io::Result<()> {
    // SAFETY: the key is open.
    match unsafe { RegFlushKey(key.raw_handle() as _) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// The types that a value may have; others are not ours to write back.
const KINDS: [RegType; 12] = [
    RegType::REG_NONE,
    RegType::REG_SZ,
    RegType::REG_EXPAND_SZ,
    RegType::REG_BINARY,
    RegType::REG_DWORD,
    RegType::REG_DWORD_BIG_ENDIAN,
    RegType::REG_LINK,
    RegType::REG_MULTI_SZ,
    RegType::REG_RESOURCE_LIST,
    RegType::REG_FULL_RESOURCE_DESCRIPTOR,
    RegType::REG_RESOURCE_REQUIREMENTS_LIST,
    RegType::REG_QWORD,
];

impl Registry for Here {
    fn key(&self, view: View, key: &str) -> Result<Key, Failure> {
        let opened = machine().open_subkey_with_flags(key, KEY_READ | flag(view));
        let Some(opened) = there(opened, key)? else { return Ok(Key::Absent) };
        let holds = opened.query_info().map_err(said(key))?;
        Ok(if holds.sub_keys == 0 && holds.values == 0 { Key::Empty } else { Key::Filled })
    }

    fn read(&self, view: View, key: &str, value: &str) -> Result<Option<Raw>, Failure> {
        let opened = machine().open_subkey_with_flags(key, KEY_READ | flag(view));
        let Some(opened) = there(opened, key)? else { return Ok(None) };
        let Some(found) = there(opened.get_raw_value(value), key)? else { return Ok(None) };
        let kind = KINDS.iter().position(|kind| *kind == found.vtype).and_then(|at| u32::try_from(at).ok());
        let kind = kind.ok_or_else(|| failure(format!(r"`HKLM\{key}\{value}` is of an odd type")))?;
        Ok(Some(Raw { kind, bytes: found.bytes.to_vec() }))
    }

    fn write(&self, view: View, key: &str, value: &str, raw: &Raw) -> Result<(), Failure> {
        let kind = KINDS.get(raw.kind as usize).cloned();
        let vtype = kind.ok_or_else(|| failure(format!(r"`HKLM\{key}\{value}` has no such type")))?;
        let made = machine().create_subkey_with_flags(key, KEY_READ | KEY_WRITE | flag(view));
        let (made, _) = made.map_err(said(key))?;
        made.set_raw_value(value, &RegValue { bytes: raw.bytes.clone().into(), vtype }).map_err(said(key))?;
        flush(&made).map_err(said(key))
    }

    fn remove(&self, view: View, key: &str, value: &str) -> Result<(), Failure> {
        let opened = machine().open_subkey_with_flags(key, KEY_READ | KEY_WRITE | flag(view));
        // Gone already, perhaps by an attempt that was cut short before it was on the medium.
        let Some(opened) = there(opened, key)? else { return flush_above(view, key) };
        there(opened.delete_value(value), key)?;
        flush(&opened).map_err(said(key))
    }

    fn remove_key(&self, view: View, key: &str) -> Result<(), Failure> {
        match self.key(view, key)? {
            Key::Filled => return Ok(()),
            Key::Absent => {}
            Key::Empty => {
                there(machine().delete_subkey_with_flags(key, flag(view)), key)?;
            }
        }
        flush_above(view, key)
    }
}

/// What was taken away with `key` is on the medium: flushes the nearest key above it that is there.
fn flush_above(view: View, key: &str) -> Result<(), Failure> {
    let mut above = key;
    while let Some((parent, _)) = above.rsplit_once('\\') {
        above = parent;
        if let Some(opened) =
            there(machine().open_subkey_with_flags(above, KEY_ALL_ACCESS | flag(view)), above)?
        {
            return flush(&opened).map_err(said(above));
        }
    }
    // It was right below the machine's root, which is in no file.
    Ok(())
}
