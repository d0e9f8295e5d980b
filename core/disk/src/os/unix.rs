//! Linux: everything relative to folder handles, through no symbolic link.

use crate::{error::ErrorKind, folder::FileSystem};
use rustix::{
    fs::{
        AtFlags, CWD, FlockOperation, IFlags, Mode, OFlags, RenameFlags, ResolveFlags, StatxAttributes,
        StatxFlags, Timespec, Timestamps, XattrFlags, ioctl_getflags, ioctl_setflags,
    },
    io::Errno,
    process::{Gid, Uid},
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
        unix::fs::FileExt,
    },
    path::{Path, PathBuf},
};

/// An open folder.
pub(crate) type Handle = OwnedFd;

/// A rename puts the new file in the place of the old one, open or not.
pub(crate) const ONE_MOVE_REPLACES: bool = true;

/// What is known of a name without following it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw {
    pub mode: u32,
    pub nlink: u64,
    pub len: u64,
    pub dev: u64,
    pub ino: u64,
    pub uid: u32,
    pub gid: u32,
    pub mtime: (i64, u32),
    pub atime: (i64, u32),
    pub born: Option<(i64, u32)>,
    pub immutable: bool,
    pub append_only: bool,
    pub mount_root: bool,
}

pub(crate) fn kind_of(error: &io::Error) -> ErrorKind {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => ErrorKind::NotFound,
        Some(Errno::LOOP) => ErrorKind::Symlink,
        Some(Errno::NOTDIR) => ErrorKind::NotAFolder,
        Some(Errno::ISDIR) => ErrorKind::NotAFile,
        Some(Errno::EXIST | Errno::NOTEMPTY) => ErrorKind::Exists,
        Some(Errno::NOSPC | Errno::DQUOT) => ErrorKind::NoSpace,
        Some(Errno::ROFS) => ErrorKind::ReadOnly,
        Some(Errno::ACCESS | Errno::PERM) => ErrorKind::Denied,
        Some(Errno::BUSY | Errno::TXTBSY) => ErrorKind::Busy,
        Some(Errno::XDEV) => ErrorKind::CrossDevice,
        Some(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// One plain name: a `/` in it would be walked by the kernel, through symbolic links.
fn one(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not one plain name"));
    }
    Ok(name)
}

/// For `openat2`, which is told to follow no link; with O_NOFOLLOW it would call a link "not a folder".
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// For a walk name by name.
const STEP: OFlags = FOLDER.union(OFlags::NOFOLLOW);

/// Opens an absolute folder; no name of its path may be a symbolic link.
pub(crate) fn open_root(path: &Path) -> io::Result<Handle> {
    match rustix::fs::openat2(
        CWD,
        path,
        FOLDER,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    ) {
        Err(Errno::NOSYS | Errno::PERM) => {
            let root = rustix::fs::open("/", STEP, Mode::empty())?;
            walk(root, path)
        }
        other => Ok(other?),
    }
}

/// The system takes no longer path at once.
const LONGEST_PATH: usize = 4095;

/// Opens a folder beneath another, however long the way there is.
pub(crate) fn open_below(at: &Handle, path: &Path) -> io::Result<Handle> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return beneath(at, path);
    }
    let (mut at, mut piece) = (at.try_clone()?, PathBuf::new());
    for name in path {
        if piece.as_os_str().len() + 1 + name.len() > LONGEST_PATH {
            at = beneath(&at, &piece)?;
            piece = PathBuf::new();
        }
        piece.push(name);
    }
    beneath(&at, &piece)
}

fn beneath(at: &Handle, path: &Path) -> io::Result<Handle> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(at, path, FOLDER, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => walk(at.try_clone()?, path),
        other => Ok(other?),
    }
}

