//! The table of every open handle of the machine.
//!
//! Asking a handle of another process anything may wait for what that process does with it: a pipe that is read from,
//! a lock that is waited for. So only handles of files on disks are asked, and all of it is done aside: what has not
//! answered in time is left behind.
#![expect(unsafe_code, reason = "the system's calls")]

use super::Source;
use crate::writers::Identity;
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::{File, OpenOptions},
    mem::offset_of,
    os::windows::{
        fs::OpenOptionsExt,
        io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle},
    },
    path::Path,
    ptr,
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};
use windows_sys::{
    Wdk::System::SystemInformation::NtQuerySystemInformation,
    Win32::{
        Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle, STATUS_INFO_LENGTH_MISMATCH},
        Storage::FileSystem::{
            BY_HANDLE_FILE_INFORMATION, FILE_APPEND_DATA, FILE_FLAG_BACKUP_SEMANTICS,
            FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, FILE_TYPE_DISK, FILE_WRITE_DATA,
            GetFileInformationByHandle, GetFileType,
        },
        System::Threading::{GetCurrentProcess, OpenProcess, PROCESS_DUP_HANDLE},
    },
};

/// How long the whole table may take.
const LIMIT: Duration = Duration::from_secs(3);
/// `SystemExtendedHandleInformation`.
const EXTENDED_HANDLES: i32 = 64;
/// No table is longer.
const LONGEST: usize = 1 << 28;

/// What that class answers with: how many, something reserved, then so many of these.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    object: usize,
    process: usize,
    handle: usize,
    access: u32,
    trace: u16,
    sort: u16,
    attributes: u32,
    reserved: u32,
}

const HEAD: usize = 2 * size_of::<usize>();

pub(super) struct HandleTable;

impl Source for HandleTable {
    fn holders(&self, path: &Path) -> BTreeSet<u32> {
        let path = path.to_owned();
        aside(move |found| search(&path, found))
    }
}

/// Which of `wanted` another process has open so that it can write to it, with the process's number, as far as is told in time.
pub(crate) fn writers(wanted: &BTreeSet<Identity>) -> BTreeSet<(Identity, u32)> {
    let wanted = wanted.clone();
    aside(move |found| {
        let Some(like) = std::env::current_exe().and_then(File::open).ok() else { return };
        let writes = |entry: &Entry| entry.access & (FILE_WRITE_DATA | FILE_APPEND_DATA) != 0;
        go_through(&like, writes, |process, file| {
            !wanted.contains(&file) || found.send((file, process)).is_ok()
        });
    })
}

/// What is found in a thread of its own until it ends, or the time is over.
fn aside<T: Ord + Send + 'static>(look: impl FnOnce(&Sender<T>) + Send + 'static) -> BTreeSet<T> {
    let (found, seen) = channel();
    let thread = std::thread::Builder::new().name("handles".to_owned());
    if thread.spawn(move || look(&found)).is_err() {
        return BTreeSet::new();
    }
    let until = Instant::now() + LIMIT;
    let left = || until.saturating_duration_since(Instant::now());
    std::iter::from_fn(|| seen.recv_timeout(left()).ok()).collect()
}

/// Tells of each process that has the file at `path` open.
fn search(path: &Path, found: &Sender<u32>) {
    let how = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    // To look at a file's attributes is let in beside whoever does not share it.
    let mut options = OpenOptions::new();
    let Ok(file) = options.access_mode(FILE_READ_ATTRIBUTES).custom_flags(how).open(path) else { return };
    let Some(wanted) = identity(file.as_raw_handle()) else { return };
    let told = RefCell::new(BTreeSet::new());
    let untold = |entry: &Entry| !told.borrow().contains(&(entry.process as u32));
    go_through(&file, untold, |process, file| {
        file != wanted || (told.borrow_mut().insert(process) && found.send(process).is_ok())
    });
}

