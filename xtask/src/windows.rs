//! The Windows build, made here and run under Wine.
//!
//! The target is the one for Windows 7: the product's servers are of that age, and the usual target's libraries ask
//! for a DLL that Debian's Wine does not have. Debian's `rustc-web` brings the sources of `std` that such a target is
//! built from. What the build needs in its environment is never exported: it would change host builds too.

mod installer;

use crate::{
    build::{PLUGINS, call, cargo, root, target},
    programs::{self, Program, Round},
};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

pub(crate) const TARGET: &str = "x86_64-win7-windows-gnu";
/// The engine and the machine are not optimised here: what that is for, recoveries many thousand times, is not run under Wine, and it
/// takes this compiler minutes. And nothing is written for debuggers: each world of a test has copies of all plugins.
const PLAIN: [&str; 3] = [
    "profile.dev.package.backout-engine.opt-level=0",
    "profile.dev.package.backout-machine.opt-level=0",
    "profile.dev.debug=0",
];
/// For machines of 32 bits: built, and not run here.
pub(crate) const TARGET_X86: &str = "i686-win7-windows-gnu";
const RUSTC: &str = "/usr/bin/rustc";

/// Programs (or files, by absolute path) that the build takes, and the Debian package each is in.
pub(crate) const BUILD_NEEDS: &[(&str, &str)] = &[
    (RUSTC, "rustc-web"),
    ("/usr/lib/rustlib/src/rust/library/Cargo.lock", "rust-web-src"),
    ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
];

/// The same for the tests.
pub(crate) const NEEDS: &[(&str, &str)] = &[
    BUILD_NEEDS[0],
    BUILD_NEEDS[1],
    BUILD_NEEDS[2],
    ("wine", "wine"),
    ("/usr/lib/wine/wine64", "wine64"),
    ("wixl", "wixl"),
    ("msibuild", "msitools"),
];

/// What has been brought to Windows so far.
const PACKAGES: &[&str] =
    &["backout-protocol", "backout-pe", "backout-disk", "backout-journal", "backout-machine"];

/// End-to-end tests that ask for nothing of a system's own but what the others ask for too. They are run on Linux alone: each
/// program that is started under Wine takes its time. The handbook's page on what is not exercised says so.
const LINUX_ALONE: &[&str] = &[
    "advice",
    "apply",
    "fixtures",
    "half_applied",
    "page",
    "snapshot",
    "snapshot_restore",
    "staged",
    "undo_path",
];

/// End-to-end tests with services of the service manager: their names and folders are there once only, so one runs at a time.
const MANAGER: &[&str] = &["scm", "scm_killed", "locked_windows", "registry"];

/// Builds and runs the tests of every package that has been brought to Windows, the main job on its demo, the recovery
/// at boot, the end-to-end tests that are not Linux's alone, the installers, and a reboot.
pub(crate) fn test(round: &mut Round) -> Result<(), String> {
    let server = prefix()?;
    let tested = packages(round)
        .and_then(|()| demo())
        .and_then(|()| boot(round))
        .and_then(|()| whole(round))
        .and_then(|()| installers());
    drop(server);
    tested?;
    crate::reboot::test(round)
}

/// The recovery at boot, on the program and the plugins that the demo was built of.
fn boot(round: &mut Round) -> Result<(), String> {
    tests(&["--package", "backout", "--test", "boot"], round)
}

/// A call of cargo for the Windows build; [`environment`] belongs to it.
pub(crate) fn for_windows(verb: &str) -> Command {
    let mut call = cargo(&[verb, "--quiet", "-Zbuild-std", "--target", TARGET]);
    call.args(PLAIN.iter().flat_map(|setting| ["--config", setting]));
    call
}

/// Builds test programs and runs each under Wine.
pub(crate) fn tests(which: &[&str], round: &mut Round) -> Result<(), String> {
    programs::each(&build(which)?, under_wine, round)
}

fn build(which: &[&str]) -> Result<Vec<Program>, String> {
    let mut build = for_windows("test");
    programs::build(environment(build.args(which)))
}

fn under_wine(program: &Program) -> Command {
    let mut command = Command::new("wine");
    wine(&mut command).arg(&program.path).arg("--nocapture");
    command
}

/// The end-to-end tests, on the program and the plugins that the demo was built of and the kit's own programs. Those of the
/// service manager mostly wait for it, and go beside the others.
fn whole(round: &mut Round) -> Result<(), String> {
    let mut kit = for_windows("build");
    kit.args(["--package", "backout-kit"])
        .args(["ctl", "service", "setup"].map(|bin| format!("--bin={bin}")));
    call(environment(&mut kit))?;
    let mut which = vec!["--package".to_owned(), "backout-e2e".to_owned()];
    which.extend(end_to_end()?.into_iter().map(|name| format!("--test={name}")));
    let which: Vec<&str> = which.iter().map(String::as_str).collect();
    let (manager, others) =
        build(&which)?.into_iter().partition(|program| MANAGER.contains(&program.name.as_str()));
    programs::in_lanes(vec![manager, others], under_wine, round)
}

