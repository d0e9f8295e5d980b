//! A file system that forgets: what a call changes is seen at once, and lies on the medium only when a sync said so.
//!
//! The model is weak POSIX. A file's contents and rights are durable after its fsync; a name after the fsync of its
//! folder, and one that moved between two folders after both; everything after a syncfs. Until then any part of it may
//! be on the medium or not. Two things are kept in order, as every journalling file system keeps them: changes of the
//! same name, and changes of names of the same file. A rename, an exchange too, is on the medium whole or not at all:
//! where that is not so, backout warns of the file system.

use super::{
    medium::{Body, Bytes, Change, Inode, Inodes, Medium, Name, Node, ROOT},
    strace::{BEGINS, Call},
    tree::Tree,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// Files are made with this taken off their mode, unless their maker has said otherwise.
const UMASK: u32 = 0o022;

/// A change that is not durable yet.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What.
    change: Change,
    /// Which of all changes it is.
    number: u64,
    /// Folders that are still to be synced for it.
    wants: BTreeSet<Node>,
}

/// For each pending change the earlier ones that it can only be on the medium together with.
pub type Ties = Vec<Vec<usize>>;

/// What changes that survive make of a file: the same come up again and again, and some files are long.
#[derive(Default)]
pub struct Variants {
    known: HashMap<Survived, Variant>,
    /// Bytes of files in it.
    held: usize,
}

/// What it was, by where that lies, and which changes of it survive.
type Survived = (*const Inode, Vec<(u64, Bytes)>);

/// What it was, held so that nothing else comes to lie there, and what it becomes.
type Variant = (Arc<Inode>, Arc<Inode>);

/// The file system.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    seen: Inodes,
    durable: Inodes,
    /// What may be lost, oldest first.
    pub pending: Vec<Pending>,
    /// How many changes there were.
    changes: u64,
    /// By table and number.
    handles: BTreeMap<(u32, i64), Handle>,
    /// Which table a thread has; none: that of its own number.
    tables: BTreeMap<u32, u32>,
    /// What is taken off the mode of new files, by table, where it is not [`UMASK`].
    umasks: BTreeMap<u32, u32>,
}

/// Something open.
#[derive(Debug, Clone, Copy)]
struct Handle {
    node: Node,
    offset: u64,
    /// Each write goes to the end.
    appends: bool,
    /// It does not outlive another program in the process.
    closes: bool,
}

impl Variants {
    /// More is forgotten.
    const HELD: usize = 256 << 20;

    fn of(&mut self, inode: &Arc<Inode>, changes: &[(&Pending, Bytes)]) -> Arc<Inode> {
        let key = changes.iter().map(|(pending, bytes)| (pending.number, *bytes)).collect();
        if self.held > Self::HELD {
            *self = Self::default();
        }
        let held = &mut self.held;
        let made = || {
            let mut made = Inode::clone(inode);
            changes.iter().for_each(|(pending, bytes)| made.apply(&pending.change, *bytes));
            if let Body::File(data) = &made.body {
                *held += data.len();
            }
            (inode.clone(), Arc::new(made))
        };
        self.known.entry((Arc::as_ptr(inode), key)).or_insert_with(made).1.clone()
    }
}

impl Pending {
    /// Whether the later change can only be on the medium together with the earlier one.
    fn follows(&self, earlier: &Pending) -> bool {
        match (&self.change, &earlier.change) {
            (Change::Names(mine), Change::Names(theirs)) => mine.iter().any(|(name, node)| {
                theirs.iter().any(|(n, other)| n == name || (node.is_some() && node == other))
            }),
            _ => false,
        }
    }

    /// What it is, in words; of long bytes the first ones.
    pub fn told(&self) -> String {
        match &self.change {
            Change::Data(node, at, bytes) => {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
                format!("Data({node}, {at}, {} bytes: {shown:?})", bytes.len())
            }
            other => format!("{other:?}").chars().take(160).collect(),
        }
    }

    /// Whether it is about bytes, which may be there in part.
    pub fn is_data(&self) -> bool {
        matches!(self.change, Change::Data(..))
    }
}

