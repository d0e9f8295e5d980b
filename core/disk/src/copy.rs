//! The one way bytes get into a new file: shared with the old one where the file system can, else copied; and digested
//! as they are in the new one.

use crate::{fingerprint::digest_file, os};
use backout_protocol::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read, Write},
};

/// Where bytes come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From<'a> {
    /// A file, from its beginning.
    File(&'a File),
    /// These.
    Bytes(&'a [u8]),
}

impl From<'_> {
    /// Fills `to`, which is new and empty; says how many bytes it now holds, and their digest. Never a second name of
    /// the file they come from: who writes to that in place changes nothing here.
    pub(crate) fn copy_to(self, to: &mut File) -> io::Result<(u64, Digest)> {
        match self {
            From::Bytes(bytes) => through(&mut &*bytes, to),
            // Whatever keeps them from being shared, copying says it better or does without.
            From::File(from) => match os::share_bytes(from, to) {
                Ok(()) => digest_file(to).map_err(crate::fingerprint::ReadFailure::cause),
                Err(_) => through(&mut &*from, to),
            },
        }
    }
}

/// Copies everything and digests what was written.
fn through(from: &mut dyn Read, to: &mut File) -> io::Result<(u64, Digest)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut len = 0u64;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((len, Digest(hash.finalize().into()))),
            Ok(n) => {
                to.write_all(&buffer[..n])?;
                hash.update(&buffer[..n]);
                len += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
