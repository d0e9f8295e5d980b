//! Windows: the table of all open handles says what each is open for. Without the rights of an administrator others' handles
//! cannot be asked which files they are.

use super::{Identity, Writers};
use crate::{Holder, holders::table, process};
use std::{collections::BTreeSet, io};

pub(super) fn of(files: &BTreeSet<Identity>) -> io::Result<Writers> {
    let with_image = |(file, pid)| (file, Holder { pid, image: process::image_of(pid).unwrap_or_default() });
    let found = table::writers(files).into_iter().map(with_image).collect();
    Ok(Writers { found, unseen: 0 })
}
