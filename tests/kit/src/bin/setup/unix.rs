use std::io;

/// There are none here.
pub(crate) fn hold(_name: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
