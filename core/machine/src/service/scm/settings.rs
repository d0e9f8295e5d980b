//! What the manager keeps of a service: its program, when it starts, what it needs.
#![expect(unsafe_code, reason = "the system's calls")]

use super::handle::{Handle, Manager, Service, done, wide};
use std::{io, ptr};
use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_SERVICE_MARKED_FOR_DELETE},
    System::{
        Registry::{HKEY, HKEY_LOCAL_MACHINE, KEY_QUERY_VALUE, RegCloseKey, RegFlushKey, RegOpenKeyExW},
        Services::{
            ChangeServiceConfig2W, ChangeServiceConfigW, CreateServiceW, DeleteService,
            QUERY_SERVICE_CONFIGW, QueryServiceConfigW, SERVICE_ALL_ACCESS, SERVICE_AUTO_START,
            SERVICE_CONFIG_DELAYED_AUTO_START_INFO, SERVICE_CONFIG_DESCRIPTION,
            SERVICE_DELAYED_AUTO_START_INFO, SERVICE_DESCRIPTIONW, SERVICE_DISABLED, SERVICE_ERROR_NORMAL,
            SERVICE_NO_CHANGE, SERVICE_WIN32_OWN_PROCESS,
        },
    },
};
use winreg::RegKey;

/// Where the manager keeps all of it.
pub(crate) const KEPT: &str = r"SYSTEM\CurrentControlSet\Services";

/// A service as the manager keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// When it starts, in the manager's number.
    pub(crate) start: u32,
    /// Its program and arguments.
    pub(crate) command: String,
    /// What kind it is, what the system does where it does not start: in the manager's numbers.
    pub(crate) kind: u32,
    pub(crate) error: u32,
    /// The account that it runs as, and the name that people see.
    pub(crate) account: String,
    pub(crate) shown: String,
}

impl Settings {
    pub(crate) fn starts_at_boot(&self) -> bool {
        self.start == SERVICE_AUTO_START
    }
    pub(crate) fn is_disabled(&self) -> bool {
        self.start == SERVICE_DISABLED
    }
}

/// What is to become other; texts as the manager takes them.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) kind: Option<u32>,
    pub(super) start: Option<u32>,
    pub(super) error: Option<u32>,
    pub(super) command: Option<Vec<u16>>,
    pub(super) needs: Option<Vec<u16>>,
    /// One that has no password.
    pub(super) account: Option<Vec<u16>>,
    pub(super) shown: Option<Vec<u16>>,
}

