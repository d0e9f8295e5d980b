//! Windows: the table of all open handles says what each is open for. Without the rights of an administrator others' handles
//! cannot be asked which files they are.

use super::{Identity, Writers};
use crate::{Holder, holders::table};
use std::{collections::BTreeSet, io};

pub(super) fn of(files: &BTreeSet<Identity>) -> io::Result<Writers> {
    let found = table::writers(files).into_iter().map(|(file, pid)| (file, Holder::of(pid))).collect();
    Ok(Writers { found, unseen: 0 })
}