impl Disk {
    /// The medium as it is before the first call: all of it is durable.
    pub fn new(root: &Path, tree: &Tree) -> Self {
        let folder = Inode::new(Body::Folder(BTreeMap::new()), 0o700, (0, 0), None);
        let mut inodes = Inodes(vec![Arc::new(folder)]);
        let mut numbers: BTreeMap<usize, Node> = BTreeMap::new();
        for (path, item) in tree {
            let node = *numbers.entry(item.number).or_insert_with(|| {
                let body = match (&item.data, &item.link) {
                    (Some(data), _) => Body::File(data.clone()),
                    (None, Some(to)) => Body::Link(to.clone()),
                    (None, None) => Body::Folder(BTreeMap::new()),
                };
                inodes.0.push(Arc::new(Inode::new(body, item.mode, item.owner, item.mtime)));
                inodes.0.len() - 1
            });
            let at = path
                .parent()
                .unwrap()
                .components()
                .fold(ROOT, |at, part| inodes.lookup(at, part.as_os_str()).unwrap());
            let name = (at, path.file_name().unwrap().to_owned());
            inodes.apply(&Change::Names(vec![(name, Some(node))]));
        }
        let durable = inodes.clone();
        let (pending, changes, handles, tables, umasks) = Default::default();
        Self { root: root.to_owned(), seen: inodes, durable, pending, changes, handles, tables, umasks }
    }

    /// What everybody sees who has not lost power.
    pub fn seen(&self) -> Tree {
        self.seen.tree()
    }

    /// What is on the medium if of the pending changes those survive that `keeps` says, each with what it needs.
    pub fn after(
        &self,
        mut keeps: Vec<bool>,
        bytes: impl Fn(usize) -> Bytes,
        ties: &Ties,
        variants: &mut Variants,
    ) -> Medium {
        self.with_needed(&mut keeps, ties);
        let kept = || self.pending.iter().enumerate().filter(|(at, _)| keeps[*at]);
        let mut changed: BTreeMap<Node, Vec<(&Pending, Bytes)>> = BTreeMap::new();
        for (at, pending) in kept() {
            if let Some(node) = pending.change.node() {
                let bytes = if pending.is_data() { bytes(at) } else { Bytes::Whole };
                changed.entry(node).or_default().push((pending, bytes));
            }
        }
        let mut medium = self.durable.clone();
        for (node, changes) in changed {
            medium.0[node] = variants.of(&medium.0[node], &changes);
        }
        // A folder's names behind its rights: what it becomes by those is known without its names.
        for (_, pending) in kept().filter(|(_, pending)| pending.change.node().is_none()) {
            medium.apply(&pending.change);
        }
        Medium(medium)
    }

    /// Which pending changes need which.
    pub fn ties(&self) -> Ties {
        let needed =
            |at: usize| (0..at).filter(|earlier| self.pending[at].follows(&self.pending[*earlier])).collect();
        (0..self.pending.len()).map(needed).collect()
    }

    /// Adds what these cannot be on the medium without.
    fn with_needed(&self, keeps: &mut [bool], ties: &Ties) {
        for at in (0..keeps.len()).rev().filter(|at| !ties[*at].is_empty()) {
            if keeps[at] {
                ties[at].iter().for_each(|earlier| keeps[*earlier] = true);
            }
        }
    }

    /// All pending changes but one and those that cannot be on the medium without it.
    pub fn without(&self, at: usize, ties: &Ties) -> Vec<bool> {
        let mut keeps = vec![true; self.pending.len()];
        keeps[at] = false;
        for later in at + 1..keeps.len() {
            keeps[later] = ties[later].iter().all(|earlier| keeps[*earlier]);
        }
        keeps
    }

