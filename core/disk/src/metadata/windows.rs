//! Windows: security descriptor, attributes, times, named streams.

use super::Wear;
use crate::{
    fingerprint::{ReadFailure, digest_bytes, digest_file},
    os::{
        self,
        security::{Descriptor, Parts},
        streams,
    },
};
use backout_protocol::{Digest, path::encode, snapshot::Facts};
use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::windows::io::{AsHandle, OwnedHandle},
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_COMPRESSED, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_ENCRYPTED,
    FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_NOT_CONTENT_INDEXED,
    FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SYSTEM, FILE_BASIC_INFO, FILE_READ_ATTRIBUTES,
    FILE_WRITE_ATTRIBUTES, READ_CONTROL, WRITE_DAC, WRITE_OWNER,
};

/// What can be set as it is; the others are properties of how the bytes are kept.
const SETTABLE: u32 = FILE_ATTRIBUTE_READONLY
    | FILE_ATTRIBUTE_HIDDEN
    | FILE_ATTRIBUTE_SYSTEM
    | FILE_ATTRIBUTE_ARCHIVE
    | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED;
/// Beyond this a stream is no mark on a file but a store of its own.
const LONGEST_STREAM: u64 = 16 << 20;

/// Metadata of one file.
pub(crate) struct Metadata {
    descriptor: Descriptor,
    basic: FILE_BASIC_INFO,
    streams: Vec<Stream>,
}

/// A named stream of a file.
struct Stream {
    name: OsString,
    digest: Digest,
    /// `None`: it is longer than [`LONGEST_STREAM`].
    bytes: Option<Vec<u8>>,
}

impl Stream {
    /// Whoever made the file chose how long its streams are: no more of one is in memory than is kept.
    fn read(file: &File, name: OsString) -> io::Result<Self> {
        let mut stream = streams::open_one(file, &name)?;
        let (len, digest) = digest_file(&mut stream).map_err(ReadFailure::cause)?;
        if len > LONGEST_STREAM {
            return Ok(Self { name, digest, bytes: None });
        }
        let mut bytes = Vec::new();
        stream.take(LONGEST_STREAM).read_to_end(&mut bytes)?;
        // Of these bytes: it may have changed meanwhile.
        Ok(Self { name, digest: digest_bytes(&bytes), bytes: Some(bytes) })
    }
}

impl Metadata {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let basic = os::basic(file)?;
        // A folder that is worked in was not opened for this.
        let looked: OwnedHandle = os::reopen(file.as_handle(), READ_CONTROL | FILE_READ_ATTRIBUTES)?;
        let descriptor = Descriptor::of(looked.as_handle())?;
        let mut found = Vec::new();
        if basic.FileAttributes & FILE_ATTRIBUTE_DIRECTORY == 0 {
            for name in streams::list(file)? {
                found.push(Stream::read(file, name)?);
            }
        }
        Ok(Self { descriptor, basic, streams: found })
    }

    /// The same with another's times.
    pub(super) fn at_the_times_of(mut self, other: &Self) -> Self {
        self.basic = FILE_BASIC_INFO { FileAttributes: self.basic.FileAttributes, ..other.basic };
        self
    }

    /// As it can be written down.
    pub(crate) fn facts(&self) -> Facts {
        let grants = self.descriptor.grants().ok().flatten();
        let access = ("access list".to_owned(), digest_bytes(format!("{grants:?}").as_bytes()));
        let streams = self.streams.iter().map(|stream| (encode(&stream.name), stream.digest));
        // Steps of 100 ns since 1601.
        let steps = u64::try_from(self.basic.LastWriteTime).unwrap_or_default();
        let seconds = i64::try_from(steps / 10_000_000).unwrap_or(i64::MAX) - 11_644_473_600;
        Facts {
            owner: self.descriptor.owner().unwrap_or_default(),
            group: None,
            mode: self.basic.FileAttributes & SETTABLE,
            modified: (seconds, (steps % 10_000_000) as u32 * 100),
            attributes: std::iter::once(access).chain(streams).collect(),
        }
    }
}

/// Dresses a new file or folder; what could not be had is returned in words.
///
/// The order matters: streams first (a read-only file takes none), then who may do what, then attributes and times.
pub(crate) fn dress(
    file: &File,
    rights: &Metadata,
    rest: &Metadata,
    wear: Wear<'_>,
) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    for Stream { name, bytes, .. } in &rest.streams {
        if bytes.as_ref().is_none_or(|bytes| streams::write(file, name, bytes).is_err()) {
            notes.push(format!("stream {}", name.to_string_lossy()));
        }
    }
    let access = WRITE_DAC | FILE_WRITE_ATTRIBUTES | FILE_READ_ATTRIBUTES;
    match wear {
        Wear::Everything | Wear::Guarded => {
            let all = os::reopen(file.as_handle(), access | WRITE_OWNER)
                .and_then(|it| rights.descriptor.put_on(it.as_handle(), Parts::All));
            if all.is_err() {
                notes.push(format!("owner {}", rights.descriptor.owner().unwrap_or_default()));
                rights.descriptor.put_on(os::reopen(file.as_handle(), access)?.as_handle(), Parts::Access)?;
            }
        }
        // Who may use it is what the folder says; a backup's own list may be wider. The owner is we: an owner may
        // change the list at any time.
        Wear::Within(folder) => {
            let inherited = folder.descriptor.for_file_below()?;
            inherited.put_on(os::reopen(file.as_handle(), access)?.as_handle(), Parts::Access)?;
        }
    }
    for (bit, word) in [(FILE_ATTRIBUTE_COMPRESSED, "compression"), (FILE_ATTRIBUTE_ENCRYPTED, "encryption")]
    {
        if rights.basic.FileAttributes & bit != os::basic(file)?.FileAttributes & bit {
            notes.push(word.to_owned());
        }
    }
    let attributes = match rights.basic.FileAttributes & SETTABLE {
        0 => FILE_ATTRIBUTE_NORMAL,
        some => some,
    };
    let wanted = FILE_BASIC_INFO { FileAttributes: attributes, ChangeTime: 0, ..rest.basic };
    os::set_basic(&os::reopen(file.as_handle(), access)?, &wanted)?;
    Ok(notes)
}
