//! The packages for Windows, installed and taken away under Wine.

use super::{TARGET, folder, wine};
use crate::{
    build::{call, target},
    dist::{self, Platform, msi},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Makes the Windows Installer's package of what the demo was built of, installs it, and takes it away again.
pub(super) fn test() -> Result<(), String> {
    let work = target().join("wine-dist");
    fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    let built = target().join(TARGET).join("debug");
    let package = dist::assemble(Platform::WindowsX64, &built, &work.join("package"))?;
    let msi = msi::make(&package, &work.join("backout.msi"), dist::VERSION)?;
    let newer = msi::make(&package, &work.join("newer.msi"), "100.0.0")?;
    let drive = folder().join("drive_c");
    let (program, state) = (drive.join("Program Files/backout"), drive.join("ProgramData/backout"));
    // What a test that failed has left.
    gone(&state)?;
    for package in [&newer, &msi] {
        let _ = msiexec("/x", package);
    }
    gone(&program)?;

    msiexec("/i", &msi)?;
    let version = said(&program, &["--version"])?;
    expect(version.contains(dist::VERSION), "the installed program tells its version", &version)?;
    let listed = said(&program, &["profile", "list"])?;
    expect(listed.contains("serverprotect-5.8-patch3"), "the installed program lists its profiles", &listed)?;
    said(&program, &["boot", "install"])?;

    // While a run is open nothing is taken away.
    let open = damaged(&program, &drive, &state)?;
    for (what, package) in [("/i", &newer), ("/x", &msi)] {
        let refused = msiexec(what, package);
        expect(
            refused.is_err() && program.join("backout.exe").exists(),
            "an open run keeps it as it is",
            what,
        )?;
        said(&program, &["boot", "status"])?;
    }
    gone(&open)?;

    msiexec("/i", &newer)?;
    // Wine does not tell the version that goes that another one comes: it took the recovery at boot with it.
    said(&program, &["boot", "install"])?;
    let old = msiexec("/x", &msi);
    expect(old.is_err(), "an upgrade takes the version before away", "")?;
    msiexec("/x", &newer)?;
    expect(!program.exists(), "an uninstallation leaves nothing", &left(&program))?;
    let mut query = Command::new("wine");
    query.args(["sc", "query", "backout-recovery"]);
    let there = call(wine(&mut query).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    expect(there.is_err(), "an uninstallation leaves no recovery at boot", "")?;
    expect(state.exists(), "an uninstallation leaves the state folder", "")?;
    zip(&package, &drive)?;
    gone(&work)
}

/// A run with a damaged journal, which is open until somebody settles it: one of a demo's, in the state folder.
fn damaged(program: &Path, drive: &Path, state: &Path) -> Result<PathBuf, String> {
    let demo = drive.join("demo");
    let fail = |e: std::io::Error| format!("a damaged run: {e}");
    let first = |folder: &Path| {
        let mut below = fs::read_dir(folder).map_err(fail)?.flatten();
        below.next().map(|e| e.path()).ok_or_else(|| format!("{}: the demo left nothing", folder.display()))
    };
    gone(&demo)?;
    fs::create_dir(&demo).map_err(fail)?;
    said(program, &["demo", "--keep", "--dir", r"C:\demo"])?;
    let run = first(&first(&demo)?.join("state").join("history"))?;
    let open = state.join("transactions").join(run.file_name().unwrap_or_default());
    call(Command::new("cp").arg("-r").arg(&run).arg(&open))?;
    let mut journal = fs::read(open.join("journal")).map_err(fail)?;
    if let Some(byte) = journal.get_mut(20) {
        *byte ^= 1;
    }
    fs::write(open.join("journal"), journal).map_err(fail)?;
    gone(&demo)?;
    Ok(open)
}

/// The package unpacked, and installed by itself.
fn zip(package: &Path, drive: &Path) -> Result<(), String> {
    let unpacked = drive.join("unpacked");
    gone(&unpacked)?;
    call(Command::new("cp").arg("-r").arg(package).arg(&unpacked))?;
    let program = drive.join("Program Files/backout");
    let installed = said(&unpacked, &["install"])?;
    expect(installed.contains("files written"), "the package installs itself", &installed)?;
    let again = said(&unpacked, &["install"])?;
    expect(again.contains("already"), "it does so once", &again)?;
    said(&program, &["install"])?;
    let listed = said(&program, &["plugin", "list"])?;
    expect(listed.contains("normal-server"), "the installed plugins are found and trusted", &listed)?;
    gone(&program)?;
    gone(&unpacked)
}

fn gone(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {e}", folder.display())),
        _ => Ok(()),
    }
}

fn left(folder: &Path) -> String {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names.map(|e| e.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>().join(", ")
}

fn expect(holds: bool, what: &str, said: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("not so: {what}: {said}")) }
}

/// A path as Windows programs here read it.
fn seen(path: &Path) -> String {
    format!("Z:{}", path.display().to_string().replace('/', "\\"))
}

fn msiexec(what: &str, msi: &Path) -> Result<(), String> {
    let mut msiexec = Command::new("wine");
    msiexec.args(["msiexec", what, &seen(msi), "/qn"]);
    call(wine(&mut msiexec).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}

/// What the program in this folder says; it must end with 0.
fn said(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    // To a file: what Wine leaves behind may hold a pipe open for ever.
    let to: PathBuf = target().join("wine-dist").join("said.txt");
    let fail = |e: std::io::Error| format!("{}: {e}", to.display());
    let sink = fs::File::create(&to).map_err(fail)?;
    let both = sink.try_clone().map_err(fail)?;
    let below = folder.strip_prefix(super::folder().join("drive_c")).map_err(|e| e.to_string())?;
    let mut run = Command::new("wine");
    // By its place on drive C, as whoever installed it would.
    run.arg(format!("C:\\{}\\backout.exe", below.display().to_string().replace('/', "\\"))).args(arguments);
    let done = call(wine(&mut run).stdin(Stdio::null()).stdout(both).stderr(sink));
    let text = fs::read_to_string(&to).map_err(fail)?;
    done.map_err(|e| format!("{e}: {text}")).map(|()| text)
}
