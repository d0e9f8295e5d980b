use std::{fs::File, io, os::windows::fs::OpenOptionsExt, path::Path};

/// All may read and write it while it is open, nobody may move it.
const NO_DELETE: u32 = 1 | 2;

/// Opens a file so that nobody moves it, and nobody reads it if it is not shared.
pub(crate) fn open(file: &Path, shared: bool) -> io::Result<File> {
    File::options().read(true).share_mode(if shared { NO_DELETE } else { 0 }).open(file)
}
