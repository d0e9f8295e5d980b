//! The Restart Manager: made for installers, to find who uses the files that they replace. Nobody is restarted by it.
#![expect(unsafe_code, reason = "the system's calls")]

use super::Source;
use std::{collections::BTreeSet, os::windows::ffi::OsStrExt, path::Path, ptr};
use windows_sys::Win32::{
    Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS},
    System::RestartManager::{
        CCH_RM_SESSION_KEY, RM_PROCESS_INFO, RmEndSession, RmGetList, RmRegisterResources, RmStartSession,
    },
};

pub(super) struct RestartManager;

impl Source for RestartManager {
    fn holders(&self, path: &Path) -> BTreeSet<u32> {
        let Some(session) = Session::open() else { return BTreeSet::new() };
        session.users(path).unwrap_or_default()
    }
}

/// Ended when dropped: there is only room for a few at a time.
struct Session(u32);

impl Session {
    fn open() -> Option<Self> {
        let (mut session, mut key) = (0, [0u16; CCH_RM_SESSION_KEY as usize + 1]);
        // SAFETY: the key has the length that the call asks for.
        let begun = unsafe { RmStartSession(&mut session, 0, key.as_mut_ptr()) };
        (begun == ERROR_SUCCESS).then_some(Self(session))
    }

    fn users(&self, path: &Path) -> Option<BTreeSet<u32>> {
        let name: Vec<u16> = plain(path).encode_wide().chain([0]).collect();
        // SAFETY: one name, which ends with a NUL; no processes and no services.
        let told = unsafe { RmRegisterResources(self.0, 1, &name.as_ptr(), 0, ptr::null(), 0, ptr::null()) };
        if told != ERROR_SUCCESS {
            return None;
        }
        let mut users: Vec<RM_PROCESS_INFO> = Vec::new();
        // Processes come and go between two calls.
        for _ in 0..5 {
            let (mut needed, mut count, mut reasons) = (0, users.len() as u32, 0);
            let list = if users.is_empty() { ptr::null_mut() } else { users.as_mut_ptr() };
            // SAFETY: the list's length is told.
            match unsafe { RmGetList(self.0, &mut needed, &mut count, list, &mut reasons) } {
                ERROR_SUCCESS => {
                    let users = users.iter().take(count as usize);
                    return Some(users.map(|user| user.Process.dwProcessId).collect());
                }
                ERROR_MORE_DATA => users.resize(needed as usize + 4, RM_PROCESS_INFO::default()),
                _ => return None,
            }
        }
        None
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: it is open.
        unsafe { RmEndSession(self.0) };
    }
}

/// Names are compared with those that programs opened: without the prefix of long paths.
fn plain(path: &Path) -> &std::ffi::OsStr {
    let whole = path.as_os_str();
    let rest = whole.to_str().and_then(|text| text.strip_prefix(r"\\?\"));
    rest.filter(|rest| !rest.starts_with("UNC")).map_or(whole, std::ffi::OsStr::new)
}
