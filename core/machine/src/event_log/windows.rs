//! The event log of Windows.
#![expect(unsafe_code, reason = "the system's calls")]

use super::{Kind, SOURCE};
use std::{io, ptr};
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};
use winreg::{
    RegKey,
    enums::{HKEY_LOCAL_MACHINE, KEY_READ, RegType},
    types::ToRegValue,
};

/// Where the log's sources are.
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
/// Its messages 1 to 1000 are each the event's own text. It is part of every Windows, so no library of ours is held
/// open by whoever reads the log.
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";
/// Longer texts are not taken.
const LONGEST: usize = 31_000;

pub(super) fn register() -> io::Result<()> {
    let (key, _) = RegKey::predef(HKEY_LOCAL_MACHINE).create_subkey(format!(r"{SOURCES}\{SOURCE}"))?;
    let mut file = MESSAGES.to_reg_value();
    file.vtype = RegType::REG_EXPAND_SZ;
    key.set_raw_value("EventMessageFile", &file)?;
    key.set_value("TypesSupported", &7u32)
}

fn is_registered() -> bool {
    let key = format!(r"{SOURCES}\{SOURCE}");
    RegKey::predef(HKEY_LOCAL_MACHINE).open_subkey_with_flags(key, KEY_READ).is_ok()
}

pub(super) fn report(kind: Kind, id: u16, text: &str) -> io::Result<()> {
    if !is_registered() {
        return Ok(());
    }
    let kind = match kind {
        Kind::Information => EVENTLOG_INFORMATION_TYPE,
        Kind::Warning => EVENTLOG_WARNING_TYPE,
        Kind::Error => EVENTLOG_ERROR_TYPE,
    };
    let wide = |text: &str| text.encode_utf16().take(LONGEST).chain([0]).collect::<Vec<u16>>();
    let (source, text) = (wide(SOURCE), wide(text));
    let texts = [text.as_ptr()];
    // SAFETY: texts end with a NUL, their number is told; the handle is closed once.
    unsafe {
        let log = RegisterEventSourceW(ptr::null(), source.as_ptr());
        if log.is_null() {
            return Err(io::Error::last_os_error());
        }
        let none = ptr::null_mut();
        let done = ReportEventW(log, kind, 0, id.into(), none, 1, 0, texts.as_ptr(), ptr::null());
        let failed = io::Error::last_os_error();
        DeregisterEventSource(log);
        if done == 0 { Err(failed) } else { Ok(()) }
    }
}