/// The same name by name, for kernels and sandboxes without `openat2`.
fn walk(mut at: Handle, path: &Path) -> io::Result<Handle> {
    for name in path.components() {
        match name {
            std::path::Component::RootDir => {}
            std::path::Component::Normal(name) => {
                at = match rustix::fs::openat(&at, name, STEP, Mode::empty()) {
                    // With O_DIRECTORY a symbolic link is "not a folder": tell the two apart.
                    Err(Errno::NOTDIR) if is_link(&at, name) => return Err(Errno::LOOP.into()),
                    other => other?,
                };
            }
            _ => return Err(Errno::XDEV.into()),
        }
    }
    Ok(at)
}

fn is_link(at: &Handle, name: &OsStr) -> bool {
    stat(at, name).is_ok_and(|raw| raw.is_some_and(|r| r.mode & 0o170000 == 0o120000))
}

/// Opens a file for reading; never through a link, never blocking on a pipe.
pub(crate) fn open_file(at: &Handle, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::openat(at, one(name)?, flags, Mode::empty())?))
}

/// Makes a file that was not there, readable and writable by its owner alone.
pub(crate) fn create_file(at: &Handle, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(at, one(name)?, flags, Mode::from_raw_mode(mode))?))
}

/// Opens a file for reading and writing, making it if need be.
pub(crate) fn open_or_create(at: &Handle, name: &OsStr, create: bool) -> io::Result<File> {
    let mut flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    flags.set(OFlags::CREATE, create);
    Ok(File::from(rustix::fs::openat(at, one(name)?, flags, Mode::from_raw_mode(0o600))?))
}

pub(crate) fn make_folder(at: &Handle, name: &OsStr, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(at, one(name)?, Mode::from_raw_mode(mode))?)
}

/// Makes a folder that was not there; everybody may read what comes to lie in it, and only we may change it.
pub(crate) fn make_program_folder(at: &Handle, name: &OsStr) -> io::Result<()> {
    make_folder(at, name, 0o755)
}

pub(crate) fn stat(at: &Handle, name: &OsStr) -> io::Result<Option<Raw>> {
    match statx(at, one(name)?, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(raw) => Ok(Some(raw)),
        Err(e) if kind_of(&e) == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn stat_handle(at: &Handle) -> io::Result<Raw> {
    statx(at, OsStr::new(""), AtFlags::EMPTY_PATH)
}

fn statx(at: &Handle, name: &OsStr, flags: AtFlags) -> io::Result<Raw> {
    let x = rustix::fs::statx(at, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    let has = |a| x.stx_attributes.contains(a);
    Ok(Raw {
        mode: x.stx_mode.into(),
        nlink: x.stx_nlink.into(),
        len: x.stx_size,
        dev: rustix::fs::makedev(x.stx_dev_major, x.stx_dev_minor),
        ino: x.stx_ino,
        uid: x.stx_uid,
        gid: x.stx_gid,
        mtime: (x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec),
        atime: (x.stx_atime.tv_sec, x.stx_atime.tv_nsec),
        born: (x.stx_mask & StatxFlags::BTIME.bits() != 0)
            .then_some((x.stx_btime.tv_sec, x.stx_btime.tv_nsec)),
        immutable: has(StatxAttributes::IMMUTABLE),
        append_only: has(StatxAttributes::APPEND),
        mount_root: has(StatxAttributes::MOUNT_ROOT),
    })
}

/// Every name in a folder but `.` and `..`.
pub(crate) fn names(at: &Handle) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(at)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

pub(crate) fn sync_folder(at: &Handle) -> io::Result<()> {
    Ok(rustix::fs::fsync(at)?)
}

pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// A staged file: the one sync of the whole file system that follows covers it.
pub(crate) fn sync_staged(_: &File) -> io::Result<()> {
    Ok(())
}

pub(crate) fn sync_file_system(at: &Handle) -> io::Result<()> {
    Ok(rustix::fs::syncfs(at)?)
}

/// What others have written there too.
pub(crate) fn sync_written(at: &Handle) -> io::Result<()> {
    sync_file_system(at)
}

pub(crate) fn rename(from: &Handle, name: &OsStr, to: &Handle, to_name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::renameat(from, one(name)?, to, one(to_name)?)?)
}

/// Fails where the new name is taken.
pub(crate) fn rename_new(from: &Handle, name: &OsStr, to: &Handle, to_name: &OsStr) -> io::Result<()> {
    match rustix::fs::renameat_with(from, one(name)?, to, one(to_name)?, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if stat(to, to_name)?.is_some() {
                return Err(Errno::EXIST.into());
            }
            rename(from, name, to, to_name)
        }
        other => Ok(other?),
    }
}

pub(crate) fn exchange(from: &Handle, name: &OsStr, to: &Handle, to_name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(from, one(name)?, to, one(to_name)?, RenameFlags::EXCHANGE)?)
}

