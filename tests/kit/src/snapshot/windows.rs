//! Attributes. Access lists are the business of `disk`'s own tests.

use std::{fs::Metadata, os::windows::fs::MetadataExt};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    attributes: u32,
}

impl Marks {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { attributes: meta.file_attributes() }
    }
}