/// Goes through what other processes have open and `asked` picks. Of each file on a disk `told` hears the process and which it is,
/// and says whether to go on. `like`: a file of ours, whose sort all others are of.
fn go_through(like: &File, asked: impl Fn(&Entry) -> bool, mut told: impl FnMut(u32, Identity) -> bool) {
    let Some(table) = table() else { return };
    let own = std::process::id() as usize;
    let ours = |e: &&Entry| e.process == own && e.handle == like.as_raw_handle() as usize;
    // Only what is of our file's own sort can be a file.
    let sort = table.iter().find(ours).map(|e| e.sort);
    let mut process: Option<(usize, Option<OwnedHandle>)> = None;
    for entry in table.iter().filter(|e| e.process != own && sort.is_none_or(|sort| e.sort == sort)) {
        if !asked(entry) {
            continue;
        }
        if process.as_ref().is_none_or(|(pid, _)| *pid != entry.process) {
            process = Some((entry.process, open(entry.process)));
        }
        let Some((_, Some(holder))) = &process else { continue };
        let copy = copied(holder, entry.handle as RawHandle);
        if let Some(file) = copy.and_then(|copy| identity(copy.as_raw_handle()))
            && !told(entry.process as u32, file)
        {
            return;
        }
    }
}

fn open(pid: usize) -> Option<OwnedHandle> {
    // SAFETY: takes numbers; the handle is nobody else's.
    unsafe {
        let process = OpenProcess(PROCESS_DUP_HANDLE, 0, pid as u32);
        (!process.is_null()).then(|| OwnedHandle::from_raw_handle(process))
    }
}

fn copied(process: &OwnedHandle, handle: RawHandle) -> Option<File> {
    let mut copy = ptr::null_mut();
    // SAFETY: a handle that is not open there any more is refused; the copy is nobody else's.
    unsafe {
        let done = DuplicateHandle(
            process.as_raw_handle(),
            handle,
            GetCurrentProcess(),
            &mut copy,
            0,
            0,
            DUPLICATE_SAME_ACCESS,
        );
        (done != 0 && !copy.is_null()).then(|| File::from_raw_handle(copy))
    }
}

/// The volume and number of a file on a disk.
fn identity(handle: RawHandle) -> Option<Identity> {
    let mut info = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open; the structure is written whole or not at all.
    let told = unsafe {
        GetFileType(handle) == FILE_TYPE_DISK && GetFileInformationByHandle(handle, &mut info) != 0
    };
    let number = u64::from(info.nFileIndexHigh) << 32 | u64::from(info.nFileIndexLow);
    told.then_some((info.dwVolumeSerialNumber.into(), number))
}

/// Every open handle there is.
fn table() -> Option<Vec<Entry>> {
    let mut words = vec![0usize; 1 << 16];
    loop {
        let size = size_of_val(&words[..]);
        let mut needed = 0;
        // SAFETY: the buffer's size is told.
        let status = unsafe {
            let buffer = words.as_mut_ptr().cast();
            NtQuerySystemInformation(EXTENDED_HANDLES, buffer, size as u32, &mut needed)
        };
        match status {
            0.. => break,
            // More may be opened before the next call.
            STATUS_INFO_LENGTH_MISMATCH if size < LONGEST => {
                let more = (needed as usize).max(size) + size / 2;
                words.resize(more / size_of::<usize>(), 0);
            }
            _ => return None,
        }
    }
    let room = (size_of_val(&words[..]) - HEAD) / size_of::<Entry>();
    let count = words.first().copied()?.min(room);
    // SAFETY: that many entries lie behind the head, by the system's word and within the buffer; any bits are an entry.
    let entries = unsafe {
        let first = words.as_ptr().cast::<u8>().add(HEAD).cast::<Entry>();
        std::slice::from_raw_parts(first, count)
    };
    Some(entries.to_vec())
}

const _: () = assert!(offset_of!(Entry, sort) == 3 * size_of::<usize>() + 6);