impl Service {
    pub(crate) fn settings(&self) -> io::Result<Settings> {
        let mut buffer = vec![0u64; 128];
        loop {
            let (size, mut needed) = (size_of_val(&buffer[..]) as u32, 0);
            // SAFETY: the buffer's size is told.
            let asked = done(unsafe {
                QueryServiceConfigW(self.handle.0, buffer.as_mut_ptr().cast(), size, &mut needed)
            });
            match asked {
                // SAFETY: on success the buffer begins with the structure, whose texts lie behind it.
                Ok(()) => return Ok(unsafe { read(&*buffer.as_ptr().cast::<QUERY_SERVICE_CONFIGW>()) }),
                Err(e)
                    if e.raw_os_error() == Some(ERROR_INSUFFICIENT_BUFFER.cast_signed()) && needed > size =>
                {
                    buffer.resize((needed as usize).div_ceil(8), 0);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// What it needs before it starts: names of services and, behind a `+`, of groups. Read where the manager keeps it:
    /// not every manager tells.
    pub(crate) fn needs(&self) -> io::Result<Vec<String>> {
        let machine = RegKey::predef(winreg::enums::HKEY_LOCAL_MACHINE);
        let kept = machine.open_subkey(format!(r"{KEPT}\{}", self.key))?;
        let read = |value: &str| match kept.get_value::<Vec<String>, _>(value) {
            Ok(all) => Ok(all.into_iter().filter(|one| !one.is_empty()).collect()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        };
        let groups = read("DependOnGroup")?.into_iter().map(|group| format!("+{group}"));
        Ok(read("DependOnService")?.into_iter().chain(groups).collect())
    }

    /// Whether it starts some time behind the boot. Read where the manager keeps it, as [`Service::needs`].
    pub(crate) fn is_delayed(&self) -> io::Result<bool> {
        let machine = RegKey::predef(winreg::enums::HKEY_LOCAL_MACHINE);
        match machine.open_subkey(format!(r"{KEPT}\{}", self.key))?.get_value::<u32, _>("DelayedAutostart") {
            Ok(delayed) => Ok(delayed != 0),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Makes it start some time behind the boot, or with it.
    pub(crate) fn set_delayed(&self, delayed: bool) -> io::Result<()> {
        let info = SERVICE_DELAYED_AUTO_START_INFO { fDelayedAutostart: delayed.into() };
        // SAFETY: the structure is the one this class takes.
        done(unsafe {
            let class = SERVICE_CONFIG_DELAYED_AUTO_START_INFO;
            ChangeServiceConfig2W(self.handle.0, class, (&raw const info).cast())
        })
    }

    /// Sets what it needs before it starts; nothing else of it changes.
    pub(crate) fn set_needs(&self, needs: &[String]) -> io::Result<()> {
        self.change(&Change { needs: Some(list(needs)), ..Change::default() })
    }

    /// Makes it start at boot, with this program.
    pub(crate) fn set_program(&self, command: &str) -> io::Result<()> {
        self.change(&Change {
            start: Some(SERVICE_AUTO_START),
            command: Some(wide(command)),
            ..Change::default()
        })
    }

    /// Changes all of this in one move.
    pub(super) fn change(&self, change: &Change) -> io::Result<()> {
        let same = |number: Option<u32>| number.unwrap_or(SERVICE_NO_CHANGE);
        let at = |text: &Option<Vec<u16>>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // No account that is set here has a password.
        let password = change.account.as_ref().map(|_| wide(""));
        // SAFETY: the texts end with a NUL, the list with two; what is null stays as it is.
        done(unsafe {
            let (tag, null) = (ptr::null_mut(), ptr::null());
            ChangeServiceConfigW(
                self.handle.0,
                same(change.kind),
                same(change.start),
                same(change.error),
                at(&change.command),
                null,
                tag,
                at(&change.needs),
                at(&change.account),
                at(&password),
                at(&change.shown),
            )
        })
    }

    /// What people read about it.
    pub(crate) fn describe(&self, text: &str) -> io::Result<()> {
        let mut text = wide(text);
        let described = SERVICE_DESCRIPTIONW { lpDescription: text.as_mut_ptr() };
        // SAFETY: the structure is the one this class takes; its text ends with a NUL.
        done(unsafe {
            ChangeServiceConfig2W(self.handle.0, SERVICE_CONFIG_DESCRIPTION, (&raw const described).cast())
        })
    }

    /// Takes it away; it goes once nobody has it open and it does not run.
    pub(crate) fn delete(&self) -> io::Result<()> {
        // SAFETY: an open service.
        match done(unsafe { DeleteService(self.handle.0) }) {
            Err(e) if e.raw_os_error() == Some(ERROR_SERVICE_MARKED_FOR_DELETE.cast_signed()) => Ok(()),
            deleted => deleted,
        }
    }
}

impl Manager {
    /// Makes a service of the system's own account that starts at boot. The manager was opened for that.
    pub(crate) fn create(&self, name: &str, shown: &str, command: &str) -> io::Result<Service> {
        let (key, shown, command) = (wide(name), wide(shown), wide(command));
        let null = ptr::null();
        // SAFETY: the texts end with a NUL; what is null is not asked for.
        Handle::new(unsafe {
            CreateServiceW(
                self.0.0,
                key.as_ptr(),
                shown.as_ptr(),
                SERVICE_ALL_ACCESS,
                SERVICE_WIN32_OWN_PROCESS,
                SERVICE_AUTO_START,
                SERVICE_ERROR_NORMAL,
                command.as_ptr(),
                null,
                ptr::null_mut(),
                null,
                null,
                null,
            )
        })
        .map(|handle| Service { handle, key: name.to_owned() })
    }
}

/// Makes what the manager keeps of services durable: by itself the system writes it some seconds later.
pub(crate) fn flush() -> io::Result<()> {
    let kept = wide(KEPT);
    let mut key: HKEY = ptr::null_mut();
    let failed = |code: u32| match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    };
    // SAFETY: the path ends with a NUL; the key is closed once.
    unsafe {
        failed(RegOpenKeyExW(HKEY_LOCAL_MACHINE, kept.as_ptr(), 0, KEY_QUERY_VALUE, &mut key))?;
        let flushed = failed(RegFlushKey(key));
        RegCloseKey(key);
        flushed
    }
}

/// # Safety
/// The texts of `raw` end with a NUL.
unsafe fn read(raw: &QUERY_SERVICE_CONFIGW) -> Settings {
    // SAFETY: the caller's promise.
    let (command, account, shown) =
        unsafe { (text(raw.lpBinaryPathName), text(raw.lpServiceStartName), text(raw.lpDisplayName)) };
    let (start, kind, error) = (raw.dwStartType, raw.dwServiceType, raw.dwErrorControl);
    Settings { start, command, kind, error, account, shown }
}

/// # Safety
/// `at` is null, or ends with a NUL.
unsafe fn text(at: *const u16) -> String {
    if at.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    let units = unsafe {
        let len = (0..).take_while(|n| *at.add(*n) != 0).count();
        std::slice::from_raw_parts(at, len)
    };
    String::from_utf16_lossy(units)
}

/// As the manager takes a list. An empty one is what takes everything away, so it is not left out.
pub(super) fn list(texts: &[String]) -> Vec<u16> {
    let mut list: Vec<u16> = texts.iter().flat_map(|text| wide(text)).collect();
    if list.is_empty() {
        list.push(0);
    }
    list.push(0);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_with_two_nuls_and_an_empty_one_is_nothing_else() {
        let text = |list: &[u16]| String::from_utf16(list).unwrap();
        assert_eq!(text(&list(&["RpcSs".to_owned(), "+Grüppe".to_owned()])), "RpcSs\0+Grüppe\0\0");
        assert_eq!(text(&list(&[])), "\0\0");
    }
}
