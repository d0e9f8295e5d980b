//! Loads a plugin's library. From here on its code runs; everything that can be checked before has been.
//!
//! A loaded library is never unloaded: its code may have left threads, thread-locals or exit handlers behind.

use crate::{error::HostError, find::Seen, section};
use backout_protocol::{
    HostPath,
    abi::{ABI, CallFn, PluginEntry, SYMBOL},
};
use libloading::Library;
use std::{io, path::PathBuf};

/// A plugin whose library is in memory for good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loaded {
    pub(crate) call: CallFn,
}

/// Loads the library of a plugin that passed [`crate::find::check`].
///
/// # Errors
/// [`HostError::Unloadable`], [`HostError::NoSuchSymbol`], [`HostError::WrongAbi`], [`HostError::OtherManifest`].
#[expect(unsafe_code, reason = "the host's end of the C ABI: a library's symbol is what its author says it is")]
pub(crate) fn load(seen: Seen) -> Result<Loaded, HostError> {
    let Seen { library: opened, manifest } = seen;
    let path = || HostPath(opened.path.clone());
    let unloadable = |why: String| HostError::Unloadable { path: path(), why };
    let from = loadable(&opened).map_err(|e| unloadable(e.to_string()))?;
    // SAFETY: the file is trusted, so what its initializers do is what its author wants done. It is never unloaded:
    // the handle is leaked, and everything read from it below lives as long as the process.
    let library: &'static Library =
        unsafe { open(&from) }.map(|l| &*Box::leak(Box::new(l))).map_err(|e| unloadable(e.to_string()))?;
    // `dlopen` knows a library by the name it was opened under; a descriptor's number that were used again would name
    // this one for another file. So the descriptor is never closed either.
    std::mem::forget(opened.file);
    // SAFETY: the symbol is data. It is looked at as two numbers first, which every version of the ABI begins with.
    let head = unsafe { library.get::<*const [u32; 2]>(SYMBOL) };
    let symbol = String::from_utf8_lossy(&SYMBOL[..SYMBOL.len() - 1]).into_owned();
    let head: *const [u32; 2] =
        *head.map_err(|_| HostError::NoSuchSymbol { path: HostPath(opened.path.clone()), symbol: symbol.clone() })?;
    if head.is_null() || !head.cast::<PluginEntry>().is_aligned() {
        return Err(HostError::NoSuchSymbol { path: path(), symbol });
    }
    // SAFETY: not null, aligned, and by the ABI's promise at least two numbers.
    let [abi, size] = unsafe { *head };
    if abi != ABI || (size as usize) < size_of::<PluginEntry>() {
        return Err(HostError::WrongAbi { path: path(), abi, size });
    }
    // SAFETY: the plugin says that it has this ABI and that the entry is at least this large.
    let entry: PluginEntry = unsafe { *head.cast::<PluginEntry>() };
    let bytes = if entry.manifest.is_null() {
        &[][..]
    } else {
        // SAFETY: the ABI's promise: this many constant bytes of the library, which stays loaded.
        unsafe { std::slice::from_raw_parts(entry.manifest, entry.manifest_len) }
    };
    match section::read(bytes) {
        Ok(loaded) if loaded == manifest => Ok(Loaded { call: entry.call }),
        loaded => {
            let loaded = loaded.map_or_else(|why| why, |m| format!("{} {}", m.id, m.version));
            Err(HostError::OtherManifest { path: path(), id: manifest.id, loaded })
        }
    }
}

/// The name under which the very file that was digested can be loaded.
fn loadable(opened: &crate::library::LibraryFile) -> io::Result<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", opened.file.as_raw_fd()));
        if by_descriptor.exists() {
            return Ok(by_descriptor);
        }
    }
    // Without such a name the path must do; trust says that nobody else can put another file there.
    std::path::absolute(&opened.path)
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "loading runs the library's initializers")]
unsafe fn open(path: &std::path::Path) -> Result<Library, libloading::Error> {
    use libloading::os::unix;
    // SAFETY: as the caller's.
    unsafe { unix::Library::open(Some(path), unix::RTLD_NOW | unix::RTLD_LOCAL) }.map(Library::from)
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "loading runs the library's initializers")]
unsafe fn open(path: &std::path::Path) -> Result<Library, libloading::Error> {
    use libloading::os::windows;
    let flags = windows::LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | windows::LOAD_LIBRARY_SEARCH_SYSTEM32;
    // SAFETY: as the caller's.
    unsafe { windows::Library::load_with_flags(path, flags) }.map(Library::from)
}
