//! The environment of another process, where it keeps it itself.
//!
//! It lies where the first block of a process points to, at places that have been the same since Windows XP: each process of
//! 32 bits on a system of 64 has two such blocks. A program of 32 bits sees only those of 32 bits.

use std::{
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle},
    ptr,
};
use windows_sys::Win32::{
    Foundation::NTSTATUS,
    System::{
        Diagnostics::Debug::ReadProcessMemory,
        Threading::{OpenProcess, PROCESS_QUERY_INFORMATION, PROCESS_VM_READ},
    },
};

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtQueryInformationProcess(
        process: RawHandle,
        class: i32,
        into: *mut usize,
        length: u32,
        written: *mut u32,
    ) -> NTSTATUS;
}

/// `ProcessBasicInformation`: the second of its six words is where the first block lies.
const BASIC: i32 = 0;
/// `ProcessWow64Information`: where that of 32 bits lies, or 0.
const OF_32_BITS: i32 = 26;

/// How long a pointer is in a first block, where in it that to the parameters lies, and in these that to the environment.
struct Layout {
    pointer: usize,
    parameters: u64,
    environment: u64,
}

const OF_64: Layout = Layout { pointer: 8, parameters: 0x20, environment: 0x80 };
const OF_32: Layout = Layout { pointer: 4, parameters: 0x10, environment: 0x48 };
const OWN: Layout = if cfg!(target_pointer_width = "64") { OF_64 } else { OF_32 };

const PAGE: u64 = 4096;
/// No environment is longer, in characters.
const LONGEST: usize = 1 << 20;

/// Whether the process has this entry in its environment. One that may not be looked at has not.
pub(super) fn carries(pid: u32, entry: &str) -> bool {
    // SAFETY: takes numbers; the handle is nobody else's.
    let process = unsafe {
        let handle = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, 0, pid);
        if handle.is_null() {
            return false;
        }
        OwnedHandle::from_raw_handle(handle)
    };
    let entry: Vec<u16> = entry.encode_utf16().collect();
    let blocks = [(word(&process, BASIC, 6, 1), OWN), (word(&process, OF_32_BITS, 1, 0), OF_32)];
    blocks.into_iter().any(|(block, layout)| {
        block.is_some_and(|block| {
            environment(&process, block, &layout).is_ok_and(|all| all.split(|c| *c == 0).any(|e| e == entry))
        })
    })
}

/// The word at this place of an answer of so many words; `None` where it is 0.
fn word(process: &OwnedHandle, class: i32, words: usize, at: usize) -> Option<u64> {
    let mut answer = [0usize; 6];
    let length = (words * size_of::<usize>()) as u32;
    // SAFETY: the answer has room for so many words.
    let status = unsafe {
        NtQueryInformationProcess(
            process.as_raw_handle(),
            class,
            answer.as_mut_ptr(),
            length,
            ptr::null_mut(),
        )
    };
    answer.get(at).map(|word| *word as u64).filter(|word| status >= 0 && *word != 0)
}

/// All entries, each with a NUL behind it.
fn environment(process: &OwnedHandle, block: u64, layout: &Layout) -> io::Result<Vec<u16>> {
    let parameters = pointer(process, block + layout.parameters, layout)?;
    let mut at = pointer(process, parameters + layout.environment, layout)?;
    let mut entries: Vec<u16> = Vec::new();
    while entries.len() < LONGEST {
        // What lies behind its last page may not be there.
        let mut page = vec![0u8; (PAGE - at % PAGE) as usize];
        match read(process, at, &mut page) {
            Ok(()) => entries.extend(page.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]))),
            Err(_) if !entries.is_empty() => break,
            Err(e) => return Err(e),
        }
        at += page.len() as u64;
        if entries.windows(2).any(|end| end == [0, 0]) {
            break;
        }
    }
    Ok(entries)
}

fn pointer(process: &OwnedHandle, at: u64, layout: &Layout) -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    read(process, at, &mut bytes[..layout.pointer])?;
    match u64::from_le_bytes(bytes) {
        0 => Err(io::ErrorKind::NotFound.into()),
        to => Ok(to),
    }
}

fn read(process: &OwnedHandle, at: u64, into: &mut [u8]) -> io::Result<()> {
    let at = usize::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut read = 0;
    // SAFETY: the buffer's length is told; the other process's memory is only read, and may be gone by now.
    let done = unsafe {
        let (process, into) = (process.as_raw_handle(), (into.as_mut_ptr().cast(), into.len()));
        ReadProcessMemory(process, at as *const _, into.0, into.1, &mut read)
    };
    if done != 0 && read == into.len() { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::carries;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_told_by_what_it_has_in_its_environment() {
        let mut child = Command::new("cmd");
        child.args(["/c", "pause"]).env("BACKOUT_MARKED", "one").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = child.spawn().unwrap();
        // Wine's processes read their environment themselves, when they begin.
        while !carries(child.id(), "BACKOUT_MARKED=one") {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        for other in ["BACKOUT_MARKED=on", "BACKOUT_MARKED=one1", "BACKOUT_MARKED"] {
            assert!(!carries(child.id(), other), "{other}");
        }
        assert!(!carries(std::process::id(), "BACKOUT_MARKED=one"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!carries(child.id(), "BACKOUT_MARKED=one"));
    }
}
