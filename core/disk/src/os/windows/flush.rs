//! Makes durable what others have written.

use super::{
    Handle, kind_of,
    look::{names, stat},
    open::{open_below, open_or_create},
    sync::sync_folder,
};
use crate::{error::ErrorKind, folder::DEEPEST};
use std::{
    ffi::OsString,
    fs::File,
    io,
    os::windows::{ffi::OsStringExt, io::AsRawHandle},
    path::Path,
};
use windows_sys::Win32::Storage::FileSystem::{GetFinalPathNameByHandleW, VOLUME_NAME_GUID};

/// Everything below the folder: the whole volume at once, which only administrators may ask for, or each file.
pub(crate) fn sync_written(at: &Handle) -> io::Result<()> {
    let Ok(volume) = volume(at) else { return each(at, 0) };
    match volume.sync_all() {
        Err(e) if kind_of(&e) == ErrorKind::Unsupported => each(at, 0),
        // Never tried again: what is on the medium is not known.
        synced => synced,
    }
}

/// The volume that the folder lies on, for writing.
fn volume(at: &Handle) -> io::Result<File> {
    let mut name = [0u16; 32 * 1024];
    // SAFETY: the buffer's length is told.
    let len = unsafe {
        let length = name.len() as u32;
        GetFinalPathNameByHandleW(at.as_raw_handle(), name.as_mut_ptr(), length, VOLUME_NAME_GUID)
    };
    let name = name.get(..len as usize).filter(|name| !name.is_empty());
    let name = name.ok_or_else(io::Error::last_os_error)?;
    // `\\?\Volume{…}`, without what lies behind it.
    let end = name.iter().skip(4).position(|c| *c == u16::from(b'\\')).map_or(name.len(), |at| at + 4);
    File::options().write(true).open(OsString::from_wide(&name[..end]))
}

/// One that runs, or that nobody may write to, cannot be flushed; it is left to the system, as is what lies too deep to be walked to.
fn each(at: &Handle, depth: usize) -> io::Result<()> {
    for name in names(at)? {
        match stat(at, &name)?.map(|raw| raw.mode) {
            Some(0o040_000) if depth >= DEEPEST => {
                log::debug!("`{}` is not flushed: it lies too deep", name.display())
            }
            Some(0o040_000) => {
                match open_below(at, Path::new(&name)).and_then(|below| each(&below, depth + 1)) {
                    Err(e) if may_be(&e) => log::debug!("`{}` is not flushed: {e}", name.display()),
                    flushed => flushed?,
                }
            }
            Some(0o100_000) => match open_or_create(at, &name, false) {
                Ok(file) => file.sync_all()?,
                Err(e) if may_be(&e) => log::debug!("`{}` is not flushed: {e}", name.display()),
                Err(e) => return Err(e),
            },
            _ => {}
        }
    }
    sync_folder(at)
}

fn may_be(error: &io::Error) -> bool {
    matches!(kind_of(error), ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Busy)
}
