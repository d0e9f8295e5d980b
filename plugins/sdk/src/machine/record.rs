//! What was asked, and what the answers were.

use backout_protocol::{
    HostPath,
    message::{Known, KnownFile},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Every question so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    /// What is known from the answers.
    pub(crate) paths: BTreeMap<HostPath, Known>,
    /// What was asked about, also where the answer followed from a folder's.
    pub(crate) asked: BTreeSet<HostPath>,
}

impl Record {
    /// Adds what is known of a path to what was before.
    pub(super) fn learn(&mut self, path: &Path, known: Known) {
        let before = self.paths.remove(&HostPath(path.to_owned()));
        let known = match before {
            Some(before) => merged(before, known),
            None => known,
        };
        self.paths.insert(HostPath(path.to_owned()), known);
    }
}

fn merged(before: Known, now: Known) -> Known {
    match (before, now) {
        (Known::File(before), Known::File(now)) => Known::File(KnownFile {
            len: now.len,
            text: now.text.or(before.text),
            hex: now.hex.or(before.hex),
            sha256: now.sha256.or(before.sha256),
            pe: now.pe.or(before.pe),
            unreadable: now.unreadable.or(before.unreadable),
        }),
        (known @ (Known::Folder(Some(_)) | Known::Closed(_)), Known::Folder(None))
        | (known @ Known::Symlink(Some(_)), Known::Symlink(None)) => known,
        (_, now) => now,
    }
}
