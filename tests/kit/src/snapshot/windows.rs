//! Attributes. Access lists are the business of `disk`'s own tests.

use std::{fs::Metadata, os::windows::fs::MetadataExt, path::Path};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    attributes: u32,
}

impl Marks {
    pub(super) fn of(_path: &Path, meta: &Metadata) -> Self {
        Self { attributes: meta.file_attributes() }
    }
}
