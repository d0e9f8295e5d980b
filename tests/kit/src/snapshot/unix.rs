//! Mode bits and owners.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    mode: u32,
    owner: (u32, u32),
}

impl Marks {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { mode: meta.mode(), owner: (meta.uid(), meta.gid()) }
    }
}