/// The end-to-end tests that are for Windows too, by name.
fn end_to_end() -> Result<Vec<String>, String> {
    let folder = root().join("tests/e2e/tests");
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let Some(name) = path.file_stem().and_then(|n| n.to_str()).filter(|_| path.is_file()) else {
            continue;
        };
        let text = fs::read_to_string(&path).map_err(fail)?;
        let for_linux = ["#![cfg(unix)]", "#![cfg(target_os = \"linux\")]"].iter().any(|c| text.contains(c));
        if !for_linux && !LINUX_ALONE.contains(&name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What people install.
fn installers() -> Result<(), String> {
    installer::test()
}

fn packages(round: &mut Round) -> Result<(), String> {
    let mut which = vec!["--lib", "--bins", "--tests"];
    which.extend(PACKAGES.iter().flat_map(|package| ["--package", package]));
    tests(&which, round)
}

/// `backout.exe demo`, from a folder of drive C: what lies in a folder that all may write to is not trusted.
fn demo() -> Result<(), String> {
    let mut build = for_windows("build");
    build.args(["--package", "backout"]);
    build.args(PLUGINS.iter().flat_map(|(package, _)| ["--package", package]));
    call(environment(&mut build))?;
    let built = target().join(TARGET).join("debug");
    let installed = folder().join("drive_c").join("backout");
    let fail = |e: std::io::Error| format!("{}: {e}", installed.display());
    fs::create_dir_all(installed.join("plugins")).map_err(fail)?;
    fs::copy(built.join("backout.exe"), installed.join("backout.exe")).map_err(fail)?;
    for (_, library) in PLUGINS {
        let name = format!("{library}.dll");
        fs::copy(built.join(&name), installed.join("plugins").join(&name)).map_err(fail)?;
    }
    // To a file: what Wine leaves behind may hold a pipe open for ever.
    let said = installed.join("demo.txt");
    let sink = || fs::File::create(&said).map_err(fail);
    let mut demo = Command::new("wine");
    demo.args([r"C:\backout\backout.exe", "demo"]);
    call(wine(&mut demo).stdin(Stdio::null()).stdout(sink()?).stderr(Stdio::null()))?;
    let text = fs::read_to_string(&said).map_err(fail)?;
    let last = text.lines().last().unwrap_or_default().to_owned();
    println!("backout.exe demo: {last}");
    if last.contains("everything is as it was before") {
        Ok(())
    } else {
        Err(format!("the demo said: {text}"))
    }
}

/// A Windows of our own: nothing of the user's is changed.
pub(crate) fn folder() -> PathBuf {
    target().join("wine")
}

pub(crate) fn environment(command: &mut Command) -> &mut Command {
    command
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_X86_64_WIN7_WINDOWS_GNU_LINKER", "x86_64-w64-mingw32-gcc")
        .env("CARGO_TARGET_I686_WIN7_WINDOWS_GNU_LINKER", "i686-w64-mingw32-gcc")
        .env("CARGO_TARGET_X86_64_WIN7_WINDOWS_GNU_RUNNER", "wine")
        // Set by the toolchain that runs this; the build above is another's.
        .env_remove("RUSTUP_TOOLCHAIN");
    wine(command)
}

pub(crate) fn wine(command: &mut Command) -> &mut Command {
    command.env("WINEPREFIX", folder()).env("WINEDEBUG", "-all").env_remove("DISPLAY")
}

/// Makes the prefix where there is none, and keeps its server alive: without one each test would start its own.
pub(crate) fn prefix() -> Result<Server, String> {
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let quiet = |command: &mut Command| {
        call(wine(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    };
    if !folder.join("system.reg").exists() {
        quiet(Command::new("wine").args(["wineboot", "-i"]))?;
        // What the making started goes with its server. The first program starts a service manager again: two of one
        // Windows would each know a part of the services.
        drop(Server);
    }
    quiet(Command::new("wineserver").arg("-p"))?;
    let server = Server;
    // The first program starts the system's own services, which keep its output open as long as they live: whoever reads
    // ours through a pipe would wait for them.
    quiet(Command::new("wine").args(["cmd", "/c", "exit"]))?;
    Ok(server)
}

/// A server that stays until it is dropped; its services go with it.
pub(crate) struct Server;

impl Drop for Server {
    fn drop(&mut self) {
        // The second waits for its end: what starts next is to meet no half of it.
        for how in ["-k", "-w"] {
            let _ = wine(&mut Command::new("wineserver")).arg(how).current_dir(root()).status();
        }
    }
}
