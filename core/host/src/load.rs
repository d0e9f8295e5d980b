//! Loads a plugin's library. From here on its code runs; everything that can be checked before has been.
//!
//! A loaded library is never unloaded: its code may have left threads, thread-locals or exit handlers behind.

use crate::{
    error::HostError,
    library::LibraryFile,
    section,
    speech::{self, Spoken},
};
use backout_protocol::{
    HostPath,
    abi::{ABI, CallFn, PluginEntry, SYMBOL},
};
use libloading::Library;
use std::{fs::File, io, path::PathBuf};

/// A plugin whose library is in memory for good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loaded {
    pub(crate) call: CallFn,
    /// What it and this tool speak.
    pub(crate) spoken: Spoken,
}

/// Loads the library of a plugin that passed [`crate::find::check`].
///
/// # Errors
/// [`HostError::Unloadable`], [`HostError::NoSuchSymbol`], [`HostError::WrongAbi`], [`HostError::OtherManifest`].
#[expect(unsafe_code, reason = "loading runs the library's initializers")]
pub(crate) fn load(plugin: LibraryFile) -> Result<Loaded, HostError> {
    let LibraryFile { path, file, manifest, .. } = plugin;
    let path = HostPath(path);
    let spoken = speech::spoken(manifest.api)
        .ok_or_else(|| HostError::WrongApi { path: path.clone(), api: manifest.api })?;
    let unloadable = |why: String| HostError::Unloadable { path: path.clone(), why };
    let from = loadable(&path, &file).map_err(|e| unloadable(e.to_string()))?;
    // SAFETY: the file is trusted, so what its initializers do is what its author wants done.
    let library = unsafe { open(&from) }.map_err(|e| unloadable(e.to_string()))?;
    // Leaked, so that everything read from it lives as long as the process.
    let library: &'static Library = Box::leak(Box::new(library));
    // `dlopen` knows a library by the name it was opened under. Were the descriptor closed, its number could come to
    // stand for another file, and that one would be taken for this.
    std::mem::forget(file);
    let entry = entry(library, &path)?;
    match section::read(manifest_of(&entry)) {
        Ok(loaded) if loaded == manifest => Ok(Loaded { call: entry.call, spoken }),
        loaded => {
            let loaded = loaded.map_or_else(|why| why, |m| format!("{} {}", m.id, m.version));
            Err(HostError::OtherManifest { path, id: manifest.id, loaded })
        }
    }
}

/// The library's entry, if it has one that this tool understands.
#[expect(unsafe_code, reason = "a library's symbol is what its author says it is")]
fn entry(library: &'static Library, path: &HostPath) -> Result<PluginEntry, HostError> {
    let missing = || HostError::NoSuchSymbol {
        path: path.clone(),
        symbol: String::from_utf8_lossy(SYMBOL).trim_end_matches('\0').to_owned(),
    };
    // SAFETY: the symbol is data. It is looked at as two numbers first, which every version of the ABI begins with.
    let head: *const [u32; 2] = *unsafe { library.get(SYMBOL) }.map_err(|_| missing())?;
    if head.is_null() || !head.cast::<PluginEntry>().is_aligned() {
        return Err(missing());
    }
    // SAFETY: neither null nor askew, and the library is never unloaded.
    let [abi, size] = unsafe { *head };
    if abi != ABI || (size as usize) < size_of::<PluginEntry>() {
        return Err(HostError::WrongAbi { path: path.clone(), abi, size });
    }
    // SAFETY: the plugin says that its entry is of this ABI and at least this large.
    Ok(unsafe { *head.cast::<PluginEntry>() })
}

#[expect(unsafe_code, reason = "the library's constant data")]
fn manifest_of(entry: &PluginEntry) -> &'static [u8] {
    if entry.manifest.is_null() {
        return &[];
    }
    // SAFETY: the ABI's promise: this many constant bytes of the library, which is never unloaded.
    unsafe { std::slice::from_raw_parts(entry.manifest, entry.manifest_len) }
}

/// The name under which the very file that was digested can be loaded.
fn loadable(path: &HostPath, file: &File) -> io::Result<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if by_descriptor.exists() {
            return Ok(by_descriptor);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
    // Without such a name the path must do; trust says that nobody else can put another file there.
    std::path::absolute(path)
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
