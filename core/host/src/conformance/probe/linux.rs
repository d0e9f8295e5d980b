//! Linux: what `/proc` shows of this process.

use super::Left;
use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Resource, Rlimit, setrlimit},
    stdio::{dup2_stdout, stderr},
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Seek},
    thread,
    time::{Duration, Instant},
};

/// Nobody who prints nothing writes more, in bytes.
const MOST_OUTPUT: u64 = 1 << 20;
/// As much of it is told.
const TOLD: u64 = 200;

/// How long what has ended may still be seen: a thread that was waited for is not gone from the list at once.
const ENDING: Duration = Duration::from_secs(1);

/// Standard output, caught.
pub(super) struct Caught(File);

/// Catches what is printed from now on.
pub(super) fn catch_output() -> io::Result<Option<Caught>> {
    let file: File = memfd_create("output", MemfdFlags::CLOEXEC)?.into();
    let limit = Some(MOST_OUTPUT);
    setrlimit(Resource::Fsize, Rlimit { current: limit, maximum: limit })?;
    dup2_stdout(&file)?;
    Ok(Some(Caught(file)))
}

#[expect(unsafe_code, reason = "C's own buffer can be emptied by C alone")]
fn flush() {
    unsafe extern "C" {
        fn fflush(stream: *mut core::ffi::c_void) -> core::ffi::c_int;
    }
    // SAFETY: without a stream it is about all of them.
    unsafe { fflush(core::ptr::null_mut()) };
}

impl Caught {
    /// What was printed; from now on it goes to standard error again.
    pub(super) fn text(mut self) -> io::Result<String> {
        flush();
        dup2_stdout(stderr())?;
        self.0.rewind()?;
        let mut bytes = Vec::new();
        self.0.take(TOLD).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What there is before a plugin is loaded.
pub(super) struct Watch {
    threads: usize,
    sockets: BTreeSet<String>,
}

impl Watch {
    pub(super) fn begin() -> io::Result<Self> {
        Ok(Self { threads: threads(), sockets: sockets() })
    }

    pub(super) fn end(self) -> Option<Left> {
        let until = Instant::now() + ENDING;
        loop {
            let left = self.left();
            if left == Left::default() || Instant::now() >= until {
                return Some(left);
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn left(&self) -> Left {
        let sockets = sockets().difference(&self.sockets).cloned().collect();
        Left { threads: threads().saturating_sub(self.threads), processes: children(), sockets }
    }
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn sockets() -> BTreeSet<String> {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let names = open.filter_map(|fd| fs::read_link(fd.path()).ok()?.to_str().map(str::to_owned));
    names.filter(|name| name.starts_with("socket:")).collect()
}

/// Processes that this one has started, and those whose parent is gone: they have come to the keeper, which is this
/// one's parent. Those that have ended do not count.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let keeper = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let child = |entry: fs::DirEntry| {
        // `self` and `thread-self` are this process once more.
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name is in parentheses and may hold anything, also more of them.
        let (name, rest) = stat.rsplit_once(')')?;
        let mut words = rest.split_whitespace();
        let (state, parent) = (words.next()?, words.next()?);
        let ours = (parent == own || Some(parent) == keeper.as_deref()) && id != std::process::id();
        (ours && state != "Z").then(|| name.split_once('(').map_or("", |(_, n)| n).to_owned())
    };
    processes.filter_map(child).collect()
}