pub(crate) fn hard_link(from: &Handle, name: &OsStr, to: &Handle, to_name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::linkat(from, one(name)?, to, one(to_name)?, AtFlags::empty())?)
}

pub(crate) fn remove_file(at: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(at, one(name)?, AtFlags::empty())?)
}

pub(crate) fn remove_folder(at: &Handle, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(at, one(name)?, AtFlags::REMOVEDIR)?)
}

/// Makes `to`, which is empty, share the bytes of `from` until one of them is written to, where the file system can.
pub(crate) fn share_bytes(from: &File, to: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(to, from)?)
}

/// What a symbolic link holds. `path`: the same name as a whole, for systems without such a call.
pub(crate) fn read_link(at: &Handle, name: &OsStr, _path: &Path) -> io::Result<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let text = rustix::fs::readlinkat(at, one(name)?, Vec::new())?;
    Ok(OsString::from_vec(text.into_bytes()))
}

/// Lets the owner do everything in a folder.
pub(crate) fn let_in(folder: &File) -> io::Result<()> {
    set_mode(folder, rustix::fs::fstat(folder)?.st_mode | 0o700)
}

/// Makes a symbolic link that was not there.
pub(crate) fn make_link(at: &Handle, name: &OsStr, target: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::symlinkat(target, at, one(name)?)?)
}

/// Whether a symbolic link can be made here.
pub(crate) const MAKES_LINKS: bool = true;

/// Gives a symbolic link itself another one's owner and times; a caller that may not give it away goes without.
pub(crate) fn dress_link(at: &Handle, name: &OsStr, like: &Raw) -> io::Result<()> {
    let (name, flags) = (one(name)?, AtFlags::SYMLINK_NOFOLLOW);
    match rustix::fs::chownat(at, name, Some(Uid::from_raw(like.uid)), Some(Gid::from_raw(like.gid)), flags) {
        Ok(()) | Err(Errno::PERM) => {}
        Err(e) => return Err(e.into()),
    }
    let spec = |(s, n): (i64, u32)| Timespec { tv_sec: s, tv_nsec: n.into() };
    let times = Timestamps { last_access: spec(like.atime), last_modification: spec(like.mtime) };
    Ok(rustix::fs::utimensat(at, name, &times, flags)?)
}

pub(crate) fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Takes the space for so many bytes; where the file system cannot, by writing them.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len.max(1)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => io::copy(&mut io::repeat(0).take(len), &mut &*file).map(drop),
        done => Ok(done?),
    }
}

pub(crate) fn lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Opens a file for reading and writing, making it if need be, and locks it, unless somebody has locked it; the lock is
/// held until all who inherit this file have closed it.
pub(crate) fn open_for_heirs(at: &Handle, name: &OsStr) -> io::Result<Option<File>> {
    let file = open_or_create(at, name, true)?;
    Ok(lock(&file)?.then_some(file))
}

/// Takes a lock that others may share, if nobody has it alone; it goes with the file.
pub(crate) fn lock_shared(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Owner and group; a caller that may not give files away gets `Ok(false)`.
pub(crate) fn set_owner(file: &File, uid: u32, gid: u32) -> io::Result<bool> {
    let now = stat_of(file)?;
    if (now.uid, now.gid) == (uid, gid) {
        return Ok(true);
    }
    match rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
        Ok(()) => Ok(true),
        Err(Errno::PERM) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode & 0o7777))?)
}

