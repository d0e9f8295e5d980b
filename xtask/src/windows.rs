//! The Windows build, made here and run under Wine.
//!
//! The target is the one for Windows 7: the product's servers are of that age, and the usual target's libraries ask
//! for a DLL that Debian's Wine does not have. Debian's `rustc-web` brings the sources of `std` that such a target is
//! built from. What the build needs in its environment is never exported: it would change host builds too.

use crate::build::{call, cargo, root, target};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

const TARGET: &str = "x86_64-win7-windows-gnu";
const RUSTC: &str = "/usr/bin/rustc";

/// Programs (or files, by absolute path), and the Debian package each is in.
pub(crate) const NEEDS: &[(&str, &str)] = &[
    (RUSTC, "rustc-web"),
    ("/usr/lib/rustlib/src/rust/library/Cargo.lock", "rust-web-src"),
    ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
    ("wine", "wine"),
    ("/usr/lib/wine/wine64", "wine64"),
];

/// What has been brought to Windows so far.
const PACKAGES: &[&str] = &["backout-protocol", "backout-disk", "backout-journal", "backout-machine"];

/// Builds and runs the tests of every package that has been brought to Windows.
pub(crate) fn test() -> Result<(), String> {
    let _server = prefix()?;
    let mut test =
        cargo(&["test", "--quiet", "-Zbuild-std", "--target", TARGET, "--lib", "--bins", "--tests"]);
    test.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    call(environment(&mut test))
}

/// A Windows of our own: nothing of the user's is changed.
fn folder() -> PathBuf {
    target().join("wine")
}

fn environment(command: &mut Command) -> &mut Command {
    command
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_X86_64_WIN7_WINDOWS_GNU_LINKER", "x86_64-w64-mingw32-gcc")
        .env("CARGO_TARGET_X86_64_WIN7_WINDOWS_GNU_RUNNER", "wine")
        // Set by the toolchain that runs this; the build above is another's.
        .env_remove("RUSTUP_TOOLCHAIN");
    wine(command)
}

fn wine(command: &mut Command) -> &mut Command {
    command.env("WINEPREFIX", folder()).env("WINEDEBUG", "-all").env_remove("DISPLAY")
}

/// Makes the prefix where there is none, and keeps its server alive: without one each test would start its own.
fn prefix() -> Result<Server, String> {
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let quiet = |command: &mut Command| {
        call(wine(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    };
    quiet(Command::new("wineserver").arg("-p"))?;
    let server = Server;
    if !folder.join("system.reg").exists() {
        quiet(Command::new("wine").args(["wineboot", "-i"]))?;
    }
    // The first program starts the system's own services, which keep its output open as long as they live: whoever reads
    // ours through a pipe would wait for them.
    quiet(Command::new("wine").args(["cmd", "/c", "exit"]))?;
    Ok(server)
}

/// A server that stays until it is dropped; its services go with it.
struct Server;

impl Drop for Server {
    fn drop(&mut self) {
        let _ = wine(&mut Command::new("wineserver")).arg("-k").current_dir(root()).status();
    }
}
