//! Mode bits, owners and attributes, access lists among them.

use std::{collections::BTreeMap, fs::Metadata, os::unix::fs::MetadataExt, path::Path};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    mode: u32,
    owner: (u32, u32),
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Marks {
    pub(super) fn of(path: &Path, meta: &Metadata) -> Self {
        let attributes = if meta.is_file() || meta.is_dir() { attributes(path) } else { BTreeMap::new() };
        Self { mode: meta.mode(), owner: (meta.uid(), meta.gid()), attributes }
    }
}

/// Where there are none, or they may not be seen: none.
fn attributes(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0u8; 64 * 1024];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len].split(|b| *b == 0).filter(|n| !n.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0u8; 64 * 1024];
        let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
        value.truncate(len);
        value
    };
    names.map(|name| (name.to_owned(), value(name))).collect()
}
