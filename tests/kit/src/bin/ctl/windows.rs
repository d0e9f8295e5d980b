use std::{fs::File, io, os::windows::fs::OpenOptionsExt, path::Path};

/// All may read and write it while it is open, nobody may move it.
const NO_DELETE: u32 = 1 | 2;

/// Opens a file so that nobody moves it.
pub(crate) fn open(file: &Path) -> io::Result<File> {
    File::options().read(true).share_mode(NO_DELETE).open(file)
}
