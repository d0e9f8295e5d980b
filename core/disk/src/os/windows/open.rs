//! Opens and makes files and folders.

use super::{
    Handle,
    look::{Sort, sort},
    nt::{Ask, open, open_alone, open_through, patiently, utf16},
    refused,
    security::Descriptor,
};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::windows::io::{AsHandle, BorrowedHandle},
    path::{Component, Path, Prefix},
};
use windows_sys::{
    Wdk::Storage::FileSystem::{
        FILE_CREATE, FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_IF,
    },
    Win32::{
        Foundation::{
            ERROR_ACCESS_DENIED, ERROR_DIRECTORY, ERROR_INVALID_NAME, ERROR_SHARING_VIOLATION,
            ERROR_STOPPED_ON_SYMLINK,
        },
        Storage::FileSystem::{
            DELETE, FILE_ADD_FILE, FILE_ADD_SUBDIRECTORY, FILE_GENERIC_READ, FILE_GENERIC_WRITE,
            FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_TRAVERSE, READ_CONTROL, WRITE_DAC, WRITE_OWNER,
        },
    },
};

/// What a walk needs of a folder on the way.
const STEP: u32 = FILE_TRAVERSE | FILE_READ_ATTRIBUTES;
/// What is needed of a folder that is worked in.
const FOLDER: u32 = STEP | FILE_LIST_DIRECTORY;
/// A new file is written, dressed, and removed again if that fails.
const NEW: u32 = FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE | READ_CONTROL | WRITE_DAC | WRITE_OWNER;

/// One plain name: anything else would be walked, or open a stream.
pub(super) fn one(name: &OsStr) -> io::Result<Vec<u16>> {
    let wide = utf16(name);
    let special = |c: &u16| [0, b'\\', b'/', b':'].iter().any(|s| u16::from(*s) == *c);
    if wide.is_empty() || name == "." || name == ".." || wide.iter().any(special) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not one plain name"));
    }
    Ok(wide)
}