    /// Carries one call out. Says whether it changed anything, be it only what is durable.
    pub fn play(&mut self, call: &Call) -> bool {
        let call = &with_handle(call);
        match call.name.as_str() {
            "openat" | "openat2" => return self.open(call),
            "close" => drop(self.handles.remove(&self.key(call, 0))),
            "dup" | "dup2" | "dup3" => self.copy(call, call.args.len() > 2 && call.has(2, "O_CLOEXEC")),
            "fcntl" if call.args[1].starts_with("F_DUPFD") => {
                self.copy(call, call.args[1].ends_with("CLOEXEC"));
            }
            "fcntl" if call.args[1] == "F_SETFD" => {
                let (key, closes) = (self.key(call, 0), call.has(2, "FD_CLOEXEC"));
                if let Some(handle) = self.handles.get_mut(&key) {
                    handle.closes = closes;
                }
            }
            "fcntl" => {}
            "lseek" => {
                let key = self.key(call, 0);
                if let Some(handle) = self.handles.get_mut(&key) {
                    handle.offset = u64::try_from(call.ret).unwrap();
                }
            }
            "umask" => {
                let (table, mask) = (self.table(call), u32::try_from(call.number(0)).unwrap());
                self.umasks.insert(table, mask);
            }
            BEGINS => self.begins(call),
            "execve" => {
                let table = self.table(call);
                self.handles.retain(|(of, _), handle| *of != table || !handle.closes);
            }
            "write" => return self.write(call, None),
            "pwrite64" => return self.write(call, Some(u64::try_from(call.number(3)).unwrap())),
            "mkdirat" => {
                let Some(name) = self.name(call, 0) else { return false };
                let mode = u32::try_from(call.number(2)).unwrap() & !self.umask(call);
                let node = self.make(Body::Folder(BTreeMap::new()), mode);
                self.names(vec![(name, Some(node))]);
                return true;
            }
            "symlinkat" => {
                let Some(name) = self.name(call, 1) else { return false };
                let node = self.make(Body::Link(OsString::from_vec(call.bytes(0))), 0o777);
                self.names(vec![(name, Some(node))]);
                return true;
            }
            "unlinkat" => {
                let Some(name) = self.name(call, 0) else { return false };
                self.names(vec![(name, None)]);
                return true;
            }
            "renameat" | "renameat2" => return self.rename(call),
            "linkat" => {
                let (Some(from), Some(to)) = (self.name(call, 0), self.name(call, 2)) else { return false };
                let node = self.seen.lookup(from.0, &from.1).unwrap();
                self.names(vec![(to, Some(node))]);
                return true;
            }
            "fsync" | "fdatasync" => match self.handle(call) {
                Some(handle) => return self.sync(handle.node),
                None => return false,
            },
            "syncfs" => {
                if self.handle(call).is_some() {
                    return self.settle(vec![true; self.pending.len()]);
                }
            }
            "fchmod" | "fchown" | "fchmodat" | "fchownat" | "utimensat" | "ftruncate" | "fallocate" => {
                return self.dress(call);
            }
            other => panic!("the double does not know `{other}`: {call:?}"),
        }
        false
    }

    /// The table of handles of whoever makes the call.
    fn table(&self, call: &Call) -> u32 {
        self.tables.get(&call.process).copied().unwrap_or(call.process)
    }

    fn umask(&self, call: &Call) -> u32 {
        self.umasks.get(&self.table(call)).copied().unwrap_or(UMASK)
    }

    fn key(&self, call: &Call, at: usize) -> (u32, i64) {
        (self.table(call), call.number(at))
    }

    /// What the first argument stands for, if it is in the world.
    fn handle(&self, call: &Call) -> Option<Handle> {
        self.handles.get(&self.key(call, 0)).copied()
    }

    /// A thread has the handles of its process, a process a copy of its parent's.
    fn begins(&mut self, call: &Call) {
        let (of, new) = (self.table(call), u32::try_from(call.ret).unwrap());
        if call.args[0] == "together" {
            self.tables.insert(new, of);
            return;
        }
        let copies: Vec<_> =
            self.handles.iter().filter(|((table, _), _)| *table == of).map(|((_, n), h)| (*n, *h)).collect();
        let umask = self.umask(call);
        self.umasks.insert(new, umask);
        self.handles.extend(copies.into_iter().map(|(number, handle)| ((new, number), handle)));
    }

