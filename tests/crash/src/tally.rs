//! What the sweeps count, added up over all of them: `cargo xtask test crash` prints the table.

use std::{fs::OpenOptions, io::Write};

/// Where the counts are gathered, one a line; nobody asks: nothing is written.
const FILE: &str = "BACKOUT_TALLY";

/// Counts `n` more of `what`. Test programs that run side by side may all add to it.
pub fn add(what: &str, n: u64) {
    let Some(path) = std::env::var_os(FILE) else { return };
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    // One short write at the end of the file is never torn by another.
    file.write_all(format!("{n}\t{what}\n").as_bytes()).unwrap();
}
