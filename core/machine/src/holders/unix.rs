//! Linux: the kernel shows what each process has open and mapped.

use super::Source;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

pub(super) fn sources() -> &'static [&'static dyn Source] {
    &[&Proc]
}

/// `/proc/PID/fd` and `/proc/PID/maps`. Processes of other users may not be looked at; they are not named.
struct Proc;

impl Source for Proc {
    fn holders(&self, path: &Path) -> BTreeSet<u32> {
        let Ok(file) = fs::metadata(path) else { return BTreeSet::new() };
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let pids = crate::process::pids().unwrap_or_default().into_iter();
        pids.filter(|pid| opens(*pid, (file.dev(), file.ino())) || maps(*pid, &real)).collect()
    }
}

fn opens(pid: u32, file: (u64, u64)) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    // A link there leads to the open file itself, whatever its name is by now.
    open.filter_map(|fd| fs::metadata(fd.path()).ok()).any(|m| (m.dev(), m.ino()) == file)
}

fn maps(pid: u32, path: &Path) -> bool {
    let Ok(maps) = fs::read(format!("/proc/{pid}/maps")) else { return false };
    maps.split(|b| *b == b'\n').any(|line| line.ends_with(path.as_os_str().as_bytes()) && named(line, path))
}

/// Whether the name of a mapping, the sixth field, is this one whole.
fn named(line: &[u8], path: &Path) -> bool {
    let before = &line[..line.len() - path.as_os_str().len()];
    before.ends_with(b" ")
}