    fn copy(&mut self, call: &Call, closes: bool) {
        let to = (self.table(call), call.ret);
        match self.handle(call) {
            Some(handle) => drop(self.handles.insert(to, Handle { closes, ..handle })),
            None => drop(self.handles.remove(&to)),
        }
    }

    fn open(&mut self, call: &Call) -> bool {
        let key = (self.table(call), call.ret);
        self.handles.remove(&key);
        let handle = |node| Handle {
            node,
            offset: 0,
            appends: call.has(2, "O_APPEND"),
            closes: call.has(2, "O_CLOEXEC"),
        };
        let Some(folder_and_name) = self.name(call, 0) else {
            // The world's folder itself, or a folder by a handle to it.
            if let Some(node) = self.resolve(call, 0) {
                self.handles.insert(key, handle(node));
            }
            return false;
        };
        let (at, name) = folder_and_name;
        match self.seen.lookup(at, &name) {
            Some(node) => {
                self.handles.insert(key, handle(node));
                let cuts = call.has(2, "O_TRUNC") && self.seen.len(node) > 0;
                if cuts {
                    self.change(Change::Length(node, 0), BTreeSet::new());
                }
                cuts
            }
            None if call.has(2, "O_CREAT") => {
                let mode = u32::try_from(call.number(3)).unwrap() & !self.umask(call);
                let node = self.make(Body::File(Arc::default()), mode);
                self.names(vec![((at, name), Some(node))]);
                self.handles.insert(key, handle(node));
                true
            }
            // In a folder that was left out of the tree.
            None => false,
        }
    }

    fn make(&mut self, body: Body, mode: u32) -> Node {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        for inodes in [&mut self.seen, &mut self.durable] {
            inodes.0.push(Arc::new(Inode::new(body.clone(), mode, owner, None)));
        }
        self.seen.0.len() - 1
    }

    /// The file or folder that the path at `at` names, relative to the handle before it.
    fn resolve(&self, call: &Call, at: usize) -> Option<Node> {
        let path = PathBuf::from(OsString::from_vec(call.bytes(at + 1)));
        let (start, rest) = if path.is_absolute() {
            (ROOT, path.strip_prefix(&self.root).ok()?.to_owned())
        } else if call.args[at] == "AT_FDCWD" {
            return None;
        } else {
            (self.handles.get(&self.key(call, at))?.node, path)
        };
        rest.components().try_fold(start, |node, part| match part {
            Component::CurDir => Some(node),
            Component::Normal(name) => self.seen.lookup(node, name),
            _ => None,
        })
    }

    /// The folder and the name in it; `None`: outside of the world.
    fn name(&self, call: &Call, at: usize) -> Option<Name> {
        let path = call.bytes(at + 1);
        let path = Path::new(std::ffi::OsStr::from_bytes(&path));
        let name = path.file_name()?.to_owned();
        let above = path.parent().unwrap_or(Path::new(""));
        let mut shorter = call.clone();
        let hex: String = above.as_os_str().as_bytes().iter().map(|b| format!("\\x{b:02x}")).collect();
        shorter.args[at + 1] = format!("\"{hex}\"");
        Some((self.resolve(&shorter, at)?, name))
    }

    fn change(&mut self, change: Change, wants: BTreeSet<Node>) {
        self.seen.apply(&change);
        self.changes += 1;
        self.pending.push(Pending { change, number: self.changes, wants });
    }

    fn names(&mut self, names: Vec<(Name, Option<Node>)>) {
        let wants = names.iter().map(|((folder, _), _)| *folder).collect();
        self.change(Change::Names(names), wants);
    }

    fn rename(&mut self, call: &Call) -> bool {
        let (Some(from), Some(to)) = (self.name(call, 0), self.name(call, 2)) else { return false };
        let moved = self.seen.lookup(from.0, &from.1);
        assert!(moved.is_some(), "nothing to rename: {call:?}");
        let exchange = call.args.len() > 4 && call.has(4, "RENAME_EXCHANGE");
        let back = if exchange { self.seen.lookup(to.0, &to.1) } else { None };
        self.names(vec![(from, back), (to, moved)]);
        true
    }

