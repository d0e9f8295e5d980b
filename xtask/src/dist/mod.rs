//! What people install: `cargo xtask dist [linux-x64] [windows-x64] [windows-x86]`, into `target/dist`.
//!
//! Each package holds the program, the plugins, the profiles, the licences of everything in it, and `SHA256SUMS`, by
//! which `backout install` sees that all of it is as it was made.

mod archive;
mod digest;
mod licences;
pub(crate) mod msi;

use crate::{
    build::{PLUGINS, call, cargo, root, target},
    suite::has,
    windows,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The version of everything here.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A kind of machine that is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    LinuxX64,
    WindowsX64,
    WindowsX86,
}

impl Platform {
    const ALL: [Self; 3] = [Self::LinuxX64, Self::WindowsX64, Self::WindowsX86];

    /// As it stands in file names.
    fn name(self) -> &'static str {
        match self {
            Self::LinuxX64 => "linux-x64",
            Self::WindowsX64 => "windows-x64",
            Self::WindowsX86 => "windows-x86",
        }
    }

    /// The compiler's target; `None`: this machine's own.
    fn triple(self) -> Option<&'static str> {
        match self {
            Self::LinuxX64 => None,
            Self::WindowsX64 => Some(windows::TARGET),
            Self::WindowsX86 => Some(windows::TARGET_X86),
        }
    }

    /// The program's file, and a plugin's.
    fn files(self, library: &str) -> (&'static str, String) {
        match self {
            Self::LinuxX64 => ("backout", format!("lib{library}.so")),
            Self::WindowsX64 | Self::WindowsX86 => ("backout.exe", format!("{library}.dll")),
        }
    }

    /// Programs that packing it takes besides those of its build, and the Debian package each is in.
    fn needs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LinuxX64 => &[("tar", "tar")],
            Self::WindowsX64 => &[("zip", "zip"), ("wixl", "wixl"), ("msibuild", "msitools")],
            Self::WindowsX86 => &[("zip", "zip"), ("i686-w64-mingw32-gcc", "gcc-mingw-w64-i686")],
        }
    }
}

/// Makes the packages of the named platforms, or of all that can be built here.
pub(crate) fn run(names: &[String]) -> Result<(), String> {
    let known = Platform::ALL.map(Platform::name);
    if let Some(unknown) = names.iter().find(|n| !known.contains(&n.as_str())) {
        return Err(format!("no platform `{unknown}`; there are: {}", known.join(", ")));
    }
    let out = target().join("dist");
    fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let mut made = Vec::new();
    for platform in Platform::ALL {
        if !names.is_empty() && !names.iter().any(|n| n == platform.name()) {
            continue;
        }
        let windows = if platform.triple().is_some() { windows::BUILD_NEEDS } else { &[] };
        match windows.iter().chain(platform.needs()).find(|(program, _)| !has(program)) {
            Some((program, package)) if names.is_empty() => {
                println!("{} skipped: `{program}` is not here (Debian: {package})", platform.name());
            }
            Some((program, package)) => return Err(format!("`{program}` is not here (Debian: {package})")),
            None => made.extend(package(platform, &out)?),
        }
    }
    // Also those of platforms that were packed another time.
    let names = Platform::ALL.map(|platform| format!("backout-{VERSION}-{}.", platform.name()));
    let ours = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        file.parent() == Some(&out) && names.iter().any(|n| name.starts_with(n.as_str()))
    };
    digest::sums(&out, &files(&out)?.into_iter().filter(ours).collect::<Vec<_>>())?;
    made.iter().for_each(|file| println!("{}", file.display()));
    Ok(())
}

fn package(platform: Platform, out: &Path) -> Result<Vec<PathBuf>, String> {
    let mut build = cargo(&["build", "--quiet", "--release", "--package", "backout"]);
    build.args(PLUGINS.iter().flat_map(|(package, _)| ["--package", package]));
    let built = match platform.triple() {
        None => {
            call(&mut build)?;
            target().join("release")
        }
        Some(triple) => {
            build.args(["-Zbuild-std", "--target", triple]);
            call(windows::environment(&mut build))?;
            target().join(triple).join("release")
        }
    };
    let name = format!("backout-{VERSION}-{}", platform.name());
    let folder = assemble(platform, &built, &out.join(&name))?;
    match platform {
        Platform::LinuxX64 => Ok(vec![archive::tar(&folder)?]),
        Platform::WindowsX64 => {
            Ok(vec![archive::zip(&folder)?, msi::make(&folder, &out.join(format!("{name}.msi")), VERSION)?])
        }
        Platform::WindowsX86 => Ok(vec![archive::zip(&folder)?]),
    }
}

/// Puts what is shipped into a fresh folder.
pub(crate) fn assemble(platform: Platform, built: &Path, folder: &Path) -> Result<PathBuf, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(fail)?;
    }
    for below in ["plugins", "profiles"] {
        fs::create_dir_all(folder.join(below)).map_err(fail)?;
    }
    let copy = |from: &Path, to: &str| {
        fs::copy(from, folder.join(to)).map(|_| ()).map_err(|e| format!("{}: {e}", from.display()))
    };
    let (program, _) = platform.files("");
    copy(&built.join(program), program)?;
    for (_, library) in PLUGINS {
        let (_, file) = platform.files(library);
        copy(&built.join(&file), &format!("plugins/{file}"))?;
    }
    for entry in fs::read_dir(root().join("profiles")).map_err(fail)?.flatten() {
        if entry.path().extension().is_some_and(|e| e == "ron") {
            copy(&entry.path(), &format!("profiles/{}", entry.file_name().to_string_lossy()))?;
        }
    }
    for text in ["LICENSE-APACHE", "LICENSE-MIT", "CHANGELOG.md"] {
        copy(&root().join(text), text)?;
    }
    fs::write(folder.join("README.txt"), readme(platform)).map_err(fail)?;
    fs::write(folder.join("THIRD-PARTY.txt"), licences::text(platform.triple())?).map_err(fail)?;
    digest::sums(folder, &files(folder)?)?;
    Ok(folder.to_owned())
}

/// Every file below, in the order of its name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
    }
    all.sort();
    Ok(all)
}

fn readme(platform: Platform) -> String {
    let (program, install, folder) = match platform {
        Platform::LinuxX64 => ("./backout", "sudo ./backout install", "/usr/local/lib/backout"),
        Platform::WindowsX64 | Platform::WindowsX86 => {
            ("backout.exe", "backout.exe install", r"%ProgramFiles%\backout")
        }
    };
    let text = format!(
        "backout {VERSION}\n\n\
         Takes a server back to the state before a patch, with one command.\n\n\
         Try it here:      {program} demo\n\
         Install it:       {install}\n\
         \x20                 (as an administrator; copies all of this to {folder})\n\
         At boot:          backout boot install\n\
         What would happen: backout plan serverprotect-5.8-patch3\n\n\
         `{program} --help` lists the rest. plugins/ has what knows the products' backups, profiles/ the products\n\
         (those are built in as well: copy one to write your own). SHA256SUMS has the digest of every file here.\n\
         Licences: LICENSE-APACHE or LICENSE-MIT; THIRD-PARTY.txt for what it is built from.\n"
    );
    match platform {
        Platform::LinuxX64 => text,
        Platform::WindowsX64 | Platform::WindowsX86 => text.replace('\n', "\r\n"),
    }
}

/// Runs a program in a folder.
fn within(folder: &Path, command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let status = command.current_dir(folder).status().map_err(|e| format!("{shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed ({status}): {shown}")) }
}