/// Takes immutable and append-only off an open file or folder.
pub(crate) fn unlock<F: AsFd>(file: &F) -> io::Result<()> {
    let flags = ioctl_getflags(file)?;
    Ok(ioctl_setflags(file, flags - (IFlags::IMMUTABLE | IFlags::APPEND))?)
}

pub(crate) fn set_times(file: &File, atime: (i64, u32), mtime: (i64, u32)) -> io::Result<()> {
    let spec = |(s, n): (i64, u32)| Timespec { tv_sec: s, tv_nsec: n.into() };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: spec(atime), last_modification: spec(mtime) })?)
}

pub(crate) fn stat_of(file: &File) -> io::Result<Raw> {
    statx_fd(file)
}

fn statx_fd(file: &File) -> io::Result<Raw> {
    let fd: OwnedFd = file.try_clone()?.into();
    stat_handle(&fd)
}

/// Extended attributes of an open file or folder; empty where the file system has none.
pub(crate) fn attributes(file: &File) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let mut names = vec![0u8; 64 * 1024];
    let len = match rustix::fs::flistxattr(file, &mut names[..]) {
        Ok(len) => len,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut all = Vec::new();
    for name in names[..len].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0u8; 64 * 1024];
        match rustix::fs::fgetxattr(file, name, &mut value[..]) {
            Ok(len) => {
                value.truncate(len);
                all.push((OsStr::from_bytes(name).to_owned(), value));
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(all)
}

pub(crate) fn set_attribute(file: &File, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
}

pub(crate) fn remove_attribute(file: &File, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::fremovexattr(file, name)?)
}

/// Brings a file of a lower layer up into the layer that is written to, as any change of it would; nothing of it changes but
/// the time of that.
pub(crate) fn copy_up(file: &File) -> io::Result<()> {
    set_mode(file, rustix::fs::fstat(file)?.st_mode)
}

/// Whether the effective user may add and remove names here.
pub(crate) fn may_write(at: &Handle) -> io::Result<bool> {
    use rustix::fs::Access;
    match rustix::fs::accessat(at, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The file system a folder lies on.
pub(crate) fn file_system(at: &Handle) -> io::Result<FileSystem> {
    let dev = stat_handle(at)?.dev;
    let (available, total, read_only) = space(at)?;
    let kind = file_system_type(dev).unwrap_or_else(|| "unknown".to_owned());
    let atomic_rename = match kind.as_str() {
        "ext2" | "vfat" | "msdos" | "exfat" => false,
        "ext4" => has_journal(dev),
        _ => true,
    };
    Ok(FileSystem { dev, kind, available, total, read_only, atomic_rename })
}

/// Free bytes for this user, all bytes, and whether it is read-only.
fn space(at: &Handle) -> io::Result<(u64, u64, bool)> {
    let v = rustix::fs::fstatvfs(at)?;
    let free = if effective_uid() == 0 { v.f_bfree } else { v.f_bavail };
    let bytes = |blocks: u64| blocks.saturating_mul(v.f_frsize);
    Ok((bytes(free), bytes(v.f_blocks), v.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)))
}

pub(crate) fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Type of the file system with device number `dev`, by the mount table.
fn file_system_type(dev: u64) -> Option<String> {
    // A mount point need not be UTF-8; the fields looked at are.
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    let table = String::from_utf8_lossy(&table);
    let wanted = format!("{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    let line = table.lines().rev().find(|l| l.split(' ').nth(2) == Some(&wanted))?;
    line.split(" - ").nth(1)?.split(' ').next().map(str::to_owned)
}

/// Whether an ext4 file system has a journal.
fn has_journal(dev: u64) -> bool {
    let name = format!("/sys/dev/block/{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    let device = std::fs::canonicalize(name).ok();
    let name = device.as_deref().and_then(Path::file_name);
    // Where it cannot be told, nothing is promised.
    name.is_some_and(|n| Path::new("/sys/fs/ext4").join(n).join("journal_task").exists())
}
