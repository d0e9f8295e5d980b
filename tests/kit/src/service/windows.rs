//! A program of the kit.

use crate::{binary::program, place};
use backout_demo::service;
use std::{fs, path::Path};

pub(super) const NAME: &str = "ctl.exe";
pub(super) const LOG: &str = service::LOG;

pub(super) fn install(dir: &Path) {
    place::program(&program("backout-kit", "ctl"), &dir.join(NAME));
}

/// Ends what still runs of them.
pub(super) fn end(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for folder in entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()) {
        let _ = service::stop(&folder);
    }
}
