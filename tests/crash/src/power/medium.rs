//! What lies on a medium: files, folders and links by number, and what one change makes of them.

use super::tree::{Item, Tree};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Arc, OnceLock},
};

/// A file or folder, whatever it is called.
pub(super) type Node = usize;
/// The world's folder.
pub(super) const ROOT: Node = 0;
/// What a file or folder holds.
#[derive(Debug, Clone)]
pub(super) enum Body {
    File(Arc<Vec<u8>>),
    Folder(BTreeMap<OsString, Node>),
    Link(OsString),
}

#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) body: Body,
    mode: u32,
    owner: (u32, u32),
    mtime: Option<(i64, u32)>,
    /// Of all of the above but a folder's names, once somebody has asked.
    digest: OnceLock<[u8; 32]>,
}

/// A name in a folder.
pub(super) type Name = (Node, OsString);

/// One change that a crash may lose.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Names lead elsewhere, or nowhere; all of them at once.
    Names(Vec<(Name, Option<Node>)>),
    /// Bytes of a file.
    Data(Node, u64, Vec<u8>),
    /// A file is cut or grows.
    Length(Node, u64),
    /// Mode, owner, time.
    Mode(Node, u32),
    /// Owner and group.
    Owner(Node, (u32, u32)),
    /// Modification time.
    Time(Node, (i64, u32)),
}

/// What is left of the bytes of a write that no sync has covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bytes {
    /// All.
    Whole,
    /// The file is as long, and there are zeros.
    Zeros,
    /// The first half.
    Half,
    /// The second half; before it what was there, or zeros.
    Rest,
}

/// Everything by number. Copies share what none of them has changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Inodes(pub(super) Vec<Arc<Inode>>);

/// What is on a medium.
#[derive(Debug, Clone)]
pub struct Medium(pub(super) Inodes);

impl Inode {
    pub(super) fn new(body: Body, mode: u32, owner: (u32, u32), mtime: Option<(i64, u32)>) -> Self {
        Self { body, mode, owner, mtime, digest: OnceLock::new() }
    }

    fn digest(&self) -> &[u8; 32] {
        self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            let kind = match &self.body {
                Body::File(_) => 'f',
                Body::Folder(_) => 'd',
                Body::Link(_) => 'l',
            };
            hash.update(format!("{kind} {:o} {:?} {:?} ", self.mode, self.owner, self.mtime));
            match &self.body {
                Body::File(data) => hash.update(data.as_slice()),
                Body::Folder(_) => {}
                Body::Link(to) => hash.update(to.as_bytes()),
            }
            hash.finalize().into()
        })
    }

    pub(super) fn apply(&mut self, change: &Change, bytes: Bytes) {
        self.digest = OnceLock::new();
        if let Change::Data(..) | Change::Length(..) = change {
            // It is now whatever the clock says.
            self.mtime = None;
        }
        match change {
            Change::Names(_) => panic!("names are a folder's"),
            Change::Data(_, offset, data) => {
                let Body::File(held) = &mut self.body else { panic!("no file") };
                let held = Arc::make_mut(held);
                let (from, half) = (usize::try_from(*offset).unwrap(), data.len() / 2);
                let end = from + if bytes == Bytes::Half { half } else { data.len() };
                if held.len() < end {
                    held.resize(end, 0);
                }
                match bytes {
                    Bytes::Whole | Bytes::Half => held[from..end].copy_from_slice(&data[..end - from]),
                    Bytes::Rest => held[from + half..end].copy_from_slice(&data[half..]),
                    Bytes::Zeros => held[from..end].fill(0),
                }
            }
            Change::Length(_, len) => {
                let Body::File(held) = &mut self.body else { panic!("no file") };
                Arc::make_mut(held).resize(usize::try_from(*len).unwrap(), 0);
            }
            Change::Mode(_, mode) => self.mode = *mode,
            Change::Owner(_, owner) => self.owner = *owner,
            Change::Time(_, time) => self.mtime = Some(*time),
        }
    }
}

impl Inodes {
    pub(super) fn lookup(&self, at: Node, name: &std::ffi::OsStr) -> Option<Node> {
        match &self.0[at].body {
            Body::Folder(names) => names.get(name).copied(),
            Body::File(_) | Body::Link(_) => None,
        }
    }

    pub(super) fn len(&self, at: Node) -> u64 {
        match &self.0[at].body {
            Body::File(data) => data.len() as u64,
            Body::Folder(_) | Body::Link(_) => 0,
        }
    }

    /// All of the change.
    pub(super) fn apply(&mut self, change: &Change) {
        let Change::Names(names) = change else {
            let node = change.node().unwrap();
            return Arc::make_mut(&mut self.0[node]).apply(change, Bytes::Whole);
        };
        for ((folder, name), to) in names {
            let Body::Folder(held) = &mut Arc::make_mut(&mut self.0[*folder]).body else {
                panic!("no folder")
            };
            match to {
                Some(node) => drop(held.insert(name.clone(), *node)),
                None => drop(held.remove(name)),
            }
        }
    }

    pub(super) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        self.walk(ROOT, Path::new(""), &mut tree);
        tree
    }

    fn walk(&self, at: Node, path: &Path, tree: &mut Tree) {
        let Body::Folder(names) = &self.0[at].body else { return };
        for (name, node) in names {
            let (path, inode) = (path.join(name), &self.0[*node]);
            let (data, link) = match &inode.body {
                Body::File(data) => (Some(data.clone()), None),
                Body::Folder(_) => (None, None),
                Body::Link(to) => (None, Some(to.clone())),
            };
            let (mode, owner, mtime) = (inode.mode, inode.owner, inode.mtime);
            tree.insert(path.clone(), Item { data, link, mode, owner, mtime, number: *node });
            self.walk(*node, &path, tree);
        }
    }

    fn digest(&self, at: Node, hash: &mut Sha256) {
        let Body::Folder(names) = &self.0[at].body else { return };
        hash.update((names.len() as u64).to_le_bytes());
        for (name, node) in names {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(self.0[*node].digest());
            self.digest(*node, hash);
        }
    }
}

impl Medium {
    /// As it lies there.
    pub fn tree(&self) -> Tree {
        self.0.tree()
    }

    /// The same of what is the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.0.digest(ROOT, &mut hash);
        hash.finalize().into()
    }
}

impl Change {
    pub(super) fn node(&self) -> Option<Node> {
        match self {
            Change::Names(_) => None,
            Change::Data(node, ..)
            | Change::Length(node, _)
            | Change::Mode(node, _)
            | Change::Owner(node, _)
            | Change::Time(node, _) => Some(*node),
        }
    }
}
