//! A PE file's machine type, file version and language, read from bytes that may be anything. The engine and the plugins read them
//! by the same code, so that they cannot disagree.
//!
//! Whoever calls opens the file. Only headers, the resource tables and the version resource are read, never the whole file: at most some 20 MiB,
//! whatever the file claims about itself.

use backout_protocol::{FileVersion, MachineType, profile::LANGUAGE};
use object::{
    FileKind, LittleEndian as LE, pe,
    read::{
        ReadCache, ReadCacheOps, ReadRef,
        pe::{ImageNtHeaders, ImageOptionalHeader, ResourceDirectory, ResourceNameOrId},
    },
};
use std::io::{self, Read, Seek, SeekFrom};

/// How far into the resource section its tables are looked for. They stand at its start.
const TABLES: u32 = 16 << 20;
/// How much of a version resource is looked at. Its fixed part stands at its start.
const RESOURCE: u32 = 64 << 10;
/// What stands there of what is in no language.
const NEUTRAL: u16 = 0;
const INVARIANT: u16 = 0x7f;

/// What a PE file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeInfo {
    /// What it is made for.
    pub machine: MachineType,
    /// The file version of its version resource, if it has a readable one.
    pub version: Option<FileVersion>,
    /// The language of that resource, as Windows numbers them (`LANGID`): the lower ten bits say which, the others of which
    /// country. `None`: there is no such resource, or it is there in no language or in several.
    pub language: Option<u16>,
    /// Whether all its sections lie within the file. A file cut short is not whole, and may have lost its version
    /// with its end.
    pub whole: bool,
}