    fn write(&mut self, call: &Call, place: Option<u64>) -> bool {
        let Some(handle) = self.handle(call) else { return false };
        let mut data = call.bytes(1);
        data.truncate(usize::try_from(call.ret).unwrap());
        let at = match place {
            Some(place) => place,
            None if handle.appends => self.seen.len(handle.node),
            None => handle.offset,
        };
        if place.is_none() {
            let offset = at + data.len() as u64;
            self.handles.insert(self.key(call, 0), Handle { offset, ..handle });
        }
        self.change(Change::Data(handle.node, at, data), BTreeSet::new());
        true
    }

    fn dress(&mut self, call: &Call) -> bool {
        let by_name = call.name.ends_with("at") && call.args[1] != "NULL" && call.args[1] != "\"\"";
        let node = match by_name {
            true => self.name(call, 0).and_then(|(folder, name)| self.seen.lookup(folder, &name)),
            false => self.handle(call).map(|handle| handle.node),
        };
        let Some(node) = node else { return false };
        let number = |at: usize| u32::try_from(call.number(at)).unwrap();
        let change = match call.name.as_str() {
            "fchmod" => Change::Mode(node, number(1) & 0o7777),
            "fchmodat" => Change::Mode(node, number(2) & 0o7777),
            "fchown" => Change::Owner(node, (number(1), number(2))),
            "fchownat" => Change::Owner(node, (number(2), number(3))),
            "ftruncate" => Change::Length(node, u64::try_from(call.number(1)).unwrap()),
            "fallocate" => {
                assert_eq!(call.args[1], "0", "{call:?}");
                let end = u64::try_from(call.number(2) + call.number(3)).unwrap();
                Change::Length(node, end.max(self.seen.len(node)))
            }
            _ => Change::Time(node, modified(&call.args[2])),
        };
        self.change(change, BTreeSet::new());
        true
    }

    /// A file's contents and rights are durable now; of a folder, its names too.
    fn sync(&mut self, node: Node) -> bool {
        for pending in &mut self.pending {
            pending.wants.remove(&node);
        }
        let done = |p: &Pending| match p.change {
            Change::Names(_) => p.wants.is_empty(),
            _ => p.change.node() == Some(node),
        };
        self.settle(self.pending.iter().map(done).collect())
    }

    /// These are durable, and what they need.
    fn settle(&mut self, mut settled: Vec<bool>) -> bool {
        if !settled.contains(&true) {
            return false;
        }
        self.with_needed(&mut settled, &self.ties());
        let mut kept = Vec::new();
        for (pending, settled) in std::mem::take(&mut self.pending).into_iter().zip(settled) {
            if settled {
                self.durable.apply(&pending.change);
            } else {
                kept.push(pending);
            }
        }
        self.pending = kept;
        true
    }
}

/// A call that names a file by a path alone, as one that names it relative to a handle.
fn with_handle(call: &Call) -> Call {
    let name = match call.name.as_str() {
        "open" => "openat",
        "mkdir" => "mkdirat",
        "unlink" | "rmdir" => "unlinkat",
        "rename" => "renameat",
        _ => return call.clone(),
    };
    let paths = call.args.iter().enumerate();
    let args = paths.flat_map(|(at, arg)| {
        let is_path = at == 0 || name == "renameat";
        is_path.then(|| "AT_FDCWD".to_owned()).into_iter().chain([arg.clone()])
    });
    Call { name: name.to_owned(), args: args.collect(), ..call.clone() }
}

/// The second of the two times of `utimensat`.
fn modified(times: &str) -> (i64, u32) {
    let number = |key: &str| {
        let text = times.rsplit(key).next().unwrap();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(text.len());
        text[..end].parse::<i64>().unwrap()
    };
    (number("tv_sec="), u32::try_from(number("tv_nsec=")).unwrap())
}
