//! Linux: `/proc/PID/fd` with `fdinfo`, and the mappings that are shared and writable.

use super::{Identity, Writers};
use crate::{Holder, process};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// The part of an open file's flags that says what it is open for: 0 is reading alone.
const ACCESS: u32 = 0o3;

pub(super) fn of(files: &BTreeSet<Identity>) -> io::Result<Writers> {
    let pids = process::pids()?;
    let own = own(&pids);
    let mut seen = Writers::default();
    for pid in pids.into_iter().filter(|pid| !own.contains(pid)) {
        let mut found = BTreeSet::new();
        let looked = opened(pid, files, &mut found).and_then(|()| mapped(pid, files, &mut found));
        match looked {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                seen.unseen += usize::from(!is_kernels(pid));
            }
            // One that is gone has nothing open.
            Err(_) | Ok(()) => {}
        }
        if !found.is_empty() {
            let holder = Holder::of(pid);
            seen.found.extend(found.into_iter().map(|file| (file, holder.clone())));
        }
    }
    Ok(seen)
}

/// This process, all below it, and those above it that run the same program.
fn own(pids: &[u32]) -> BTreeSet<u32> {
    let parents: BTreeMap<u32, u32> = pids.iter().filter_map(|pid| Some((*pid, parent(*pid)?))).collect();
    let me = std::process::id();
    let mut own = BTreeSet::from([me]);
    loop {
        let more = parents.iter().filter(|(pid, parent)| own.contains(parent) && !own.contains(pid));
        let more: Vec<u32> = more.map(|(pid, _)| *pid).collect();
        if more.is_empty() {
            break;
        }
        own.extend(more);
    }
    let program = program(me);
    let mut at = parents.get(&me);
    while let Some(above) = at.filter(|above| program.is_some() && self::program(**above) == program) {
        if !own.insert(*above) {
            break;
        }
        at = parents.get(above);
    }
    own
}

/// The second field behind the name, which may itself hold anything.
fn parent(pid: u32) -> Option<u32> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let name_end = text.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn program(pid: u32) -> Option<Identity> {
    fs::metadata(format!("/proc/{pid}/exe")).ok().map(|m| (m.dev(), m.ino()))
}

/// A thread of the kernel, or one that has ended: it has no command line and no files.
fn is_kernels(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty())
}

fn opened(pid: u32, files: &BTreeSet<Identity>, found: &mut BTreeSet<Identity>) -> io::Result<()> {
    for fd in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let fd = fd?;
        // A link there leads to the open file itself, whatever its name is by now.
        let Ok(file) = fs::metadata(fd.path()) else { continue };
        let file = (file.dev(), file.ino());
        if files.contains(&file) && writes(&Path::new(&format!("/proc/{pid}/fdinfo")).join(fd.file_name())) {
            found.insert(file);
        }
    }
    Ok(())
}

/// Whether an open file is open for writing. One that was closed meanwhile is not.
fn writes(info: &Path) -> bool {
    let text = fs::read_to_string(info).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & ACCESS != 0)
}

fn mapped(pid: u32, files: &BTreeSet<Identity>, found: &mut BTreeSet<Identity>) -> io::Result<()> {
    let maps = fs::read(format!("/proc/{pid}/maps"))?;
    for line in maps.split(|b| *b == b'\n') {
        let Some(mapping) = shared(line) else { continue };
        // The mapping's own number of a device is not that of its file everywhere (btrfs, overlays): the link tells, to root.
        let link = fs::metadata(format!("/proc/{pid}/map_files/{}", mapping.range));
        let file = link.map_or(mapping.file, |m| (m.dev(), m.ino()));
        if files.contains(&file) {
            found.insert(file);
        }
    }
    Ok(())
}

/// A mapping that writes to its file.
struct Shared<'a> {
    range: &'a str,
    file: Identity,
}

/// Reads `START-END rw-s OFFSET MAJOR:MINOR INODE PATH`; the path may hold anything.
fn shared(line: &[u8]) -> Option<Shared<'_>> {
    let mut fields = line.splitn(6, |b| *b == b' ').map(|field| std::str::from_utf8(field).ok());
    let (range, rights) = (fields.next()??, fields.next()??.as_bytes());
    if rights.get(1) != Some(&b'w') || rights.get(3) != Some(&b's') {
        return None;
    }
    let (device, number) = (fields.nth(1)??, fields.next()??);
    let (major, minor) = device.split_once(':')?;
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    let device = rustix::fs::makedev(hex(major)?, hex(minor)?);
    Some(Shared { range, file: (device, number.trim().parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mapping_that_writes_to_its_file_counts() {
        let of = |line: &str| shared(line.as_bytes()).map(|s| (s.range.to_owned(), s.file));
        let file = (rustix::fs::makedev(0xfe, 1), 4711);
        let text = "7f00-7f01 rw-s 00000000 fe:01 4711                       /srv/a b";
        assert_eq!(of(text), Some(("7f00-7f01".to_owned(), file)));
        for none in [
            "7f00-7f01 rw-p 00000000 fe:01 4711 /srv/a",
            "7f00-7f01 r--s 00000000 fe:01 4711 /srv/a",
            "7f00-7f01 rw-s 00000000 fe 4711 /srv/a",
            "7f00-7f01 rw-s",
            "",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn what_this_process_has_open_does_not_count() {
        let file = tempfile::tempfile().unwrap();
        let identity = file.metadata().map(|m| (m.dev(), m.ino())).unwrap();
        let seen = super::super::of(&BTreeSet::from([identity])).unwrap();
        assert!(seen.found.is_empty(), "{seen:?}");
    }
}