/// A file that could not be read. A file that could be read and makes no sense is no error.
#[derive(Debug, thiserror::Error)]
#[error("its version cannot be read")]
pub struct ReadError(#[source] pub io::Error);

/// Reads what a PE file says of itself; `None` if it is no PE file. The file's position is moved.
///
/// Nonsense inside a PE file is no error: it then has no version.
///
/// # Errors
/// [`ReadError`]: a read failed.
pub fn read<F: Read + Seek>(file: &mut F) -> Result<Option<PeInfo>, ReadError> {
    let cache = ReadCache::new(Look { file, failed: None });
    let info = match FileKind::parse(&cache) {
        Ok(FileKind::Pe32) => info::<pe::ImageNtHeaders32>(&cache),
        Ok(FileKind::Pe64) => info::<pe::ImageNtHeaders64>(&cache),
        _ => None,
    };
    // A parser only knows that bytes were not to be had; whether the disk refused them is known here.
    match cache.into_inner().failed {
        Some(error) => Err(ReadError(error)),
        None => Ok(info),
    }
}

fn info<Headers: ImageNtHeaders>(cache: &ReadCache<Look<'_, impl Read + Seek>>) -> Option<PeInfo> {
    let dos = pe::ImageDosHeader::parse(cache).ok()?;
    let mut offset = dos.nt_headers_offset().into();
    let (headers, directories) = Headers::parse(cache, &mut offset).ok()?;
    let machine = match headers.file_header().machine.get(LE) {
        pe::IMAGE_FILE_MACHINE_I386 => MachineType::X86,
        pe::IMAGE_FILE_MACHINE_AMD64 => MachineType::X64,
        other => MachineType::Other(other.0),
    };
    let len = ReadRef::len(cache).ok()?;
    let headers_end = u64::from(headers.optional_header().size_of_headers());
    let Ok(sections) = headers.sections(cache, offset) else {
        return Some(PeInfo { machine, version: None, language: None, whole: false });
    };
    let whole = headers_end <= len
        && sections.iter().all(|s| {
            let size = u64::from(s.size_of_raw_data.get(LE));
            size == 0 || u64::from(s.pointer_to_raw_data.get(LE)) + size <= len
        });
    // Bytes of an address, as far as its section goes and at most `most`.
    let bytes_at = |rva: u32, most: u32| {
        let (offset, size) = sections.pe_file_range_at(rva)?;
        cache.read_bytes_at(offset.into(), size.min(most).into()).ok()
    };
    let resource = directories.get(pe::IMAGE_DIRECTORY_ENTRY_RESOURCE).and_then(|directory| {
        let tables = bytes_at(directory.virtual_address.get(LE), TABLES)?;
        let (language, entry) = version_entry(ResourceDirectory::new(tables))?;
        let bytes = bytes_at(entry.offset_to_data.get(LE), entry.size.get(LE).min(RESOURCE))?;
        Some((fixed_version(bytes)?, language))
    });
    let (version, language) = resource.unzip();
    Some(PeInfo { machine, version, language: language.flatten(), whole })
}

/// Finds the version resource: type 16, name 1 or else the first, the first language, which is told too where it is the only one.
fn version_entry(section: ResourceDirectory<'_>) -> Option<(Option<u16>, &pe::ImageResourceDataEntry)> {
    let is = |entry: &pe::ImageResourceDirectoryEntry, id: u16| match entry.name_or_id() {
        ResourceNameOrId::Id(it) => it == id,
        ResourceNameOrId::Name(_) => false,
    };
    let types = section.root().ok()?;
    let versions = types.entries.iter().find(|e| is(e, pe::RT_VERSION))?;
    let names = versions.data(section).ok()?.table()?;
    let name = names.entries.iter().find(|e| is(e, 1)).or_else(|| names.entries.first())?;
    let languages = name.data(section).ok()?.table()?;
    let first = languages.entries.first()?;
    let language = match (languages.entries, first.name_or_id()) {
        ([_], ResourceNameOrId::Id(id)) if ![NEUTRAL, INVARIANT].contains(&(id & LANGUAGE)) => Some(id),
        _ => None,
    };
    Some((language, first.data(section).ok()?.data()?))
}

/// The file version in a `VS_VERSIONINFO`: length, value length and type (2 bytes each), the key `VS_VERSION_INFO` as
/// UTF-16 with its NUL, padding to 4, then `VS_FIXEDFILEINFO`: signature, structure version, file version high, low.
fn fixed_version(info: &[u8]) -> Option<FileVersion> {
    const KEY: &str = "VS_VERSION_INFO\0";
    const SIGNATURE: u32 = 0xfeef_04bd;
    let key = info.get(6..6 + 2 * KEY.len())?;
    if !key.chunks(2).zip(KEY.encode_utf16()).all(|(bytes, unit)| bytes == unit.to_le_bytes()) {
        return None;
    }
    let fixed = info.get((6 + 2 * KEY.len()).next_multiple_of(4)..)?;
    let word = |n: usize| Some(u32::from_le_bytes(fixed.get(4 * n..4 * n + 4)?.try_into().ok()?));
    if word(0)? != SIGNATURE {
        return None;
    }
    let (high, low) = (word(2)?, word(3)?);
    Some(FileVersion([(high >> 16) as u16, high as u16, (low >> 16) as u16, low as u16]))
}

/// The file, remembering why a read failed.
struct Look<'f, F> {
    file: &'f mut F,
    failed: Option<io::Error>,
}

impl<F> Look<'_, F> {
    fn note<T>(&mut self, result: io::Result<T>) -> Result<T, ()> {
        result.map_err(|error| self.failed = Some(error))
    }
}

impl<F: Read + Seek> ReadCacheOps for Look<'_, F> {
    fn len(&mut self) -> Result<u64, ()> {
        // The parser seeks before it reads, so where this leaves the file does not matter.
        let end = Seek::seek(self.file, SeekFrom::End(0));
        self.note(end)
    }
    fn seek(&mut self, position: u64) -> Result<u64, ()> {
        let moved = Seek::seek(self.file, SeekFrom::Start(position));
        self.note(moved)
    }
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        let read = Read::read(self.file, buffer);
        self.note(read)
    }
    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ()> {
        let read = Read::read_exact(self.file, buffer);
        self.note(read)
    }
}
