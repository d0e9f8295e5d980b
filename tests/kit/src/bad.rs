//! The plugin in C that does as it is told, however bad that is.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// A place below the repository.
pub fn repository(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(below)
}

/// Compiles the bad plugin to the library `to`, with more options for the compiler: `-DALWAYS="word"` is what it does
/// whatever it is asked, `-DMARK="path"` a file that it makes when it is loaded, `-DSPEAKS="…"` the messages it speaks.
pub fn compile(to: &Path, options: &[String]) {
    let mut cc = Command::new("gcc");
    cc.args([
        "-std=c11",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-infinite-recursion",
        "-shared",
        "-fPIC",
    ]);
    cc.arg("-I").arg(repository("plugins/sdk/include")).args(options);
    cc.arg("-o").arg(to).arg(repository("tests/kit/plugins/bad.c"));
    let made = cc.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::set_permissions(to, fs::Permissions::from_mode(0o644)).unwrap();
}
