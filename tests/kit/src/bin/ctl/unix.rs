use std::{fs::File, io, path::Path};

/// Opens a file: nothing keeps anybody from moving or reading it here.
pub(crate) fn open(file: &Path, _shared: bool) -> io::Result<File> {
    File::open(file)
}
