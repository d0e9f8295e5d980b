//! The real machine: one question, one look at the file system. Symbolic links are named, not followed, except for a folder
//! that is listed.

use super::Question;
use backout_protocol::{
    Digest,
    message::{Known, KnownFile, KnownKind, KnownPe},
    path::encode,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File, FileType},
    io::{self, Read},
    path::Path,
};

/// Staging folders of runs begin like this; they are never looked into.
const OWN: &[u8] = b".backout-";

/// What is known of `path` once this was asked.
pub(super) fn look(path: &Path, question: Question) -> Known {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Known::Absent;
        }
        Err(e) => return Known::Unreadable(e.to_string()),
    };
    match kind(metadata.file_type()) {
        KnownKind::File => Known::File(file(path, metadata.len(), question)),
        KnownKind::Folder if question == Question::List => match names(path) {
            Ok(names) => Known::Folder(Some(names)),
            Err(e) => Known::Closed(e.to_string()),
        },
        KnownKind::Folder => Known::Folder(None),
        KnownKind::Symlink if question == Question::List => match fs::metadata(path) {
            Ok(target) if target.is_dir() => match names(path) {
                Ok(names) => Known::Symlink(Some(names)),
                Err(e) => Known::Closed(e.to_string()),
            },
            // It leads to no folder: nothing lies in it.
            _ => Known::Symlink(Some(BTreeMap::new())),
        },
        KnownKind::Symlink => Known::Symlink(None),
        KnownKind::Other => Known::Other,
    }
}

fn kind(kind: FileType) -> KnownKind {
    if kind.is_symlink() {
        KnownKind::Symlink
    } else if kind.is_dir() {
        KnownKind::Folder
    } else if kind.is_file() {
        KnownKind::File
    } else {
        KnownKind::Other
    }
}

fn names(folder: &Path) -> io::Result<BTreeMap<String, KnownKind>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(OWN) {
            names.insert(encode(&entry.file_name()), kind(entry.file_type()?));
        }
    }
    Ok(names)
}

fn file(path: &Path, len: u64, question: Question) -> KnownFile {
    let known = KnownFile { len, ..KnownFile::default() };
    let answered = match question {
        Question::Stat | Question::List => Ok(known.clone()),
        Question::Read(limit) if len > limit => Ok(known.clone()),
        Question::Read(limit) => bytes(path, limit).map(|bytes| with_bytes(bytes, limit)),
        Question::Hash => digest(path).map(|d| KnownFile { sha256: Some(d), ..known.clone() }),
        Question::Version => headers(path).map(|pe| KnownFile { pe: Some(pe), ..known.clone() }),
    };
    answered.unwrap_or_else(|e| KnownFile { unreadable: Some(e.to_string()), ..known })
}

/// One byte more than the limit shows that it grew.
fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn with_bytes(bytes: Vec<u8>, limit: u64) -> KnownFile {
    let known = KnownFile { len: bytes.len() as u64, ..KnownFile::default() };
    if known.len > limit {
        return known;
    }
    match String::from_utf8(bytes) {
        Ok(text) => KnownFile { text: Some(text), ..known },
        Err(e) => {
            let hex = e.as_bytes().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            KnownFile { hex: Some(hex), ..known }
        }
    }
}

fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest(hash.finalize().into())),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn headers(path: &Path) -> io::Result<KnownPe> {
    let info = backout_pe::read(&mut File::open(path)?).map_err(|e| e.0)?;
    Ok(info.map_or(KnownPe::No, |pe| KnownPe::Yes { machine: pe.machine, version: pe.version }))
}