/// Opens an absolute folder; no name of its path may be a link or a junction.
pub(crate) fn open_root(path: &Path) -> io::Result<Handle> {
    let mut parts = path.components();
    let Some(Component::Prefix(prefix)) = parts.next() else { return Err(refused(ERROR_INVALID_NAME)) };
    let root = match prefix.kind() {
        Prefix::Disk(drive) | Prefix::VerbatimDisk(drive) => format!(r"{}:\", char::from(drive)).into(),
        Prefix::UNC(server, share) | Prefix::VerbatimUNC(server, share) => {
            let mut whole = OsStr::new(r"UNC\").to_owned();
            whole.push(server);
            whole.push(r"\");
            whole.push(share);
            whole.push(r"\");
            whole
        }
        // `\\?\Volume{…}`: a volume without a letter.
        Prefix::Verbatim(volume) => {
            let mut whole = volume.to_owned();
            whole.push(r"\");
            whole
        }
        Prefix::DeviceNS(_) => return Err(refused(ERROR_INVALID_NAME)),
    };
    let whole = [utf16(OsStr::new(r"\??\")), utf16(&root)].concat();
    let rest = parts.as_path();
    let wanted = if names_in(rest)? == 0 { FOLDER } else { STEP };
    let top = folder(None, &whole, wanted)?;
    walk(top, rest)
}

/// Opens a folder beneath another.
pub(crate) fn open_below(at: &Handle, path: &Path) -> io::Result<Handle> {
    walk(at.try_clone()?, path)
}

/// Name by name: the system would follow the junctions between.
fn walk(mut at: Handle, path: &Path) -> io::Result<Handle> {
    let mut left = names_in(path)?;
    for part in path.components() {
        if let Component::Normal(name) = part {
            left -= 1;
            let wanted = if left == 0 { FOLDER } else { STEP };
            at = folder(Some(at.as_handle()), &one(name)?, wanted)?;
        }
    }
    Ok(at)
}

/// How many names a path has; it may not climb or turn to another drive.
fn names_in(path: &Path) -> io::Result<usize> {
    path.components().try_fold(0, |n, part| match part {
        Component::RootDir => Ok(n),
        Component::Normal(_) => Ok(n + 1),
        Component::CurDir | Component::ParentDir | Component::Prefix(_) => Err(refused(ERROR_INVALID_NAME)),
    })
}

fn folder(at: Option<BorrowedHandle<'_>>, name: &[u16], access: u32) -> io::Result<Handle> {
    let options = FILE_DIRECTORY_FILE;
    let ask = Ask { at, name, access, disposition: FILE_OPEN, options, security: None };
    match open(&ask) {
        Ok(handle) if sort(&handle)? == Sort::Link => Err(refused(ERROR_STOPPED_ON_SYMLINK)),
        Ok(handle) => Ok(handle),
        // A link to a file is "not a folder": tell the two apart.
        Err(e) if e.raw_os_error() == Some(ERROR_DIRECTORY.cast_signed()) => {
            let itself = open(&Ask { access: FILE_READ_ATTRIBUTES, options: 0, ..ask })?;
            Err(if sort(&itself)? == Sort::Link { refused(ERROR_STOPPED_ON_SYMLINK) } else { e })
        }
        Err(e) => Err(e),
    }
}

/// The same file or folder once more, with other rights.
pub(crate) fn reopen(it: BorrowedHandle<'_>, access: u32) -> io::Result<Handle> {
    open(&Ask { at: Some(it), name: &[], access, disposition: FILE_OPEN, options: 0, security: None })
}

/// Opens a file for reading; never through a link.
pub(crate) fn open_file(at: &Handle, name: &OsStr) -> io::Result<File> {
    existing(at, name, FILE_GENERIC_READ, FILE_OPEN, None)
}

/// Opens a file for reading and writing, making it if need be.
pub(crate) fn open_or_create(at: &Handle, name: &OsStr, create: bool) -> io::Result<File> {
    let private = Descriptor::private(false)?;
    let how = if create { FILE_OPEN_IF } else { FILE_OPEN };
    existing(at, name, FILE_GENERIC_READ | FILE_GENERIC_WRITE, how, Some(&private))
}

/// Opens a file for reading and writing, making it if need be, unless somebody has it open; nobody else can open it
/// until all who inherit this handle have closed it. Locks are not inherited here, handles are.
pub(crate) fn open_for_heirs(at: &Handle, name: &OsStr) -> io::Result<Option<File>> {
    let (private, name) = (Descriptor::private(false)?, one(name)?);
    let access = FILE_GENERIC_READ | FILE_GENERIC_WRITE;
    let (at, security) = (Some(at.as_handle()), Some(&private));
    match open_alone(&Ask { at, name: &name, access, disposition: FILE_OPEN_IF, options: 0, security }) {
        Ok(itself) if sort(&itself)? == Sort::Link => Err(refused(ERROR_STOPPED_ON_SYMLINK)),
        Ok(itself) => Ok(Some(File::from(itself))),
        Err(e) if e.raw_os_error() == Some(ERROR_SHARING_VIOLATION.cast_signed()) => Ok(None),
        Err(e) => Err(e),
    }
}

fn existing(
    at: &Handle,
    name: &OsStr,
    access: u32,
    disposition: u32,
    security: Option<&Descriptor>,
) -> io::Result<File> {
    let name = one(name)?;
    let ask = Ask { at: Some(at.as_handle()), name: &name, access, disposition, options: 0, security };
    let itself = patiently(|| open(&ask))?;
    match sort(&itself)? {
        Sort::Link => Err(refused(ERROR_STOPPED_ON_SYMLINK)),
        Sort::File { substituted: false } | Sort::Folder => Ok(File::from(itself)),
        // Deduplicated or archived bytes are only seen through their reparse point, which leads to no other name.
        Sort::File { substituted: true } => Ok(File::from(open_through(&ask, 0)?)),
    }
}

/// Makes a file that was not there. Without bits for others in `mode` it is private to us and to administrators.
pub(crate) fn create_file(at: &Handle, name: &OsStr, mode: u32) -> io::Result<File> {
    Ok(File::from(make(at, name, mode, NEW, FILE_NON_DIRECTORY_FILE)?))
}

/// Makes a folder that was not there; `mode` as for a file.
pub(crate) fn make_folder(at: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    make(at, name, mode, FOLDER, FILE_DIRECTORY_FILE).map(drop)
}

/// Makes a folder that was not there; everybody may read what comes to lie in it, and only administrators and the system
/// may change it, whatever the folder above says.
pub(crate) fn make_program_folder(at: &Handle, name: &OsStr) -> io::Result<()> {
    let (name, security) = (one(name)?, Descriptor::for_programs()?);
    let (at, options) = (Some(at.as_handle()), FILE_DIRECTORY_FILE);
    let ask =
        Ask { at, name: &name, access: FOLDER, disposition: FILE_CREATE, options, security: Some(&security) };
    patiently(|| open(&ask)).map(drop)
}

fn make(at: &Handle, name: &OsStr, mode: u32, access: u32, options: u32) -> io::Result<Handle> {
    let name = one(name)?;
    let private = match mode & 0o077 {
        0 => Some(Descriptor::private(options == FILE_DIRECTORY_FILE)?),
        _ => None,
    };
    let (at, security) = (Some(at.as_handle()), private.as_ref());
    patiently(|| open(&Ask { at, name: &name, access, disposition: FILE_CREATE, options, security }))
}

/// Whether we may add and remove names here.
pub(crate) fn may_write(at: &Handle) -> io::Result<bool> {
    match reopen(at.as_handle(), FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY) {
        Ok(_) => Ok(true),
        Err(e) if e.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()) => Ok(false),
        Err(e) => Err(e),
    }
}
